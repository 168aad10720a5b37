"""Pose predictions in tables: DeepLabCut's CSV and H5, SLEAP's analysis CSV.

DeepLabCut has the header rows ``scorer``, (``individuals``,) ``bodyparts``, ``coords`` and one row
a frame with x, y, likelihood. SLEAP has the columns ``track, frame_idx, instance.score, nose.x,
nose.y, nose.score, ...`` and one row a person.
"""

import csv
import io
import pickle
import pickletools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from dance_models.errors import InputError
from dance_models.estimators.pose_forms.fields import frame_index, number_in
from dance_models.estimators.pose_track import Reading, joints_named
from dance_models.files import read_file
from dance_models.text import brief

_HEADER: Final = ("scorer", "individuals", "bodyparts", "coords")
DEEPLABCUT_AS_CSV: Final = (
    "Export it as CSV: deeplabcut.analyze_videos(..., save_as_csv=True), or "
    "deeplabcut.analyze_videos_converth5_to_csv for what was analysed before"
)

_LONGEST_LABELS: Final = 1_000_000  # bytes
_KEEPING: Final = ("PUT", "BINPUT", "LONG_BINPUT")  # what keeps a value of a pickle for later
MOST_CELLS: Final = 12_000_000  # at about 60 bytes each

Rows = list[list[str]]


def rows_of(path: Path) -> Rows:
    """All rows of a CSV. Raises InputError when it is none."""
    try:
        text = read_file(path).decode("utf-8-sig")
        if (cells := text.count(",") + text.count("\n")) > MOST_CELLS:
            raise InputError(f"the table has {cells} cells, more than {MOST_CELLS}", file=path)
        return [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"not a readable CSV ({brief(error)})", file=path) from error


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
    if lacking := [node for node in nodes if f"{node}.y" not in place]:
        raise InputError(f"there is no column {lacking[0]}.y")
    for row in rows[1:]:
        with reading.attempt():
            if len(row) != len(header):
                raise InputError(f"{len(row)} cells where the header has {len(header)}")
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
    """Add all people of DeepLabCut's table in HDF5, as pandas writes it. Raises InputError.

    The names of its columns are a pickle of texts: it is read without the means to run anything.
    """
    reading.format = "deeplabcut-h5"
    try:
        with h5py.File(path, "r") as file:
            group = next(g for g in file.values() if isinstance(g, h5py.Group) and "table" in g)
            columns = _plain(group.attrs["non_index_axes"])[0][1]
            table = group["table"][()]
            blocks = [f for f in table.dtype.names if f.startswith("values_")]
            if len(blocks) > 1:  # each in an order of its own, which is not that of the labels
                raise ValueError("its columns are of several types")
            values = np.atleast_2d(table[blocks[0]].T).T
            labels = [tuple(map(str, column)) for column in columns]
            rows = [
                [str(index), *("" if np.isnan(v) else v for v in row)]
                for index, row in zip(table["index"].tolist(), values.tolist(), strict=True)
            ]
    except (
        OSError, RuntimeError, LookupError, TypeError, ValueError, AttributeError, StopIteration,
        pickle.UnpicklingError, EOFError,
    ) as error:  # fmt: skip
        why = f"not a table as DeepLabCut writes it ({brief(error)})"
        raise InputError(why, file=path, hint=DEEPLABCUT_AS_CSV) from error
    if not labels or {len(label) for label in labels} - {3, 4} or len(labels) != values.shape[1]:
        raise InputError("the table has no body parts", file=path, hint=DEEPLABCUT_AS_CSV)
    who = [label[1] if len(label) == 4 else "" for label in labels]
    parts, coords = [label[-2] for label in labels], [label[-1].lower() for label in labels]
    read_wide(rows, (who, parts, coords), reading)


class _PlainUnpickler(pickle.Unpickler):
    """Loads lists, tuples, texts and numbers; anything that names code is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, identity: object) -> Any:
        raise pickle.UnpicklingError("it refers to something outside of it")


def _plain(stored: Any) -> Any:
    """What a pickle of plain values holds. Raises UnpicklingError and others."""
    data = stored.tobytes() if hasattr(stored, "tobytes") else bytes(stored)
    if len(data) > _LONGEST_LABELS:
        raise ValueError(f"labels of {len(data)} bytes")
    # Python takes memory for the place that a value is kept under, or for its length, unseen.
    for code, value, _ in pickletools.genops(data):  # raises for lengths beyond the data
        if code.name in _KEEPING and int(value or 0) > len(data):
            raise pickle.UnpicklingError(f"a value is kept under {value}")
    return _PlainUnpickler(io.BytesIO(data)).load()
