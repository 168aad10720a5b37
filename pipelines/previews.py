"""Previews for the web UI: tables as Dagster metadata, and pictures as files that it links to."""

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

import dagster as dg
import numpy as np
import polars as pl

from dance_models.files import replacing
from dance_models.tables import file_digest
from dance_models.text import markdown_text, printable
from pipelines.storage.store import Store

DIGEST: Final = "sha256"  # in the link to a picture
_LINK: Final = re.compile(rf"\]\(/([^()?]+)\?{DIGEST}=([0-9a-f]{{64}})\)$")


def picture(
    store: Store, asset: str, name: str, data: bytes, alt: str, clip: str | None = None
) -> dg.MarkdownMetadataValue:
    """Keep a PNG or JPEG in the store in place of the one before it; a link to it as Markdown.

    The event log keeps three copies of all metadata, so the picture itself is not in it. The link
    holds its digest: for an older materialization the web server finds no picture, not a newer one.
    """
    kind = "png" if data.startswith(b"\x89PNG") else "jpg"
    path = store.preview(asset, name, clip, kind)
    with replacing(path) as part:
        part.write_bytes(data)
    link = quote(f"/{store.relative(path)}")
    # A browser shows the text where there is no picture, as under another web server.
    return dg.MetadataValue.md(f"![{markdown_text(alt)}]({link}?{DIGEST}={file_digest(path)})")


def pictures_of(made: dg.AssetMaterialization) -> Iterator[tuple[str, str]]:
    """The pictures that a materialization links to: path in the store, and sha256."""
    for value in pictures_in(made.metadata).values():
        if (link := _LINK.search(str(value.value))) is not None:
            yield unquote(link[1]), link[2]


def pictures_in(metadata: Mapping[str, Any]) -> dict[str, dg.MarkdownMetadataValue]:
    """Those entries that are links to pictures."""
    return {
        name: value
        for name, value in metadata.items()
        if isinstance(value, dg.MarkdownMetadataValue) and _LINK.search(value.value or "")
    }


def _cell(value: object) -> str | int | float | bool | None:
    """A value of a table, to be read by a person: lists, floats and long texts are shortened."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, list):
        return printable("; ".join(str(item) for item in value))[:200]
    if isinstance(value, str):
        return printable(value)
    return value if value is None or isinstance(value, int) else printable(str(value))[:200]


def records(frame: pl.DataFrame, limit: int = 40) -> dg.TableMetadataValue:
    """The first rows as a table."""
    rows = [
        dg.TableRecord({name: _cell(value) for name, value in row.items()})
        for row in frame.head(limit).to_dicts()
    ]
    columns = [dg.TableColumn(name, str(dtype)) for name, dtype in frame.schema.items()]
    return dg.MetadataValue.table(records=rows, schema=dg.TableSchema(columns=columns))


def record(row: Mapping[str, object]) -> dg.MarkdownMetadataValue:
    """One row, a line for each value that it has.

    An event with :func:`records` takes three times the space, and each clip has one.
    """
    cells = ((name, _cell(value)) for name, value in row.items())
    known = [
        f"| {name} | {markdown_text(str(cell))} |" for name, cell in cells if cell not in (None, "")
    ]
    return dg.MetadataValue.md("\n".join(["| column | value |", "|---|---|", *known]))


def table_metadata(frame: pl.DataFrame, path: Path, *, partition: bool = False) -> dict[str, Any]:
    """Row count and path of a table just written; its columns are metadata of the asset."""
    count = "dagster/partition_row_count" if partition else "dagster/row_count"
    return {
        count: frame.height,
        "path": dg.MetadataValue.path(str(path)),
    }


def markdown_list(items: Iterable[str], *, limit: int = 50) -> dg.MarkdownMetadataValue:
    """A Markdown list, cut after ``limit`` items with a note on how many are left out."""
    lines = list(items)
    shown = [f"* {markdown_text(line)}" for line in lines[:limit]]
    if len(lines) > limit:
        shown.append(f"* ... and {len(lines) - limit} more")
    return dg.MetadataValue.md("\n".join(shown) or "none")


def spread(count: int, wanted: int) -> Sequence[int]:
    """``wanted`` indices spread evenly over ``count`` rows."""
    return sorted({int(i) for i in np.linspace(0, max(count - 1, 0), min(wanted, count))})


def read_image(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """An image file as RGB (H, W, 3) uint8."""
    from PIL import Image

    with Image.open(io.BytesIO(path.read_bytes())) as image:
        return np.asarray(image.convert("RGB"))
