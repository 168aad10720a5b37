"""Work on many clips and files grows with their number, not with the product of both."""

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from broken_folders import goes_away
from comparisons import counted_comparisons

from dance_models.annotations import clip_import
from dance_models.annotations.archives import parse_files
from dance_models.annotations.clip_import import ClipInfo, import_clip
from dance_models.annotations.clip_names import ClipNames
from dance_models.annotations.folder_index import index_annotations, index_file
from dance_models.annotations.image_names import Reading
from dance_models.annotations.parsed_file import MOST_KINDS, Image, ParsedFile, RawPose
from dance_models.annotations.unread import unread_files

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
    point = {"label": "left_knee", "shape_type": "point", "points": [[10, 10]]}
    for number in range(20):
        image = {"imagePath": f"dense_{number:03d}_000001.jpg", "shapes": [point]}
        (tmp_path / f"{number}.json").write_text(json.dumps(image))
    names = ClipNames({f"dance_{i:03d}": f"dance_{i:03d}" for i in range(300)})
    compared = counted_comparisons(monkeypatch)
    found = index_annotations(tmp_path, reading=lambda path: Reading(names))
    assert Reading(names).names is names
    assert all("The nearest registered clip is" in f.problems[0].message for f in found)
    assert len(compared) <= 60 * len(found)


def test_a_file_of_many_clips_is_parsed_once_for_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[Path] = []

    def counted(path: Path, reading: Reading | None) -> list[ParsedFile]:
        parsed.append(path)
        return parse_files(path, reading)

    monkeypatch.setattr(clip_import, "parse_files", counted)
    path, info = _coco(tmp_path / "all.json"), ClipInfo(100, 100, 9)
    clips = [f"dense_{clip:03d}" for clip in range(CLIPS)]
    names = ClipNames(zip(clips, clips, strict=True))
    for clip in clips:
        found = import_clip(clip, [path], info, {path: Reading(names)})
        assert (found.table.height, found.table["clip"].unique().to_list()) == (FRAMES, [clip])
    assert len(parsed) == 1
    import_clip("dense_000", [path], info, {path: Reading(names, first_frame=1)})
    assert len(parsed) == 2  # another reading
    path.write_text(path.read_text().replace("[10, 10,", "[30, 10,"))
    changed = import_clip("dense_000", [path], info, {path: Reading(names)})
    assert len(parsed) == 3
    assert np.nanmax(changed.table["keypoints"].to_numpy()) == 30


@pytest.mark.parametrize("case", ["many people", "one clip"])
def test_what_no_neighbour_needs_or_is_large_is_not_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    remembered = clip_import._Remembered()
    monkeypatch.setattr(clip_import, "_MOST_KEPT", CLIPS if case == "many people" else 10**6)
    path = _coco(tmp_path / "all.json")
    if case == "one clip":
        path.write_text(re.sub(r"dense_\d+_", "dense_000_", path.read_text()))
    reading = Reading(ClipNames({"dense_000": "dense_000"}))
    assert remembered.parsed(path, reading)[0].poses
    assert not remembered._kept


def test_kinds_of_losses_of_a_file_are_counted_together_beyond_a_number() -> None:
    parsed = ParsedFile("a.json")
    for number in range(5000):
        parsed.count(f"points of 'p{number}', which is none of our joints", Image("solo", number))
        parsed.count("annotations without keypoints", Image(f"clip_{number}", 0))
    parsed.finish()
    of_solo = [problem for problem in parsed.problems if problem.clip == "solo"]
    assert len(of_solo) == MOST_KINDS + 1
    assert sum(problem.rows for problem in of_solo) == 5000
    assert "4900 left out: further kinds of entries, after the first 100" in of_solo[-1].message
    # Of another clip it is another problem, and none is lost.
    assert sum("without keypoints" in problem.message for problem in parsed.problems) == 5000


def test_annotations_in_hidden_folders_are_not_read(tmp_path: Path) -> None:
    hidden = ("a/.ipynb_checkpoints/labels-checkpoint.json", ".Trash/old.json", "__MACOSX/a.json")
    for name in ("a/labels.json", *hidden):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        _coco(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in ("labels.json", "../more.json", *hidden):
            archive.write(tmp_path / "a" / "labels.json", name)
    found = index_annotations(tmp_path)
    assert [f.path.relative_to(tmp_path).as_posix() for f in found] == ["a/labels.json", "all.zip"]
    files = parse_files(tmp_path / "all.zip")
    assert [f.file.rpartition("!")[2] for f in files] == ["../more.json", "labels.json"]


def test_a_folder_that_goes_away_while_it_is_walked_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _coco(tmp_path / "labels.json")
    (tmp_path / "share").mkdir()
    _coco(tmp_path / "share" / "more.json")
    goes_away(monkeypatch, "share")
    assert [f.path.name for f in index_annotations(tmp_path)] == ["labels.json"]
    (unread,) = unread_files(tmp_path)
    assert (unread.path.name, "cannot be read" in unread.why) == ("share", True)
