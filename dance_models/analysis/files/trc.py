"""TRC, the marker file of OpenSim: pixels, or metres where the scale is known."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.analysis.files.measured import Measured
from dance_models.files import replacing
from dance_models.skeleton import DANCE_14
from dance_models.text import printable

_DECIMALS: Final = 5


def positions(measured: Measured) -> tuple[NDArray[np.float64], str]:
    """(T, 14, 3) marker positions and their unit; z is 0, since one view has no depth.

    In pixels as in the picture: y down. In metres, where ``metres_per_pixel`` is known: y up from
    the bottom of the picture, as OpenSim has it.
    """
    flat = np.zeros((*measured.poses.shape[:2], 3))
    flat[..., :2] = np.where(measured.known[..., None], measured.poses, np.nan)
    flat[..., 2] = np.where(measured.known, 0.0, np.nan)
    if measured.metres_per_pixel is None:
        return flat, "px"
    flat[..., 1] = measured.height - 1 - flat[..., 1]
    return flat * measured.metres_per_pixel, "m"


def write_trc(measured: Measured, path: Path) -> None:
    """Tab-separated text; frames count from 0, and ``nan`` stands for missing markers.

    OpenSim refuses a whole file with a row that ends in an empty cell: it takes that row to be one
    cell too short. A tab at the end of rows would be a cell too many for other readers.
    """
    unit = "px" if measured.metres_per_pixel is None else "m"
    rate, frames, names = f"{measured.fps:g}", len(measured), DANCE_14.names
    kinds = (
        "DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units", "OrigDataRate",
        "OrigDataStartFrame", "OrigNumFrames",
    )  # fmt: skip
    head = [
        ("PathFileType", "4", "(X/Y/Z)", printable(path.name)),
        kinds,
        (rate, rate, str(frames), str(len(names)), unit, rate, "0", str(frames)),
        ("Frame#", "Time", *(cell for name in names for cell in (name, "", ""))),
        ("", "", *(f"{axis}{i + 1}" for i in range(len(names)) for axis in "XYZ")),
        ("",),  # OpenSim expects an empty line here
    ]
    with replacing(path) as target, target.open("w", encoding="utf-8") as file:
        file.writelines("\t".join(line) + "\n" for line in head)
        for first, part in measured.parts():
            points, _ = positions(part)
            for i, time in enumerate(part.time_s):
                line = (str(first + i), f"{time:.6f}", *map(_cell, points[i].ravel()))
                file.write("\t".join(line) + "\n")


def _cell(value: float) -> str:
    return f"{value:.{_DECIMALS}f}" if np.isfinite(value) else "nan"
