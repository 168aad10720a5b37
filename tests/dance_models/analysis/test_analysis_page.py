"""The page of a video: its parts, its data, and what strangers' names can do to it."""

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dance_models.analysis.page import packing
from dance_models.analysis.page.content import Moment, PageContent, RangeRow, Series
from dance_models.analysis.page.packing import LEVELS, packed, round_step, side_of
from dance_models.analysis.page.write import address, clock, page_pieces, write_page
from dance_models.errors import InputError
from dance_models.report_tables.table import Table

HOSTILE = '</script><img src=x onerror=alert(1)> "q" \' & \u2028 \u202e \x1b[2J \udcff {{ 1 }}'
NAN = float("nan")


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def page_text(made: PageContent) -> str:
    return "".join(page_pieces(made))


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    read: dict[str, Any] = json.loads(found[1])
    return read


def values_of(series: dict[str, Any], line: str = "values") -> np.ndarray:
    whole = np.array([np.nan if n is None else n for n in series[line]])
    return np.asarray(series["start"] + series["step"] * whole)


def content(**changes: Any) -> PageContent:
    knee = np.array([170.25, np.nan, 90.5, 91.0])
    fields: dict[str, Any] = {
        "title": "clip.mp4",
        "time_s": np.array([0.0, 1 / 30, 2 / 30, 0.1]),
        "video": "clip_overlay.mp4",
        "series": (
            Series("left knee", "Angles", "degrees", knee, knee + 3, 4.0, "median error", True),
            Series("right knee", "Angles", "degrees", knee - 1, None, 4.0, "median error", False),
            Series("all joints", "Jitter", "% of torso", knee / 100),
        ),
        "ranges": (RangeRow("left knee", "degrees", 90.5, 170.25, 91, 170, 2 / 30, 0.0),),
        "moments": (Moment(0.1, "left knee bent"),),
        "summary": ("One dancer.",),
        "notes": ("The camera moves.",),
        "tables": (Table.of_text("By joint", ("joint", "ms"), [("knee", "120")], ["a note"]),),
        "terms": {"Lateness": "How much later."},
        "provenance": {"estimator": "BlazePose"},
    }
    return PageContent(**{**fields, **changes})


def test_every_part_is_on_the_page() -> None:
    page = Elements(page_text(content()))
    for words in (
        "clip.mp4", "One dancer.", "The camera moves.", "left knee bent", "By joint", "a note",
        "Lateness", "Jitter", "Band", "Refined", "BlazePose",
        "median error", "raw estimate",
    ):  # fmt: skip
        assert words in page.words, words
    assert [v["src"] for v in page.all("video")] == ["./clip_overlay.mp4"]
    assert [f["data-number"] for f in page.all("figure") if "data-number" in f] == ["0", "1", "2"]
    boxes = [box for box in page.all("input") if box["type"] == "checkbox"]
    assert ["checked" in box for box in boxes] == [True, False, True]
    assert [b["data-seek"] for b in page.all("button") if "data-seek" in b] == [
        "0.1", str(2 / 30), "0.0",
    ]  # fmt: skip
    assert "a" not in {tag for tag, _ in page.found}  # prints without links


def test_ranges_have_the_decimals_that_three_digits_need() -> None:
    row = RangeRow("all joints", "%", 0.012, 251.4, 1.234, 8.765, 0.0, NAN)
    cells = re.findall(r"<(?:td|b)>([\d.]+)<", page_text(content(ranges=(row,), tables=())))
    assert cells == ["0.01", "1.23", "8.77", "251.40"]
    assert '<button type="button" class="time" data-seek="nan"><b>251.40</b> –' in page_text(
        content(ranges=(row,))
    )


