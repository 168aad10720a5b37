"""MOT, the motion file of OpenSim: one column an angle, in degrees.

The angles are ours (unsigned, in the picture), not the coordinates of an OpenSim model: a straight
knee is 180 here and 0 there. They are for plotting and for tables.
"""

from pathlib import Path
from typing import Final

import numpy as np

from dance_models.analysis.files.measured import Measured
from dance_models.files import replacing
from dance_models.text import printable

_DECIMALS: Final = 4


def write_mot(measured: Measured, path: Path) -> None:
    """Tab-separated text with ``inDegrees=yes``; ``nan`` where an angle is not known."""
    names = list(measured.angles)
    head = [
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
    with replacing(path) as target, target.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in head)
        for _, part in measured.parts():
            values = np.array([part.angles[name] for name in names], np.float64)
            columns = values.reshape(len(names), len(part)).T
            for time, row in zip(part.time_s, columns, strict=True):
                cells = [f"{time:.6f}", *(f"{value:.{_DECIMALS}f}" for value in row)]
                file.write("\t".join(cells) + "\n")
