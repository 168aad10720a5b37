"""CSV and Parquet: a row a frame, with units in the names of the columns."""

import json
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from dance_models.analysis.angles import ANGLE_BY_NAME, DEGREES
from dance_models.analysis.files.measured import Measured
from dance_models.files import replacing
from dance_models.skeleton import DANCE_14
from dance_models.tables import table_metadata, write_table
from dance_models.text import csv_text, printable

_DECIMALS: Final = 4


def as_table(measured: Measured, first: int = 0) -> pl.DataFrame:
    """``clip``, ``frame`` from 0, ``time_s``, ``JOINT_x_px``, ``JOINT_y_px``, ``JOINT_confidence``
    (0 to 1), and ``ANGLE_deg``; null where something is missing. The first row is of frame
    ``first``.
    """
    columns: dict[str, pl.Series] = {
        "clip": pl.Series([measured.plain_name] * len(measured), dtype=pl.String),
        "frame": pl.Series(np.arange(first, first + len(measured))),
        "time_s": pl.Series(np.asarray(measured.time_s, np.float64)).round(6),
    }
    for joint, name in enumerate(DANCE_14.names):
        for axis, letter in enumerate("xy"):
            columns[f"{name}_{letter}_px"] = _numbers(measured.poses[:, joint, axis])
        columns[f"{name}_confidence"] = _numbers(measured.confidence[:, joint])
    for name, values in measured.angles.items():
        columns[f"{csv_text(printable(name))}_{DEGREES}"] = _numbers(values)
    return pl.DataFrame(columns)


def write_csv(measured: Measured, path: Path) -> None:
    """UTF-8, a header line, points as decimal marks, empty cells where something is missing."""
    with replacing(path) as target, target.open("wb") as file:
        for first, part in measured.parts():
            as_table(part, first).write_csv(file, include_header=not first)


def write_parquet(measured: Measured, path: Path) -> None:
    """The same columns; units, picture size and definitions of the angles in the metadata."""
    used = {n: ANGLE_BY_NAME[n].definition for n in measured.angles if n in ANGLE_BY_NAME}
    metadata = table_metadata(
        units=json.dumps(
            {"_px": "pixels, y down", "_deg": "degrees", "_s": "seconds", "_confidence": "0 to 1"}
        ),
        angles=json.dumps(used),
        width_px=str(measured.width),
        height_px=str(measured.height),
        frames_per_second=f"{measured.fps:g}",
    )
    write_table(as_table(measured), path, metadata)


def _numbers(values: np.ndarray) -> pl.Series:
    return pl.Series(np.asarray(values, np.float64), nan_to_null=True).round(_DECIMALS)