def test_data_are_the_values_within_half_a_step_and_gaps_are_null() -> None:
    made = content()
    data = data_of(page_text(made))
    np.testing.assert_allclose(np.array(data["time"]) * data["tick"], made.time_s, atol=5e-5)
    for series, read in zip(made.series, data["series"], strict=True):
        assert read["values"][1] is None
        np.testing.assert_allclose(values_of(read), series.values, atol=read["step"] / 2 + 1e-9)
    assert data["series"][0]["step"] <= 0.01
    np.testing.assert_allclose(
        values_of(data["series"][0], "before"), made.series[0].before, atol=0.01
    )
    assert data["series"][1]["before"] is None
    assert [s["side"] for s in data["series"]] == ["left", "right", ""]
    assert data["series"][0]["band"] == 4.0
    assert data["moments"] == [0.1]
    assert data["second"] is None


@pytest.mark.parametrize("start", [-1e6, 0.0, 3e-7, 1e9])
@pytest.mark.parametrize("span", [1e-6, 0.3, 179.99, 12345.0, 1e12])
def test_levels_have_four_digits(start: float, span: float) -> None:
    values = start + span * np.linspace(0, 1, 50)
    made = content(time_s=np.arange(50.0), series=(Series("x", "", "", values),))
    read = json.loads("".join(packed(made)))["series"][0]
    assert 0 <= min(read["values"]) <= max(read["values"]) <= LEVELS
    np.testing.assert_allclose(
        values_of(read), values, atol=read["step"] / 2 + 1e-8 * abs(start) + 1e-12
    )


def test_steps_are_round() -> None:
    assert [round_step(span) for span in (0.0, NAN, 180.0, 99.0, 9998.0, 9999.0)] == [
        1.0, 1.0, 0.02, 0.01, 1.0, 2.0,
    ]  # fmt: skip


def test_a_curve_without_values_is_all_gaps() -> None:
    made = content(series=(Series("x", "g", "u", np.full(4, np.nan)),), second_video="b.mp4",
                   second_time_s=np.array([0.0, np.nan, 1.0, 2.0]))  # fmt: skip
    data = data_of(page_text(made))
    assert data["series"][0]["values"] == [None] * 4
    assert data["second"] == [0, None, 10_000, 20_000]


def test_hostile_text_stays_text() -> None:
    values = np.zeros(4)
    page = page_text(
        content(
            title=HOSTILE,
            video=HOSTILE,
            second_video=HOSTILE,
            video_label=HOSTILE,
            second_label=HOSTILE,
            line_names=(HOSTILE, HOSTILE),
            moments_title=HOSTILE,
            series=(Series(HOSTILE, HOSTILE, HOSTILE, values, values, 1.0, HOSTILE),),
            ranges=(RangeRow(HOSTILE, HOSTILE, 0, 1, 0, 1, 0, 0),),
            moments=(Moment(0.0, HOSTILE),),
            summary=(HOSTILE,),
            notes=(HOSTILE,),
            tables=(Table.of_text(HOSTILE, (HOSTILE,), [(HOSTILE,)], [HOSTILE]),),
            terms={HOSTILE: HOSTILE},
            provenance={HOSTILE: HOSTILE},
        )
    )
    page.encode("utf-8")
    elements = Elements(page)
    assert len(elements.all("script")) == 2
    assert not elements.all("img")
    assert not {"\u2028", "\u202e", "\x1b"} & set(page)
    assert "onerror" not in {name for _, attributes in elements.found for name in attributes}
    for video in elements.all("video"):
        assert re.fullmatch(r"\./[\w%./~-]+", video["src"] or "")
    assert data_of(page)["series"][0]["unit"].startswith("</script><img")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a b#1?.mp4", "./a%20b%231%3F.mp4"),
        ("javascript:alert(1)", "./javascript%3Aalert%281%29"),
        ("//host/x.mp4", ".///host/x.mp4"),
        ("überlag.mp4", "./%C3%BCberlag.mp4"),
        ("\udcff.mp4", "./%FF.mp4"),  # a name that is not UTF-8
    ],
)
def test_addresses_lead_to_files_beside_the_page(name: str, expected: str) -> None:
    assert address(name) == expected


