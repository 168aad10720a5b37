from pathlib import Path

import pytest

from dance_models.errors import InputError
from dance_models.video.scan import clip_slug, scan_clips


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Solo 01.mp4", "solo-01"),
        ("/a/b/Été.MOV", "ete"),
        ("../../etc/passwd.mp4", "passwd"),
        ("a.b.c.mp4", "a-b-c"),
        ("C:\\clips\\Tango.avi", "tango"),
    ],
)
def test_slugs_are_ascii_and_never_paths(name: str, slug: str) -> None:
    assert clip_slug(name) == slug


def test_a_name_without_letters_is_an_error() -> None:
    with pytest.raises(InputError, match="no letter or digit"):
        clip_slug("舞.mp4")


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


def test_two_clips_with_the_same_name_are_reported(tmp_path: Path) -> None:
    first, second = _touch(tmp_path / "a" / "solo.mp4"), _touch(tmp_path / "b" / "Solo.mp4")
    found = scan_clips(tmp_path)
    assert [e.path for e in found.entries] == [first]
    (problem,) = found.problems
    assert problem.file == str(second)
    assert str(first) in problem.message


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
