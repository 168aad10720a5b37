"""Files whose frames count from 1."""

import json
from pathlib import Path
from typing import Any

import pytest

from dance_models.annotations.clip_import import AnnotationImport, ClipInfo, import_clip
from dance_models.annotations.image_names import Reading
from dance_models.skeleton import DANCE_14

INFO = ClipInfo(width=320, height=240, frames=10)


def _values(frame: int) -> list[Any]:
    return [value for i in range(14) for value in (100.0 + i, 60.0 + frame, 2)]


def _coco(frames: list[int], listed: list[int] | None = None, **of_image: Any) -> dict[str, Any]:
    images = listed if listed is not None else frames
    return {
        "categories": [{"id": 1, "keypoints": list(DANCE_14.names)}],
        "images": [{"id": i, "file_name": f"solo/{i:06d}.jpg", **of_image} for i in images],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "keypoints": _values(i)} for i in frames
        ],
    }


def _import(path: Path, document: Any, first: Any = None) -> AnnotationImport:
    path.write_text(json.dumps(document))
    return import_clip("solo", [path], INFO, {path: Reading(first_frame=first)})


def _frames(result: AnnotationImport) -> dict[int, float]:
    """What the frame's pose says of the frame that it was annotated as."""
    pairs = result.table.select("frame", "keypoints").iter_rows()
    return {frame: pose[0][1] - 60 for frame, pose in pairs}


@pytest.mark.parametrize("frames", [[*range(1, 11)], [1, 7, 10], [2, 4, 6, 8, 10]])
def test_a_last_frame_of_the_clips_length_tells(tmp_path: Path, frames: list[int]) -> None:
    result = _import(tmp_path / "a.json", _coco(frames))
    assert _frames(result) == {frame - 1: frame for frame in frames}
    (problem,) = result.problems
    assert problem.message == (
        f"its frames run from {frames[0]} to 10 in a clip of the frames 0 to 9: counted from 1, so "
        "each was moved back by one frame (--first-frame 0 keeps them)"
    )
    assert (problem.action, problem.rows, problem.clip) == ("repaired", len(frames), "solo")


def test_images_that_are_not_annotated_count_too(tmp_path: Path) -> None:
    moved = _import(tmp_path / "a.json", _coco([3], [*range(1, 11)]))
    assert _frames(moved) == {2: 3}
    kept = _import(tmp_path / "b.json", _coco([1, 2, 3], [*range(10)]))
    assert _frames(kept) == {1: 1, 2: 2, 3: 3}
    assert kept.problems == []


def test_a_start_at_one_is_said_and_not_moved(tmp_path: Path) -> None:
    result = _import(tmp_path / "a.json", _coco([1, 2, 3, 4]))
    assert _frames(result) == {1: 1, 2: 2, 3: 3, 4: 4}
    (problem,) = result.problems
    assert (problem.action, problem.rows) == ("noted", 4)
    assert "run with --first-frame 1" in problem.message
    assert _import(tmp_path / "b.json", _coco([1, 2, 3, 4]), 0).problems == []


def test_the_choice_decides(tmp_path: Path) -> None:
    moved = _import(tmp_path / "a.json", _coco([1, 5]), 1)
    assert _frames(moved) == {0: 1, 4: 5}
    assert moved.problems[0].action == "repaired"
    kept = _import(tmp_path / "b.json", _coco([1, 5, 10]), 0)
    assert _frames(kept) == {1: 1, 5: 5}
    assert "no such frame (it has 10)" in kept.problems[0].message


def test_a_file_with_a_frame_0_counts_from_0(tmp_path: Path) -> None:
    result = _import(tmp_path / "a.json", _coco([0, 1, 10]))
    assert _frames(result) == {0: 0, 1: 1}
    assert "no such frame" in result.problems[0].message


def test_frame_indices_are_counted_alike(tmp_path: Path) -> None:
    document = _coco([*range(1, 11)], video="solo.mp4", file_name="x.png")
    for image in document["images"]:
        image["frame_index"] = image["id"]
    assert _frames(_import(tmp_path / "a.json", document)) == {f - 1: f for f in range(1, 11)}


def test_files_of_one_frame_are_counted_together(tmp_path: Path) -> None:
    folder = tmp_path / "solo"
    folder.mkdir()
    paths = []
    for frame in range(1, 11):
        shapes = [
            {"label": joint, "shape_type": "point", "points": [[100 + i, 60 + frame]]}
            for i, joint in enumerate(DANCE_14.names)
        ]
        paths.append(folder / f"{frame:04d}.json")
        paths[-1].write_text(json.dumps({"imagePath": f"{frame:04d}.jpg", "shapes": shapes}))
    result = import_clip("solo", paths, INFO)
    assert _frames(result) == {frame - 1: frame for frame in range(1, 11)}
    assert [problem.action for problem in result.problems] == ["repaired"]
