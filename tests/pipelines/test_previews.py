import base64
import re

import polars as pl
import pytest

from pipelines import previews


def test_a_picture_is_embedded_as_it_is() -> None:
    data = b"\x89PNG\r\n" + bytes(range(50))
    text = previews.picture(data, "frames of a").value
    assert text is not None
    found = re.fullmatch(r"!\[frames of a\]\(data:image/png;base64,(.+)\)", text)
    assert found
    assert base64.b64decode(found[1]) == data


def test_a_picture_too_large_for_the_event_log_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 150000"):
        previews.picture(b"\xff\xd8" + bytes(120_000), "big")


def test_records_are_truncated_and_readable() -> None:
    frame = pl.DataFrame({"x": [1.23456789] * 50, "names": [["a", "b"]] * 50, "none": [None] * 50})
    table = previews.records(frame, limit=3)
    assert len(table.records) == 3
    assert table.records[0].data == {"x": 1.2346, "names": "a; b", "none": None}


def test_a_long_list_reports_how_much_is_omitted() -> None:
    text = previews.markdown_list((str(i) for i in range(60)), limit=2).value
    assert text == "* 0\n* 1\n* ... and 58 more"
    assert previews.markdown_list([]).value == "none"


def test_spread_covers_both_ends_without_repeats() -> None:
    assert list(previews.spread(100, 3)) == [0, 49, 99]
    assert list(previews.spread(2, 12)) == [0, 1]
    assert list(previews.spread(0, 12)) == []
