"""A random annotated clip, written in a format and read back, is the same table to 0.01 px."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dance_models.annotations.clip_import import ClipInfo, import_clip
from dance_models.annotations.image_names import Reading
from dance_models.skeleton import DANCE_14

INFO = ClipInfo(640, 480, 100)
READING = Reading({clip: clip for clip in ("salsa_1", "salsa_01", "frame")})
Poses = dict[int, NDArray[np.float64]]  # frame -> (14, 3) x, y, visibility
NAMES = (
    "salsa_01_{:06d}.jpg", "salsa_01/{:04d}.png", "..\\x\\salsa_01\\frame_{}.jpg",
    "/data/upload/3/0f3a9c1d-salsa_01_f{:03d}.jpg", "salsa_01_{:05d}_jpg.rf.a0b1.jpg",
)  # fmt: skip


@st.composite
def poses(draw: st.DrawFn) -> Poses:
    """Some frames, 0 among them, each with at least three joints."""
    frames = draw(st.sets(st.integers(1, 99), max_size=4)) | {0}
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    found = {}
    for frame in frames:
        seen = rng.integers(0, 3, 14)
        seen[rng.choice(14, 3, replace=False)] = 2
        xy = rng.uniform((0, 0), (639, 479), (14, 2))
        xy[np.flatnonzero(seen)[0]] = (600.0, 400.0)  # no file looks like one of fractions
        found[frame] = np.column_stack([xy, seen])
    return found


def write_coco(path: Path, truth: Poses, name: str) -> None:
    ids = [str(frame) if frame % 2 else frame for frame in truth]
    document = {
        "categories": [{"id": "1", "keypoints": list(DANCE_14.names)}],
        "images": [{"id": f, "file_name": name.format(f)} for f in truth],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1,
             "keypoints": [v for x, y, s in pose for v in (x, y, int(s))]}
            for i, pose in zip(ids, truth.values(), strict=True)
        ],
    }  # fmt: skip
    path.write_text(json.dumps(document))


def _shape(parent: Any, joint: str, values: NDArray[np.float64], **more: str) -> None:
    x, y, seen = values
    ElementTree.SubElement(
        parent,
        "points",
        label=joint,
        points=f"{x:.3f},{y:.3f}",
        outside=str(int(seen == 0)),
        occluded=str(int(seen == 1)),
        **more,
    )


def write_cvat_images(path: Path, truth: Poses, name: str) -> None:
    root = ElementTree.Element("annotations")
    for frame, pose in truth.items():
        image = ElementTree.SubElement(root, "image", name=name.format(frame))
        skeleton = ElementTree.SubElement(image, "skeleton", label="person")
        for joint, values in zip(DANCE_14.names, pose, strict=True):
            _shape(skeleton, joint, values)
    ElementTree.ElementTree(root).write(path)


def _video(path: Path) -> ElementTree.Element:
    root = ElementTree.Element("annotations")
    meta = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    ElementTree.SubElement(meta, "source").text = "C:\\clips\\salsa_01.mp4"
    return root


def write_cvat_tracks(path: Path, truth: Poses, name: str) -> None:
    root = _video(path)
    for i, joint in enumerate(DANCE_14.names):
        track = ElementTree.SubElement(root, "track", id=str(i), label=joint)
        for frame, pose in truth.items():
            _shape(track, joint, pose[i], frame=str(frame))
    ElementTree.ElementTree(root).write(path)


def write_cvat_video_images(path: Path, truth: Poses, name: str) -> None:
    root = _video(path)
    for frame, pose in truth.items():
        image = ElementTree.SubElement(root, "image", name=f"frame_{frame:06d}")
        for joint, values in zip(DANCE_14.names, pose, strict=True):
            _shape(image, joint, values, group_id="3")
    ElementTree.ElementTree(root).write(path)


WRITERS = {
    "coco.json": write_coco,
    "images.xml": write_cvat_images,
    "tracks.xml": write_cvat_tracks,
    "video_images.xml": write_cvat_video_images,
}


@pytest.mark.parametrize("file", sorted(WRITERS))
@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(truth=poses(), name=st.sampled_from(NAMES))
def test_what_is_written_is_read(file: str, tmp_path: Path, truth: Poses, name: str) -> None:
    path = tmp_path / file
    write: Callable[[Path, Poses, str], None] = WRITERS[file]
    write(path, truth, name)
    result = import_clip("salsa_01", [path], INFO, {path: READING})
    assert result.problems == []
    assert result.table["frame"].to_list() == sorted(truth)
    expected = np.stack([truth[frame] for frame in sorted(truth)])
    assert result.table["visibility"].to_numpy().tolist() == expected[..., 2].tolist()
    places = np.where(expected[..., 2:] > 0, expected[..., :2], np.nan)
    np.testing.assert_allclose(result.table["keypoints"].to_numpy(), places, atol=0.01)
