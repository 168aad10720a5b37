"""Exported frames come back from each tool, through its renaming, as the frames they were."""

import json
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from dance_models.annotations.clip_import import ClipInfo, import_clip
from dance_models.annotations.export import Tool, export_frames, image_name
from dance_models.annotations.image_names import Reading
from dance_models.errors import InputError
from dance_models.skeleton import DANCE_14
from dance_models.tables import FRAMES, TRACKS

INFO = ClipInfo(width=320, height=240, frames=50)
CLIPS = ("salsa_1", "salsa_01", "duet-3f2a1c")
KEYS = Reading({clip: clip for clip in CLIPS})
NUMBERS = (0, 4, 17)


def _pose(clip: str, frame: int) -> NDArray[np.float32]:
    rng = np.random.default_rng([CLIPS.index(clip), frame])
    pose = rng.uniform(10, 230, (14, 2)).astype(np.float32)
    pose[DANCE_14.index["left_wrist"]] = np.nan
    return pose


def _tables() -> tuple[pl.DataFrame, pl.DataFrame]:
    pairs = [(clip, frame) for clip in CLIPS for frame in NUMBERS]
    frames = [
        {
            "clip": clip, "style": "", "performer": "", "take": "", "run": 0, "frame": frame,
            "time_s": frame / 30, "image": f"frames/{clip}/{frame:06d}.jpg", "width": 320,
            "height": 240, "backend": "pyav",
        }
        for clip, frame in pairs
    ]  # fmt: skip
    empty = dict.fromkeys(TRACKS)
    tracks = [{**empty, "clip": c, "frame": f, "keypoints": _pose(c, f).tolist()} for c, f in pairs]
    return pl.DataFrame(frames, schema=FRAMES), pl.DataFrame(tracks, schema=TRACKS)


def _come_back(path: Path, tolerance: float = 1e-3) -> None:
    for clip in CLIPS:
        imported = import_clip(clip, [path], INFO, {path: KEYS})
        assert imported.table["frame"].to_list() == list(NUMBERS)
        assert [p for p in imported.problems if p.action != "empty"] == []
        poses = imported.table["keypoints"].to_numpy()
        expected = np.stack([_pose(clip, frame) for frame in NUMBERS])
        np.testing.assert_allclose(poses, expected, atol=tolerance)


def _export(folder: Path, tool: Tool) -> Path:
    frames, tracks = _tables()
    return export_frames(frames, folder, tracks=tracks, tool=tool)


def test_names_of_images_are_flat_and_unique() -> None:
    frames, _ = _tables()
    names = [image_name(clip, image) for clip, image in frames.select("clip", "image").rows()]
    assert names[:2] == ["images/salsa_1_000000.jpg", "images/salsa_1_000004.jpg"]
    assert len({PurePosixPath(name).name for name in names}) == len(names)


def test_coco_comes_back(tmp_path: Path) -> None:
    _come_back(_export(tmp_path, "coco"))


@pytest.mark.parametrize("sub", ["", "train/"])
def test_coco_comes_back_from_roboflow(tmp_path: Path, sub: str) -> None:
    """Roboflow drops folders and fields of its own, and adds a hash to names."""
    path = _export(tmp_path, "coco")
    document = json.loads(path.read_text())
    document["images"] = [
        {
            "id": image["id"],
            "file_name": sub + PurePosixPath(image["file_name"]).stem + f"_jpg.rf.{i:032x}.jpg",
            "width": 320,
            "height": 240,
        }
        for i, image in enumerate(document["images"])
    ]
    path.write_text(json.dumps(document))
    _come_back(path)


def test_cvat_comes_back(tmp_path: Path) -> None:
    path = _export(tmp_path, "cvat")
    root = ElementTree.parse(path).getroot()
    for i, image in enumerate(root.iter("image")):
        assert "/" not in image.get("name", "")
        image.set("id", str(i + 100))
    _come_back(path, 0.01)


