"""Joints that a file has no place for are derived as for the estimators, and marked."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from dance_models.annotations.clip_import import AnnotationImport, ClipInfo, import_clip
from dance_models.skeleton import DANCE_14
from dance_models.skeletons.coco_17 import COCO_17

INFO = ClipInfo(width=320, height=240, frames=10)
PLACES = {
    "nose": (105.0, 30.0),
    "left_ear": (112.0, 28.0),
    "right_ear": (98.0, 32.0),
    "left_shoulder": (120.0, 60.0),
    "right_shoulder": (90.0, 64.0),
}
NECK, HEAD = DANCE_14.index["neck"], DANCE_14.index["head_top"]
OTHERS = [i for i in range(14) if i not in (NECK, HEAD)]


def _import(tmp_path: Path, names: list[str], *frames: dict[str, tuple[float, ...]]) -> Any:
    annotations = []
    for frame, changed in enumerate(frames):
        places = {n: (150.0 + i, 100.0 + i, 2.0) for i, n in enumerate(names)}
        places |= {n: (*p, 2.0) for n, p in PLACES.items() if n in names}
        places |= {n: (*p, 2.0)[:3] for n, p in changed.items()}
        values = [v for n in names for v in places[n]]
        annotations.append({"id": frame, "image_id": frame, "category_id": 1, "keypoints": values})
    document = {
        "categories": [{"id": 1, "keypoints": names}],
        "images": [{"id": i, "file_name": f"solo_{i:06d}.jpg"} for i in range(len(frames))],
        "annotations": annotations,
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document))
    return import_clip("solo", [path], INFO)


def _derived(result: AnnotationImport) -> list[Any]:
    return result.table["derived"].to_list()


def test_neck_and_head_top_of_coco_17(tmp_path: Path) -> None:
    occluded = {"left_shoulder": (120.0, 60.0, 1.0)}
    result = _import(tmp_path, list(COCO_17.names), {}, occluded)
    poses, seen = result.table["keypoints"].to_numpy(), result.table["visibility"].to_numpy()
    neck, ears = np.array([105.0, 62.0]), np.array([105.0, 30.0])
    np.testing.assert_allclose(poses[0, NECK], neck)
    np.testing.assert_allclose(poses[0, HEAD], neck + 1.9 * (ears - neck), rtol=1e-6)
    assert seen[:, [NECK, HEAD]].tolist() == [[2, 2], [1, 1]]
    assert (seen[0, OTHERS] == 2).all()
    assert [i for i, d in enumerate(_derived(result)[0]) if d] == [HEAD, NECK]
    assert {problem.action for problem in result.problems} == {"noted"}  # the eyes


def test_one_ear_then_the_nose_stand_for_the_ears(tmp_path: Path) -> None:
    hidden = (0.0, 0.0, 0.0)
    result = _import(
        tmp_path,
        list(COCO_17.names),
        {"left_ear": hidden},
        {"left_ear": hidden, "right_ear": hidden},
        {"left_ear": hidden, "right_ear": hidden, "nose": hidden},
        {"left_shoulder": hidden},
    )
    poses, neck = result.table["keypoints"].to_numpy(), np.array([105.0, 62.0])
    for frame, source in enumerate(("right_ear", "nose")):
        expected = neck + 1.9 * (np.array(PLACES[source]) - neck)
        np.testing.assert_allclose(poses[frame, HEAD], expected, rtol=1e-6)
    assert np.isnan(poses[2, HEAD]).all()
    assert np.isnan(poses[3, [NECK, HEAD]]).all()
    assert _derived(result)[3] is None


def test_a_joint_that_the_file_has_a_place_for_is_never_derived(tmp_path: Path) -> None:
    result = _import(tmp_path, [*DANCE_14.names, "left_ear", "right_ear"], {"neck": (0, 0, 0)}, {})
    assert np.isnan(result.table["keypoints"].to_numpy()[0, NECK]).all()
    assert _derived(result) == [None, None]


def test_a_derived_joint_outside_the_picture_is_absent_and_no_loss(tmp_path: Path) -> None:
    high = {"left_ear": (112.0, 2.0), "right_ear": (98.0, 2.0), "nose": (105.0, 3.0)}
    result = _import(tmp_path, list(COCO_17.names), high)
    assert result.table["visibility"].to_numpy()[0, [NECK, HEAD]].tolist() == [2, 0]
    assert {problem.action for problem in result.problems} == {"noted"}


def test_a_source_outside_the_picture_gives_nothing(tmp_path: Path) -> None:
    result = _import(tmp_path, list(COCO_17.names), {"left_shoulder": (5000.0, 60.0)})
    assert result.table["visibility"].to_numpy()[0, [NECK, HEAD]].tolist() == [0, 0]
    assert [p.joint for p in result.problems if p.action == "repaired"] == ["left_shoulder"]
