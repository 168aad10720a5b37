"""Pose predictions in tables: DeepLabCut's CSV and H5, SLEAP's analysis CSV.

DeepLabCut has the header rows ``scorer``, (``individuals``,) ``bodyparts``, ``coords`` and one row
a frame with x, y, likelihood. SLEAP has the columns ``track, frame_idx, instance.score, nose.x,
nose.y, nose.score, ...`` and one row a person.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from dance_models.errors import InputError
from dance_models.estimators.pose_forms.fields import frame_index, number_in
from dance_models.estimators.pose_track import Reading, joints_named

_HEADER: Final = ("scorer", "individuals", "bodyparts", "coords")
DEEPLABCUT_AS_CSV: Final = (
    "Export it as CSV: deeplabcut.analyze_videos(..., save_as_csv=True), or "
    "deeplabcut.analyze_videos_converth5_to_csv for what was analysed before"
)

Rows = list[list[str]]


def rows_of(path: Path) -> Rows:
    """All rows of a CSV. Raises InputError when it is none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            return [row for row in csv.reader(handle) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"not a readable CSV ({error})", file=path) from error


def is_deeplabcut(rows: Rows) -> bool:
    """Whether the rows begin as DeepLabCut's do."""
    return [row[0] for row in rows[:4] if row[0] in _HEADER][:1] == ["scorer"]


def is_sleap(rows: Rows) -> bool:
    """Whether the columns are those of SLEAP's analysis CSV."""
    return bool(rows) and "frame_idx" in rows[0] and any(c.endswith(".x") for c in rows[0])


def read_deeplabcut(rows: Rows, reading: Reading) -> None:
    """Add all people. Raises InputError when the header or the joints are not of a person."""
    reading.format = "deeplabcut-csv"
    header = {row[0]: row[1:] for row in rows[:4] if row[0] in _HEADER}
    if not {"bodyparts", "coords"} <= header.keys():
        raise InputError("the CSV has no rows 'bodyparts' and 'coords'")
    coords = [name.lower() for name in header["coords"]]
    if "likelihood" not in coords:
        raise InputError(
            "the CSV has no likelihood: it holds labels, not predictions",
            hint="Give labels with --annotations",
        )
    body = rows[len(header) :]
    who = header.get("individuals", [""] * len(coords))
    read_wide(body, (who, header["bodyparts"], coords), reading)


def read_wide(
    body: Rows, header: tuple[Sequence[str], Sequence[str], Sequence[str]], reading: Reading
) -> None:
    """Add the people of rows: the frame, then a column for each individual, body part and axis."""
    who, parts, coords = header
    columns: dict[str, dict[str, dict[str, int]]] = {}
    for place, (individual, part, axis) in enumerate(zip(who, parts, coords, strict=False)):
        columns.setdefault(individual, {}).setdefault(part, {})[axis] = place + 1
    layouts = [_layout(of, reading) for individual, of in columns.items() if individual != "single"]
    for row in body:
        with reading.attempt():
            frame = _frame_of(row[0])
            reading.frames.add(frame)
            for names, places in layouts:
                with reading.attempt(frame):
                    values = [_value(row, place) for place in places]
                    if any(v is not None for v in values):
                        reading.add(frame, values, names)


def _layout(
    parts: dict[str, dict[str, int]], reading: Reading
) -> tuple[tuple[str, ...], list[int]]:
    """The joints of one individual, and the columns of x, y, likelihood of each."""
    whole = {part: of for part, of in parts.items() if {"x", "y", "likelihood"} <= of.keys()}
    names = joints_named(list(whole))
    return names, [of[axis] for of in whole.values() for axis in ("x", "y", "likelihood")]


def _frame_of(cell: str) -> int:
    try:
        return frame_index(int(float(cell)), "the frame")
    except (ValueError, OverflowError):
        return number_in(cell)


def _value(row: Sequence[Any], place: int) -> float | None:
    """A number, None where the cell is empty. Raises InputError for any other text."""
    cell = row[place] if place < len(row) else ""
    if cell in ("", None):
        return None
    try:
        return float(cell)
    except ValueError as error:
        raise InputError(f"{str(cell)[:40]!r} is not a number") from error


def read_sleap(rows: Rows, reading: Reading) -> None:
    """Add all people. Raises InputError when the joints are not of a person."""
    reading.format = "sleap-csv"
    header = rows[0]
    nodes = [name.removesuffix(".x") for name in header if name.endswith(".x")]
    names = joints_named(nodes)
    place = {name: i for i, name in enumerate(header)}
    for row in rows[1:]:
        with reading.attempt():
            frame = _frame_of(row[place["frame_idx"]])
            reading.frames.add(frame)
            with reading.attempt(frame):
                reading.add(frame, list(_sleap_values(row, nodes, place)), names)


def _sleap_values(
    row: list[str], nodes: Sequence[str], place: dict[str, int]
) -> Iterator[float | None]:
    for node in nodes:
        yield _value(row, place[f"{node}.x"])
        yield _value(row, place[f"{node}.y"])
        score = place.get(f"{node}.score")
        yield 1.0 if score is None else _value(row, score)


def read_deeplabcut_h5(path: Path, reading: Reading) -> None:
    """Add all people of DeepLabCut's table in HDF5, which needs ``tables``. Raises InputError."""
    reading.format = "deeplabcut-h5"
    try:
        import pandas
        import tables  # noqa: F401  # what pandas reads HDF5 with
    except ImportError as error:
        raise InputError(
            "this looks like DeepLabCut's H5, which needs the package 'tables' to be read",
            file=path,
            hint=DEEPLABCUT_AS_CSV,
        ) from error
    try:
        frame = pandas.read_hdf(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"not a readable table ({error})", file=path) from error
    levels = list(frame.columns.names)
    if "bodyparts" not in levels or "coords" not in levels:
        raise InputError("the table has no body parts", file=path, hint=DEEPLABCUT_AS_CSV)
    parts = frame.columns.get_level_values("bodyparts")
    several = "individuals" in levels
    who = frame.columns.get_level_values("individuals") if several else [""] * len(parts)
    coords = frame.columns.get_level_values("coords")
    rows = [
        [str(index), *("" if pandas.isna(value) else value for value in row)]
        for index, row in zip(frame.index, frame.to_numpy().tolist(), strict=True)
    ]
    read_wide(rows, (list(who), list(parts), [str(c).lower() for c in coords]), reading)
