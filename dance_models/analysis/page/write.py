"""Writing the page."""

import base64
import hashlib
import io
import math
import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from dance_models.analysis.page.content import Moment, PageContent, RangeRow, Series
from dance_models.analysis.page.glossary import MADE_BY, TERMS
from dance_models.analysis.page.packing import packed, side_of
from dance_models.errors import InputError
from dance_models.files import read_file, replacing
from dance_models.text import printable

TEMPLATES: Final = "templates"
# Nothing from a network. A video beside the page is "self" on a server and "file:" on a disk.
POLICY: Final = (
    "default-src 'none'; img-src data:; media-src 'self' file:; base-uri 'none'; "
    "form-action 'none'; script-src {script}; style-src {style}"
)
DASH: Final = "–"


def write_page(content: PageContent, target: Path) -> None:
    """Write the page as one HTML file; it is complete or not there.

    Raises InputError for a still that is no picture, OSError when a file cannot be read or written.
    """
    with replacing(target) as part, part.open("w", encoding="utf-8") as file:
        file.writelines(page_pieces(content))


def page_pieces(content: PageContent) -> Iterator[str]:
    """The text of the page in pieces. Raises InputError for a still that is no picture, OSError."""
    environment = Environment(
        loader=PackageLoader("dance_models.analysis.page", TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    environment.filters.update(clock=clock, address=address, picture=_picture, side=side_of)
    script, style = _asset("page.js"), _asset("page.css")
    return environment.get_template("page.html.jinja").generate(
        content=content,
        policy=POLICY.format(script=_source_of(script), style=_source_of(style)),
        script=Markup(script),
        style=Markup(style),
        data=map(Markup, packed(content)),
        groups=_groups(content.series),
        two_lines=any(one.before is not None for one in content.series),
        bands=_bands(content.series),
        ranges=[_range_cells(row) for row in content.ranges],
        range_unit=_one_unit(content.ranges),
        terms={**TERMS, **content.terms},
        made_by={MADE_BY.get(name, name): value for name, value in content.provenance.items()},
    )


def clock(time_s: float) -> str:
    """A time in a video: minutes, seconds, tenths; with hours when there are some."""
    if not math.isfinite(time_s):
        return DASH
    tenths = round(time_s * 10)
    minutes, rest = divmod(abs(tenths), 600)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if tenths < 0 else ""
    front = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{sign}{front}:{rest / 10:04.1f}"


def address(name: str) -> str:
    """The address of a file beside the page, which cannot lead to another host or scheme."""
    return "./" + quote(os.fsencode(name), safe="/")


def _harmless(value: Any) -> Any:
    return printable(value) if type(value) is str else value


def _asset(name: str) -> str:
    return (resources.files("dance_models.analysis.page") / TEMPLATES / name).read_text("utf-8")


def _source_of(text: str) -> str:
    """The digest by which a content security policy lets one inline script or style through."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _groups(series: tuple[Series, ...]) -> dict[str, list[tuple[int, Series]]]:
    groups: dict[str, list[tuple[int, Series]]] = {}
    for number, one in enumerate(series):
        groups.setdefault(one.group, []).append((number, one))
    return groups


def _bands(series: tuple[Series, ...]) -> list[str]:
    """What the bands are, each said once."""
    return list(dict.fromkeys(s.band_source for s in series if s.band is not None))


def _one_unit(ranges: tuple[RangeRow, ...]) -> str:
    """The unit of all rows, "" where they have several."""
    units = {row.unit for row in ranges}
    return units.pop() if len(units) == 1 else ""


def _range_cells(row: RangeRow) -> dict[str, Any]:
    """A row as text: decimals for three digits of its percentiles, at most two."""
    values = (row.least, row.low, row.high, row.most)
    largest = max((abs(v) for v in (row.low, row.high) if math.isfinite(v)), default=0.0)
    decimals = 0 if largest >= 100 else 1 if largest >= 10 else 2
    least, low, high, most = (
        f"{value:.{decimals}f}" if math.isfinite(value) else DASH for value in values
    )
    return {"row": row, "least": least, "low": low, "high": high, "most": most}


def _picture(moment: Moment) -> str:
    """The still as a data URI; what is not a JPEG becomes one."""
    assert moment.still is not None
    data = read_file(moment.still)
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            if image.format != "JPEG":
                file = io.BytesIO()
                image.convert("RGB").save(file, "JPEG", quality=85)
                data = file.getvalue()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError("the still is not a picture", file=moment.still) from error
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
