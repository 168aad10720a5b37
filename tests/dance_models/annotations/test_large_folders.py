"""Work on many clips and files grows with their number, not with the product of both."""

import json
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest

from dance_models.annotations.clip_names import ClipNames
from dance_models.annotations.folder_index import index_annotations, index_file
from dance_models.annotations.image_names import Reading
from dance_models.annotations.parsed_file import RawPose

CLIPS, FRAMES = 60, 2


def _coco(path: Path) -> Path:
    pairs = [(clip, frame) for clip in range(CLIPS) for frame in range(FRAMES)]
    names = [f"dense_{clip:03d}_{frame:06d}.jpg" for clip, frame in pairs]
    path.write_text(
        json.dumps(
            {
                "images": [{"id": i, "file_name": name} for i, name in enumerate(names)],
                "categories": [{"id": 1, "keypoints": ["left_knee", "right_knee"]}],
                "annotations": [
                    {"image_id": i, "category_id": 1, "keypoints": [10, 10, 2, 20, 20, 2]}
                    for i in range(len(names))
                ],
            }
        )
    )
    return path


def test_a_file_of_many_clips_is_looked_through_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    def counted(pose: RawPose) -> str:
        nonlocal asked
        asked += 1
        return pose.image.clip

    monkeypatch.setattr(RawPose, "clip", property(counted))
    names = ClipNames({"dense_000": "dense_000"})
    entry = index_file(_coco(tmp_path / "all.json"), Reading(names))
    assert len(entry.clips) == CLIPS
    lost = [problem for problem in entry.problems if "not registered" in problem.message]
    assert [(p.clip, p.rows) for p in lost] == [(f"dense_{i:03d}", FRAMES) for i in range(1, CLIPS)]
    assert asked <= 10 * CLIPS * FRAMES


def test_the_names_of_the_clips_are_looked_through_once_for_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = 0
    compare = SequenceMatcher.set_seq1

    def counted(matcher: Any, name: str) -> None:
        nonlocal compared
        compared += 1
        compare(matcher, name)

    point = {"label": "left_knee", "shape_type": "point", "points": [[10, 10]]}
    for number in range(20):
        image = {"imagePath": f"dense_{number:03d}_000001.jpg", "shapes": [point]}
        (tmp_path / f"{number}.json").write_text(json.dumps(image))
    names = ClipNames({f"dance_{i:03d}": f"dance_{i:03d}" for i in range(300)})
    monkeypatch.setattr(SequenceMatcher, "set_seq1", counted)
    found = index_annotations(tmp_path, reading=lambda path: Reading(names))
    assert Reading(names).names is names
    assert all("The nearest registered clip is" in f.problems[0].message for f in found)
    assert compared <= 60 * len(found)
