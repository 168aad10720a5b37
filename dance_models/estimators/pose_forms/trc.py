"""TRC, the marker files of OpenSim: those in pixels that Sports2D writes, one a person.

Sports2D states metres in the header of its files in pixels, too, so the numbers decide: positions
in pixels have no depth (z is 0 everywhere) and are larger than any position in metres. Files in
3-D have no picture to belong to and are refused. There are no scores: known joints get 1.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from dance_models.errors import InputError
from dance_models.estimators.pose_forms.fields import frame_index
from dance_models.estimators.pose_track import Reading, joints_named
from dance_models.files import read_text
from dance_models.text import brief

MAGIC: Final = b"PathFileType"
_HINT: Final = "Give the JSON of the 2-D estimator (Pose2Sim: NAME_json), or Sports2D's *_px_*.trc"
_LEAST_PIXELS: Final = 20.0  # no dancer is that many metres from the origin throughout
_MOST_FAR: Final = 1e6


def read_files(files: Sequence[Path], reading: Reading) -> None:
    """Add the people of the files of a clip, one each. Raises InputError for 3-D."""
    reading.format = "trc-pixels"
    for file in files:
        names, frames, points = _table(file)
        known = points[np.isfinite(points).all(axis=2)]
        if not len(known):
            reading.notes.append(f"{file.name} has no positions")
            continue
        if np.abs(known[:, 2]).max() > 0 or np.abs(known[:, :2]).max() < _LEAST_PIXELS:
            raise InputError(
                "this TRC holds positions in 3-D or in metres, not pixels", file=file, hint=_HINT
            )
        reading.frames |= set(frames)
        for frame, person in zip(frames, points, strict=True):
            seen = np.isfinite(person).all(axis=1) & (person[:, :2] != 0).any(axis=1)
            triples = np.column_stack([person[:, :2], np.ones(len(person))])
            if seen.any():
                values = np.where(seen[:, None], triples, np.nan).ravel().tolist()
                with reading.attempt(frame, file):
                    reading.add(frame, values, names)


def _table(file: Path) -> tuple[tuple[str, ...], list[int], np.ndarray]:
    """Joints, frames, and positions (T, J, 3). Raises InputError."""
    try:
        lines = read_text(file).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({brief(error)})", file=file) from error
    start = next((i for i, line in enumerate(lines) if line.startswith("Frame#")), None)
    if start is None:
        raise InputError("the TRC has no line 'Frame#'", file=file)
    try:
        names = joints_named([name for name in lines[start].split("\t")[2:] if name.strip()])
    except InputError as error:
        raise InputError(error.message, file=file, hint=error.hint) from error
    frames, rows = [], []
    for line in lines[start + 2 :]:
        cells = line.split("\t")
        if not cells[0].strip():
            continue
        try:
            frames.append(frame_index(float(cells[0]), "the frame"))
            rows.append([_number(cell) for cell in (cells[2:] + [""] * 3 * len(names))])
        except ValueError as error:
            raise InputError(f"not a row of numbers ({error})", file=file) from error
    points = np.array([row[: 3 * len(names)] for row in rows]).reshape(-1, len(names), 3)
    return names, frames, points


def _number(cell: str) -> float:
    value = float(cell) if cell.strip() else np.nan
    return value if abs(value) < _MOST_FAR else np.nan
