"""DeepLabCut annotations: ``CollectedData_*.csv`` and the same table in ``.h5``.

Header rows name scorer, individuals (several animals only), bodyparts and coords; a row an image,
whose path stands in one cell or in three.
"""

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np

from dance_models.annotations.beside import size_beside
from dance_models.annotations.canonical import Columns, number, shown
from dance_models.annotations.content import Hdf
from dance_models.annotations.parsed_file import Image, ParsedFile
from dance_models.errors import InputError

_HEADER: Final = ("scorer", "individuals", "bodyparts", "coords")
_LONGEST_CELL: Final = 10_000


@dataclass(frozen=True)
class _Table:
    """Columns as (scorer, individual, bodypart, coordinate), and a row an image."""

    columns: list[tuple[str, str, str, str]]
    rows: list[tuple[str, str, Sequence[object]]]  # where in the file, image, values


def _cells(text: str) -> Iterator[list[str]]:
    yield from csv.reader(io.StringIO(text, newline=""))


def _header(text: str) -> dict[str, list[str]]:
    """The header's rows by their first cell; empty when this is no table of DeepLabCut's."""
    found: dict[str, list[str]] = {}
    head = "\n".join(text.splitlines()[: len(_HEADER)])
    try:
        for row in _cells(head):
            first = row[0].strip().lower() if row else ""
            if first not in _HEADER:
                break
            found[first] = [cell.strip() for cell in row]
    except csv.Error:
        return {}
    return found if {"scorer", "bodyparts", "coords"} <= found.keys() else {}


def is_deeplabcut(text: str) -> bool:
    """Whether text is a table of annotations of one animal."""
    header = _header(text)
    return bool(header) and "likelihood" not in header["coords"] and "individuals" not in header


def is_deeplabcut_multi(text: str) -> bool:
    """Whether text is a table of annotations of several animals."""
    header = _header(text)
    return bool(header) and "likelihood" not in header["coords"] and "individuals" in header


def is_deeplabcut_project(data: bytes) -> bool:
    """Whether this is the ``config.yaml`` of a project, which holds no annotations."""
    keys = (rb"scorer", rb"video_sets", rb"(?:multianimal)?bodyparts")
    return all(re.search(rb"^" + key + rb"\s*:", data, re.MULTILINE) for key in keys)


def is_deeplabcut_predictions(text: str) -> bool:
    """Whether text is a table of DeepLabCut's predictions."""
    header = _header(text)
    return bool(header) and "likelihood" in header["coords"]


def parse_deeplabcut(text: str, parsed: ParsedFile) -> None:
    """Parse a CSV; an empty cell is an absent joint. Raises InputError when it is no table."""
    header = _header(text)
    coords = header["coords"]
    first = next((i for i, cell in enumerate(coords) if cell.lower() in {"x", "y"}), 0)
    if not 1 <= first <= 3:
        raise InputError("the header has no column x after the images")
    width = len(coords)
    rows: list[list[str]] = [header.get(name, [""] * width) for name in _HEADER]
    if any(len(row) != width for row in rows):
        raise InputError("the rows of its header are not equally long")
    columns = list(zip(*(row[first:] for row in rows), strict=True))
    found: list[tuple[str, str, Sequence[object]]] = []
    try:
        for line, cells in enumerate(_cells(text), 1):
            if line <= len(header) or not any(cell.strip() for cell in cells):
                continue
            if len(cells) != width:
                parsed.add_problem(
                    f"line {line} was left out: {len(cells)} cells where the header has {width}"
                )
                continue
            name = "/".join(cell.strip() for cell in cells[:first] if cell.strip())
            found.append((f"line {line}", name, [_value(cell) for cell in cells[first:]]))
    except csv.Error as error:
        raise InputError(f"is not CSV ({error})") from error
    _parse(_Table(columns, found), parsed)


def _value(cell: str) -> object:
    if not cell.strip():
        return math.nan
    try:
        return float(cell)
    except ValueError:
        return cell


def is_deeplabcut_hdf(source: Hdf) -> bool:
    """Whether this is a table of annotations that pandas wrote in its fixed format."""
    with source.opened() as file:
        return any(_is_frame(group) and not _predicted(group) for group in file.values())


def is_deeplabcut_predictions_hdf(source: Hdf) -> bool:
    """Whether this is a table of predictions that pandas wrote."""
    with source.opened() as file:
        return any(
            (_is_frame(group) and _predicted(group)) or _is_appendable(group)
            for group in file.values()
        )


def _is_frame(group: Any) -> bool:
    kind = getattr(group, "attrs", {}).get("pandas_type", b"")
    return kind in {b"frame", "frame"} and "block0_values" in group


