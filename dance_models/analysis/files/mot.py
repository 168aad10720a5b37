"""MOT, the motion file of OpenSim: one column an angle, in degrees.

The angles are ours (unsigned, in the picture), not the coordinates of an OpenSim model: a straight
knee is 180 here and 0 there. They are for plotting and for tables.
"""

from pathlib import Path
from typing import Final

import numpy as np

from dance_models.analysis.files.measured import Measured
from dance_models.tables import write_text
from dance_models.text import printable

_DECIMALS: Final = 4


def write_mot(measured: Measured, path: Path) -> None:
    """Tab-separated text with ``inDegrees=yes``; ``nan`` where an angle is not known."""
    names = list(measured.angles)
    lines = [
        printable(measured.clip),
        "version=1",
        f"nRows={len(measured)}",
        f"nColumns={len(names) + 1}",
        "inDegrees=yes",
        "",
        "Units are S.I. units (second, meters, Newtons, ...)",
        "Angles are in degrees.",
        "",
        "endheader",
        "\t".join(["time", *map(printable, names)]),
    ]
    values = np.array([measured.angles[name] for name in names], np.float64)
    columns = values.reshape(len(names), len(measured)).T
    lines += [
        "\t".join([f"{time:.6f}", *(f"{value:.{_DECIMALS}f}" for value in row)])
        for time, row in zip(measured.time_s, columns, strict=True)
    ]
    write_text(path, "\n".join(lines) + "\n")
