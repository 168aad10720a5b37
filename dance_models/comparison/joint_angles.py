"""The angles that are compared: those at a joint between two bones, of joints that a truth has."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.analysis import angles as measured
from dance_models.analysis.angles import ANGLES


def _joints() -> dict[str, tuple[str, str, str]]:
    found = {}
    for angle in ANGLES:
        if angle.kind == "between" and not angle.of_feet and len(angle.joints) == 3:
            (vertex, first), (_, last) = angle.lines
            found[angle.name] = (first, vertex, last)
    return found


# Of each angle: the ends of its two bones around the joint in the middle.
ANGLE_JOINTS: Final[dict[str, tuple[str, str, str]]] = _joints()


def angles(
    poses: NDArray[np.floating], landmarks: NDArray[np.floating]
) -> dict[str, NDArray[np.float64]]:
    """Degrees (T,) of each compared angle, as :func:`dance_models.analysis.angles.angles`."""
    every = measured.angles(poses, landmarks)
    return {name: every[name] for name in ANGLE_JOINTS}
