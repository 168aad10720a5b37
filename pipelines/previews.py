"""Previews for the web UI: pictures and tables as Dagster metadata, each under 150 kB."""

import base64
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import dagster as dg
import numpy as np
import polars as pl

from dance_models.columns import type_name
from dance_models.tables import Schema
from dance_models.text import markdown_text, printable

# The event log stores metadata; beyond this the UI gets slow.
PREVIEW_LIMIT: Final = 150_000


def picture(data: bytes, alt: str) -> dg.MarkdownMetadataValue:
    """A PNG or JPEG as Markdown. Raises ValueError when it is larger than the limit."""
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    text = f"![{markdown_text(alt)}](data:image/{kind};base64,{base64.b64encode(data).decode()})"
    if len(text) > PREVIEW_LIMIT:
        raise ValueError(f"the preview {alt!r} has {len(text)} bytes, more than {PREVIEW_LIMIT}")
    return dg.MetadataValue.md(text)


def table_schema(schema: Schema) -> dg.TableSchema:
    """Column names and types for the UI."""
    return dg.TableSchema(
        columns=[dg.TableColumn(name, type_name(dtype)) for name, dtype in schema.items()]
    )


def records(frame: pl.DataFrame, limit: int = 40) -> dg.TableMetadataValue:
    """The first rows as a table; lists and floats are shortened to be read by a person."""

    def cell(value: object) -> str | int | float | bool | None:
        if isinstance(value, float):
            return round(value, 4)
        if isinstance(value, list):
            return printable("; ".join(str(item) for item in value))[:200]
        if isinstance(value, str):
            return printable(value)
        return value if value is None or isinstance(value, int) else printable(str(value))[:200]

    rows = [
        dg.TableRecord({name: cell(value) for name, value in row.items()})
        for row in frame.head(limit).to_dicts()
    ]
    columns = [dg.TableColumn(name, str(dtype)) for name, dtype in frame.schema.items()]
    return dg.MetadataValue.table(records=rows, schema=dg.TableSchema(columns=columns))


def table_metadata(frame: pl.DataFrame, path: Path, *, partition: bool = False) -> dict[str, Any]:
    """Row count, column schema and path of a table just written."""
    count = "dagster/partition_row_count" if partition else "dagster/row_count"
    return {
        count: frame.height,
        "dagster/column_schema": table_schema(frame.schema),
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