def test_cvat_comes_back_from_a_subset_of_a_project(tmp_path: Path) -> None:
    path = _export(tmp_path, "cvat")
    tree = ElementTree.parse(path)
    for image in tree.getroot().iter("image"):
        image.set("name", f"default\\upload 7\\{image.get('name')}")
        image.set("task_id", "7")
    tree.write(path)
    _come_back(path, 0.01)


@pytest.mark.parametrize(
    "address", ["/data/upload/3/0f3a9c1d-{}", "/data/local-files/?d=out/images/{}", "s3://b/k/{}"]
)
def test_label_studio_comes_back(tmp_path: Path, address: str) -> None:
    """The annotator submits the predictions; an upload renames the image."""
    path = _export(tmp_path, "label-studio")
    tasks: list[dict[str, Any]] = json.loads(path.read_text())
    for number, task in enumerate(tasks):
        name = task["data"]["image"].rpartition("/")[2]
        assert name.startswith(CLIPS)
        task["data"]["image"] = address.format(name)
        (prediction,) = task.pop("predictions")
        task |= {"id": number, "annotations": [{"id": number, "result": prediction["result"]}]}
    path.write_text(json.dumps(tasks))
    _come_back(path)


def test_label_studio_comes_back_as_coco(tmp_path: Path) -> None:
    path = _export(tmp_path, "coco")
    document = json.loads(path.read_text())
    document["images"] = [
        {"id": image["id"], "width": 320, "height": 240,
         "file_name": "..\\..\\media\\upload\\4\\0f3a9c1d-"
         + PurePosixPath(image["file_name"]).name}
        for image in document["images"]
    ]  # fmt: skip
    path.write_text(json.dumps(document))
    _come_back(path)


@pytest.mark.parametrize("tool", ["coco", "cvat", "label-studio"])
def test_without_estimates_nothing_counts_as_annotated(tmp_path: Path, tool: Tool) -> None:
    path = export_frames(_tables()[0], tmp_path, tool=tool)
    for clip in CLIPS:
        imported = import_clip(clip, [path], INFO, {path: KEYS})
        assert imported.table.is_empty()
        assert all(problem.action == "empty" for problem in imported.problems)


@pytest.mark.parametrize("tool", ["coco", "cvat", "label-studio"])
def test_labels_are_never_replaced(tmp_path: Path, tool: Tool) -> None:
    frames, tracks = _tables()
    path = export_frames(frames.head(3), tmp_path, tool=tool)
    assert export_frames(frames, tmp_path, tool=tool) == path  # nobody labelled in it
    _label(path, tool)
    labelled = path.read_bytes()
    for estimated in (None, tracks):
        with pytest.raises(InputError, match=r"holds labels.*Move it away"):
            export_frames(frames, tmp_path, tracks=estimated, tool=tool)
    assert path.read_bytes() == labelled


def _label(path: Path, tool: Tool) -> None:
    """Fill in one joint, as a tool would save it under the same name."""
    if tool == "cvat":
        tree = ElementTree.parse(path)
        image = next(tree.getroot().iter("image"))
        ElementTree.SubElement(image, "points", label="left_knee", points="3.00,4.00")
        tree.write(path)
        return
    document = json.loads(path.read_text())
    if tool == "coco":
        document["annotations"][0]["keypoints"][:3] = [3.0, 4.0, 2]
    else:
        document[0]["annotations"] = [{"result": []}]
    path.write_text(json.dumps(document))


@pytest.mark.parametrize("tool", ["coco", "cvat"])
def test_what_was_filled_in_may_have_been_corrected(tmp_path: Path, tool: Tool) -> None:
    frames, tracks = _tables()
    for _ in range(2):  # the same again changes nothing
        path = export_frames(frames, tmp_path, tracks=tracks, tool=tool)
    with pytest.raises(InputError, match="holds labels"):
        export_frames(frames, tmp_path, tool=tool)
    path.write_text("somebody's own")
    with pytest.raises(InputError, match="holds labels"):
        export_frames(frames, tmp_path, tool=tool)
