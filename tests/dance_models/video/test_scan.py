from pathlib import Path

import pytest
from comparisons import counted_comparisons

from dance_models.video import scan
from dance_models.video.scan import Problem, scan_clips


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_layouts_styles_and_what_is_ignored(tmp_path: Path) -> None:
    for name in ("ballet/a.mp4", "b.MKV", "notes.txt", ".hidden.mp4", "ballet/a.json"):
        _touch(tmp_path / name)
    found = scan_clips(tmp_path)
    assert [(e.clip, e.style) for e in found.entries] == [("a", "ballet"), ("b", "unknown")]
    assert found.problems == []


@pytest.mark.parametrize("beside", [True, False])
def test_the_manifest_names_style_performer_and_take(tmp_path: Path, beside: bool) -> None:
    _touch(tmp_path / "clips" / "x" / "Solo 1.mp4")
    place = tmp_path / "clips" if beside else tmp_path
    (place / "clips.csv").write_text(
        "clip,style,performer,take,extra\nSolo 1,salsa,CMU-60,CMU-60/61-01,7\n"
    )
    (entry,) = scan_clips(tmp_path / "clips").entries
    assert (entry.style, entry.performer, entry.take) == ("salsa", "CMU-60", "CMU-60/61-01")


def test_no_style_is_called_as_all_styles_together_are(tmp_path: Path) -> None:
    for name in ("all/a.mp4", "all/b.mp4", "ballet/c.mp4", "street/d.mp4"):
        _touch(tmp_path / name)
    (tmp_path / "clips.csv").write_text("clip,style\nd,all\nb,salsa\n")
    found = scan_clips(tmp_path)
    styles = {entry.clip: entry.style for entry in found.entries}
    assert styles == {"a": "unknown", "b": "salsa", "c": "ballet", "d": "unknown"}
    assert [problem.file for problem in found.problems] == [
        str(tmp_path / "all"), str(tmp_path / "street")
    ]  # fmt: skip
    assert "a style cannot be called 'all'" in found.problems[0].message


def test_two_files_with_the_same_name_are_both_listed(tmp_path: Path) -> None:
    first, second = _touch(tmp_path / "a" / "solo.mp4"), _touch(tmp_path / "b" / "Solo.mp4")
    found = scan_clips(tmp_path)
    assert [(e.clip, e.path) for e in found.entries] == [("solo", first), ("solo", second)]
    assert [e.name for e in found.entries] == ["a/solo.mp4", "b/Solo.mp4"]
    assert found.problems == []


def test_an_invalid_manifest_is_reported_and_ignored(tmp_path: Path) -> None:
    _touch(tmp_path / "a.mp4")
    (tmp_path / "clips.csv").write_text("name,style\na,ballet\n")
    found = scan_clips(tmp_path)
    assert found.entries[0].style == "unknown"
    assert "no column 'clip'" in found.problems[0].message


def test_a_broken_symbolic_link_is_reported(tmp_path: Path) -> None:
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nothing.mp4")
    found = scan_clips(tmp_path)
    assert found.entries == []
    assert "leads nowhere" in found.problems[0].message


def test_a_manifest_above_may_be_for_other_folders_too(tmp_path: Path) -> None:
    _touch(tmp_path / "clips" / "a.mp4")
    _touch(tmp_path / "more" / "b.mp4")
    (tmp_path / "clips.csv").write_text("clip\na\nb\nB1\n")
    (problem,) = scan_clips(tmp_path / "clips").problems
    assert problem.message == (
        "line 4: there is no clip 'B1'; the nearest is 'b'; the line was not used"
    )


def test_one_video_may_be_named_alone(tmp_path: Path) -> None:
    video, other = _touch(tmp_path / "Solo 1.mp4"), _touch(tmp_path / "notes.txt")
    _touch(tmp_path / "b.mp4")
    (tmp_path / "clips.csv").write_text("clip,style\nSolo 1,salsa\nb,ballet\n")
    found = scan_clips(video)
    (entry,) = found.entries
    assert (entry.path, entry.style, entry.name) == (video, "salsa", "Solo 1.mp4")
    assert found.problems == []
    assert scan_clips(other).entries == []
    assert "no suffix of a video" in scan_clips(other).problems[0].message


def test_the_nearest_of_many_clips_is_found_without_comparing_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(300):
        _touch(tmp_path / f"dance_{number:03d}.mp4")
    lines = "".join(f"dense_{number:03d},salsa\n" for number in range(20))
    (tmp_path / "clips.csv").write_text(f"clip,style\n{lines}")
    compared = counted_comparisons(monkeypatch)
    problems = scan_clips(tmp_path).problems
    assert len(problems) == 20
    assert "the nearest is 'dance_007'" in problems[7].message
    assert len(compared) <= 60 * 20


def test_of_a_table_of_something_else_the_first_lines_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "MOST_LINES", 3)
    _touch(tmp_path / "solo.mp4")
    names = ("other", "", "solo", "solo", *(f"row{number}" for number in range(1500)))
    (tmp_path / "clips.csv").write_text("clip,take\n" + "".join(f"{n},t1\n" for n in names))
    found = scan_clips(tmp_path)
    assert [entry.take for entry in found.entries] == ["t1"]
    assert [problem.message for problem in found.problems] == [
        "line 2: there is no clip 'other'; the line was not used",
        "line 3: no clip name; the line was not used",
        "line 5: 'solo' is in line 4 already; the line was not used",
        "1,500 more lines were not used",
    ]


def test_a_style_of_many_folders_that_cannot_be_is_said_once_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = 0

    def counted(problem: Problem, other: object) -> bool:
        nonlocal compared
        compared += 1
        return isinstance(other, Problem) and problem.file == other.file

    for number in range(200):
        _touch(tmp_path / f"{number}" / "all" / f"{number // 2}.mp4")
        _touch(tmp_path / f"{number}" / "all" / f"{number // 2}b.mp4")
    monkeypatch.setattr(Problem, "__eq__", counted)
    found = scan_clips(tmp_path)
    assert (len(found.entries), len(found.problems)) == (400, 200)
    assert compared <= 4 * 400


def test_hidden_folders_hold_no_clips(tmp_path: Path) -> None:
    for name in (
        *("salsa/a.mp4", ".Trash-1000/files/old.mp4", "__MACOSX/salsa/b.mp4"),
        *("salsa/.thumbnails/t.gif", "salsa/.frames/1.jpg", "salsa/.frames/2.jpg"),
    ):
        _touch(tmp_path / name)
    found = scan_clips(tmp_path)
    assert ([entry.clip for entry in found.entries], found.problems) == (["a"], [])
    named = scan_clips(tmp_path / ".Trash-1000")  # one that is named counts
    assert [entry.clip for entry in named.entries] == ["old"]