def _is_appendable(group: Any) -> bool:
    kind = getattr(group, "attrs", {}).get("pandas_type", b"")
    return kind in {b"frame_table", "frame_table"}


def _predicted(group: Any) -> bool:
    return any("likelihood" in column for column in _items(group))


def parse_deeplabcut_hdf(source: Hdf, parsed: ParsedFile) -> None:
    """Parse an ``.h5``. Raises InputError when its table is not that of DeepLabCut."""
    with source.opened() as file:
        group = next(g for g in file.values() if _is_frame(g) and not _predicted(g))
        try:
            columns = [_column(names) for names in _items(group)]
            images = ["/".join(parts) for parts in _labels(group, "axis1")]
            values = np.concatenate(
                [np.asarray(group[f"{block}_values"][()], np.float64) for block in _blocks(group)],
                axis=1,
            ).tolist()
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            raise InputError(
                f"its table is not as DeepLabCut writes it ({error})",
                hint="Give the CollectedData CSV, which DeepLabCut writes beside it",
            ) from error
    rows = [
        (f"row {row}", image, of)
        for row, (image, of) in enumerate(zip(images, values, strict=True))
    ]
    _parse(_Table(columns, rows), parsed)


def _column(names: tuple[str, ...]) -> tuple[str, str, str, str]:
    if len(names) == 3:
        return names[0], "", names[1], names[2]
    scorer, individual, part, coordinate = names
    return scorer, individual, part, coordinate


def _blocks(group: Any) -> list[str]:
    """pandas keeps columns of each type in a block of their own: whole numbers in another one."""
    numbers = sorted(int(m[1]) for name in group if (m := re.fullmatch(r"block(\d+)_values", name)))
    return [f"block{number}" for number in numbers]


def _items(group: Any) -> list[tuple[str, ...]]:
    """The labels of all columns, block by block."""
    return [label for block in _blocks(group) for label in _labels(group, f"{block}_items")]


def _labels(group: Any, axis: str) -> list[tuple[str, ...]]:
    """The labels of an axis: one dataset, or for each level its texts and where they stand."""
    if axis in group:
        return [(_text(label),) for label in group[axis][()]]
    levels = int(group.attrs[f"{axis}_nlevels"])
    texts = []
    for level in range(levels):
        known = [_text(label) for label in group[f"{axis}_level{level}"][()]]
        texts.append([known[code] for code in group[f"{axis}_label{level}"][()]])
    return list(zip(*texts, strict=True))


def _text(label: Any) -> str:
    return label.decode("utf-8", "backslashreplace") if isinstance(label, bytes) else str(label)


def _parse(table: _Table, parsed: ParsedFile) -> None:
    people: dict[str, dict[str, dict[str, int]]] = {}
    for index, (_, individual, part, coordinate) in enumerate(table.columns):
        people.setdefault(individual, {}).setdefault(part, {})[coordinate.lower()] = index
    scorer = table.columns[0][0] if table.columns else ""
    for where, name, values in table.rows:
        try:
            clip, frame = parsed.identity_of(name, others=[parsed.file])
        except InputError as error:
            parsed.count_unnamed(error, "images")
            continue
        base = PurePosixPath(name.replace("\\", "/"))
        size = size_beside(parsed.file, iter([base.name, f"../../{base}", f"../{base}"]))
        image = Image(clip, frame, name[:_LONGEST_CELL], size)
        marked = [parts for parts in people.values() if any(map(_given, _of(parts, values)))]
        if not marked:
            parsed.count("images without a marked joint", image, action="empty")
        for parts in marked:
            parsed.add_pose(image, partial(_columns, parts, values, where), scorer)


def _of(parts: dict[str, dict[str, int]], values: Sequence[object]) -> Iterator[object]:
    return (values[index] for places in parts.values() for index in places.values())


def _given(value: object) -> bool:
    return not (isinstance(value, float) and math.isnan(value))


def _columns(parts: dict[str, dict[str, int]], values: Sequence[object], where: str) -> Columns:
    names, points = [], []
    for part, places in parts.items():
        if not {"x", "y"} <= places.keys():
            raise InputError(f"the columns {shown(sorted(places))} are not x and y", joint=part)
        x, y = values[places["x"]], values[places["y"]]
        names.append(part)
        if not _given(x) and not _given(y):
            points.append((0.0, 0.0, 0))
            continue
        try:
            points.append((number(x, part), number(y, part), 2))
        except InputError as error:
            raise InputError(f"{where}: {error.message}", joint=part) from error
    return names, points
