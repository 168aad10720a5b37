import re
from pathlib import Path

import polars as pl
import pytest
from preview_files import preview_file

from pipelines import previews
from pipelines.storage.store import Store


@pytest.mark.parametrize("clip", [None, "solo", "a name (1) of.dots & Ünïcode"])
def test_a_picture_is_a_file_that_is_linked_to(tmp_path: Path, clip: str | None) -> None:
    store, data = Store(root=str(tmp_path)), b"\x89PNG\r\n" + bytes(range(50))
    shown = previews.picture(store, "pose_tracks", "sheet", data, "frames [of] a", clip)
    assert preview_file(store, shown).read_bytes() == data
    assert shown.value is not None
    assert re.fullmatch(r"!\[frames \S+ a\]\(/previews/pose_tracks/[^() ]+\)", shown.value)


def test_a_new_picture_takes_the_place_of_the_one_before_it_and_of_no_other(
    tmp_path: Path,
) -> None:
    store = Store(root=str(tmp_path))
    clips = (None, "a", "a.b", "b")
    first = {
        clip: preview_file(store, previews.picture(store, "x", "sheet", b"1", "alt", clip))
        for clip in clips
    }
    again = previews.picture(store, "x", "sheet", b"2", "alt", "a")
    assert preview_file(store, again) == first["a"]
    assert {path: path.read_bytes() for path in first.values()} == {
        first[None]: b"1", first["a"]: b"2", first["a.b"]: b"1", first["b"]: b"1",
    }  # fmt: skip


def test_records_are_truncated_and_readable() -> None:
    frame = pl.DataFrame({"x": [1.23456789] * 50, "names": [["a", "b"]] * 50, "none": [None] * 50})
    table = previews.records(frame, limit=3)
    assert len(table.records) == 3
    assert table.records[0].data == {"x": 1.2346, "names": "a; b", "none": None}


def test_one_row_has_a_line_for_each_value() -> None:
    text = previews.record(
        {"fps": 29.97002997, "reason": None, "take": "", "codec": "a|b", "none": 0}
    ).value
    assert text == "| column | value |\n|---|---|\n| fps | 29.97 |\n| codec | a\\|b |\n| none | 0 |"


def test_a_long_list_reports_how_much_is_omitted() -> None:
    text = previews.markdown_list((str(i) for i in range(60)), limit=2).value
    assert text == "* 0\n* 1\n* ... and 58 more"
    assert previews.markdown_list([]).value == "none"


def test_spread_covers_both_ends_without_repeats() -> None:
    assert list(previews.spread(100, 3)) == [0, 49, 99]
    assert list(previews.spread(2, 12)) == [0, 1]
    assert list(previews.spread(0, 12)) == []