def test_the_policy_forbids_the_network_and_any_other_script() -> None:
    page = page_text(content())
    policy = next(meta["content"] for meta in Elements(page).all("meta") if meta.get("http-equiv"))
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert rules["media-src"] == "'self' file:"
    assert re.fullmatch(r"'sha256-[\w+/]{43}='", rules["script-src"])
    assert re.fullmatch(r"'sha256-[\w+/]{43}='", rules["style-src"])
    assert "http:" not in page and "https:" not in page
    assert not re.search(r"\sstyle=|\son\w+=", page.split("<script")[0])


def test_stills_become_jpegs_inside_the_page(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (8, 6), (200, 30, 30, 255))
    picture.save(tmp_path / "a.png")
    picture.convert("RGB").save(tmp_path / "b.jpg")
    stills = (Moment(0.0, "a", tmp_path / "a.png"), Moment(0.1, "b", tmp_path / "b.jpg"))
    sources = [
        image["src"] or "" for image in Elements(page_text(content(moments=stills))).all("img")
    ]
    parts = [base64.b64decode(s.removeprefix("data:image/jpeg;base64,")) for s in sources]
    assert [Image.open(io.BytesIO(part)).format for part in parts] == ["JPEG", "JPEG"]
    assert parts[1] == (tmp_path / "b.jpg").read_bytes()
    (tmp_path / "c.jpg").write_bytes(b"no picture")
    target = tmp_path / "page.html"
    with pytest.raises(InputError, match="not a picture"):
        write_page(content(moments=(Moment(0.0, "c", tmp_path / "c.jpg"),)), target)
    assert not target.exists()


def test_writing_replaces_the_page(tmp_path: Path) -> None:
    target = tmp_path / "new" / "page.html"
    write_page(content(), target)
    write_page(content(title="second"), target)
    assert "<title>second</title>" in target.read_text("utf-8")
    assert [path.name for path in target.parent.iterdir()] == ["page.html"]


def test_half_an_hour_with_twenty_curves_is_less_than_15_mb() -> None:
    count = 54_000
    random = np.random.default_rng(0)
    noise = random.uniform(0, 180, (2, count))  # as long as numbers can be
    noise[0, ::50] = np.nan
    series = tuple(Series(f"s{i}", "Angles", "degrees", noise[0], noise[1]) for i in range(20))
    made = content(time_s=np.arange(count) / 30, series=series, moments=(), ranges=())
    assert len(page_text(made)) < 12_000_000


def test_an_empty_page_has_no_empty_sections() -> None:
    page = page_text(PageContent("t", np.array([0.0])))
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings == ["What the words mean"]
    assert "<video" not in page
    assert 'id="slider"' in page


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0:00.0"), (59.96, "1:00.0"), (83.24, "1:23.2"), (3723.5, "1:02:03.5"),
     (-0.5, "-0:00.5"), (NAN, "–")],
)  # fmt: skip
def test_clock(seconds: float, expected: str) -> None:
    assert clock(seconds) == expected


def test_sides_come_from_the_first_word() -> None:
    names = ("Left knee", "right ankle", "lefty", "trunk", "", " ")
    assert [side_of(name) for name in names] == ["left", "right", "", "", "", ""]


def test_wrong_shapes_are_refused() -> None:
    line = np.zeros(4)
    for wrong in (
        lambda: Series("x", "", "", np.zeros((4, 2))),
        lambda: Series("x", "", "", line, np.zeros(3)),
        lambda: Series("x", "", "", line, None, 0.0),
        lambda: content(series=(Series("x", "", "", np.zeros(5)),)),
        lambda: content(time_s=np.array([0.0, 0.2, 0.1, 0.3])),
        lambda: content(time_s=np.zeros(0), series=()),
        lambda: content(second_time_s=np.zeros(2)),
    ):
        with pytest.raises(ValueError, match=r"x|times|second"):
            wrong()


def test_long_curves_are_packed_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = page_text(content())
    monkeypatch.setattr(packing, "_AT_ONCE", 3)
    assert page_text(content()) == whole
