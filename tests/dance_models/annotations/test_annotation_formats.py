"""Each format, written from known keypoints by a scripted annotator, is imported exactly."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from dance_models.annotations.canonical import canonical_joint
from dance_models.annotations.clip_import import ClipInfo, import_clip
from dance_models.annotations.export import export_frames
from dance_models.annotations.folder_index import index_annotations
from dance_models.annotations.image_names import identity_of
from dance_models.errors import InputError
from dance_models.skeleton import DANCE_14
from dance_models.tables import FRAMES

INFO = ClipInfo(width=320, height=240, frames=50)
FRAMES_ANNOTATED = (3, 4, 17)


def _truth() -> dict[int, NDArray[np.float64]]:
    rng = np.random.default_rng(1)
    return {f: rng.integers(10, 230, (14, 2)).astype(float) for f in FRAMES_ANNOTATED}


# A different order than ours: nothing may depend on the index.
ORDER = tuple(reversed(DANCE_14.names))


def _points(pose: NDArray[np.float64]) -> list[tuple[str, float, float]]:
    return [(name, *pose[DANCE_14.names.index(name)]) for name in ORDER]


def write_coco(folder: Path, truth: dict[int, NDArray[np.float64]]) -> None:
    document: dict[str, Any] = {
        "categories": [{"id": 7, "name": "person", "keypoints": list(ORDER)}],
        "images": [{"id": f, "file_name": f"solo/{f:06d}.jpg"} for f in truth],
        "annotations": [
            {
                "id": f,
                "image_id": f,
                "category_id": 7,
                "keypoints": [v for _, x, y in _points(pose) for v in (x, y, 2)],
            }
            for f, pose in truth.items()
        ],
    }
    (folder / "coco.json").write_text(json.dumps(document))


def write_posetrack(folder: Path, truth: dict[int, NDArray[np.float64]]) -> None:
    write_coco(folder, truth)
    document = json.loads((folder / "coco.json").read_text())
    (folder / "coco.json").unlink()
    for image in document["images"]:
        image.update(vid_id="000001", is_labeled=True)
    for annotation in document["annotations"]:
        annotation["keypoints"][2::3] = [1] * 14
    (folder / "posetrack.json").write_text(json.dumps(document))


def write_label_studio(folder: Path, truth: dict[int, NDArray[np.float64]]) -> None:
    tasks = []
    for frame, pose in truth.items():
        result = [
            {
                "type": "keypointlabels",
                "original_width": 320,
                "original_height": 240,
                "image_rotation": 0,
                "value": {"x": x / 3.2, "y": y / 2.4, "keypointlabels": [name]},
            }
            for name, x, y in _points(pose)
        ]
        image = f"/data/local-files/?d=images/solo/0f3a9c1d-{frame:06d}.jpg"
        tasks.append({"id": frame, "data": {"img": image}, "annotations": [{"result": result}]})
    (folder / "studio.json").write_text(json.dumps(tasks))


def write_labelme(folder: Path, truth: dict[int, NDArray[np.float64]]) -> None:
    (folder / "solo").mkdir()
    for frame, pose in truth.items():
        shapes = [
            {"label": name, "points": [[x, y]], "shape_type": "point", "group_id": 1, "flags": {}}
            for name, x, y in _points(pose)
        ]
        document = {"imagePath": f"{frame:06d}.jpg", "shapes": shapes}
        (folder / "solo" / f"{frame:06d}.json").write_text(json.dumps(document))


def write_cvat(folder: Path, truth: dict[int, NDArray[np.float64]]) -> None:
    root = ElementTree.Element("annotations")
    for frame, pose in truth.items():
        image = ElementTree.SubElement(root, "image", name=f"images/solo/{frame:06d}.jpg")
        skeleton = ElementTree.SubElement(image, "skeleton", label="person")
        for name, x, y in _points(pose):
            ElementTree.SubElement(
                skeleton, "points", label=name, points=f"{x},{y}", occluded="0", outside="0"
            )
    ElementTree.ElementTree(root).write(folder / "cvat.xml")


def write_cvat_video(folder: Path, truth: dict[int, NDArray[np.float64]]) -> None:
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "source").text = "Solo.mp4"
    track = ElementTree.SubElement(root, "track", id="0", label="person")
    for frame, pose in truth.items():
        skeleton = ElementTree.SubElement(track, "skeleton", frame=str(frame), outside="0")
        for name, x, y in _points(pose):
            ElementTree.SubElement(
                skeleton, "points", label=name, points=f"{x},{y}", occluded="1", outside="0"
            )
    ElementTree.ElementTree(root).write(folder / "video.xml")


FORMATS = [
    write_coco, write_posetrack, write_label_studio, write_labelme, write_cvat, write_cvat_video,
]  # fmt: skip


@pytest.mark.parametrize("write", FORMATS, ids=lambda w: w.__name__.removeprefix("write_"))
def test_every_format_is_imported(tmp_path: Path, write: Any) -> None:
    truth = _truth()
    write(tmp_path, truth)
    index = index_annotations(tmp_path)
    assert all(entry.problem is None and set(entry.clips) == {"solo"} for entry in index)
    imported = import_clip("solo", [entry.path for entry in index], INFO)
    assert imported.problems == []
    assert imported.table["frame"].to_list() == sorted(truth)
    for frame, pose in zip(
        imported.table["frame"], imported.table["keypoints"].to_numpy(), strict=True
    ):
        np.testing.assert_allclose(pose, truth[frame], atol=1e-3)
    expected = 1 if write is write_cvat_video else 2
    assert (imported.table["visibility"].to_numpy() == expected).all()


def _sampled() -> pl.DataFrame:
    rows = [
        {
            "clip": "solo",
            "style": "ballet",
            "performer": "",
            "take": "",
            "run": 0,
            "frame": frame,
            "time_s": frame / 30,
            "image": f"frames/solo/{frame:06d}.jpg",
            "width": 320,
            "height": 240,
            "backend": "decord",
        }
        for frame in FRAMES_ANNOTATED
    ]
    return pl.DataFrame(rows, schema=FRAMES)


def test_exported_frames_are_annotated_elsewhere_and_imported_back(tmp_path: Path) -> None:
    path = export_frames(_sampled(), tmp_path)
    (before,) = index_annotations(tmp_path)
    assert before.clips == {}  # nothing is annotated yet
    document = json.loads(path.read_text())
    truth = _truth()
    frames = {image["id"]: image["frame_index"] for image in document["images"]}
    for annotation in document["annotations"]:
        pose = truth[frames[annotation["image_id"]]]
        annotation["keypoints"] = [v for x, y in pose for v in (x, y, 2)]
    path.write_text(json.dumps(document))
    imported = import_clip("solo", [path], INFO)
    assert imported.problems == []
    np.testing.assert_allclose(
        imported.table["keypoints"].to_numpy(), np.stack([truth[f] for f in FRAMES_ANNOTATED])
    )


@pytest.mark.parametrize(
    ("name", "joint"),
    [
        ("left_shoulder", "left_shoulder"),
        ("LShoulder", "left_shoulder"),
        ("Right Knee", "right_knee"),
        ("ankle-r", "right_ankle"),
        ("head_bottom", "neck"),
        ("Upper neck", "neck"),
        ("top_head", "head_top"),
        ("nose", None),
        ("left_eye", None),
    ],
)
def test_joint_names(name: str, joint: str | None) -> None:
    assert canonical_joint(name) == joint


@pytest.mark.parametrize(
    "name", ["solo/000012.jpg", "images/solo/12.png", "solo_000012.jpg", "x\\Solo\\frame_12.jpg"]
)
def test_image_names_give_clip_and_frame(name: str) -> None:
    assert identity_of(name) == ("solo", 12)


@pytest.mark.parametrize("name", ["../../000001.jpg", "holiday.jpg", ""])
def test_image_names_without_clip_and_frame_are_refused(name: str) -> None:
    with pytest.raises(InputError):
        identity_of(name)
