"""Stand-in for ``dance_models.analysis.angles``: the trunk owner replaces it by an import of that.

Unsigned interior angles, 0 to 180 degrees.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.skeleton import DANCE_14

# Of each angle: the ends of its two bones around the joint in the middle.
ANGLE_JOINTS: Final[dict[str, tuple[str, str, str]]] = {
    f"{side}_{name}": (f"{side}_{first}", f"{side}_{name}", f"{side}_{last}")
    for first, name, last in (
        ("shoulder", "elbow", "wrist"),
        ("elbow", "shoulder", "hip"),
        ("shoulder", "hip", "knee"),
        ("hip", "knee", "ankle"),
    )
    for side in ("left", "right")
}


def angles(
    poses: NDArray[np.floating], landmarks: NDArray[np.floating]
) -> dict[str, NDArray[np.float64]]:
    """Degrees (T,) of each angle of poses (T, 14, 2); NaN where a joint is missing.

    ``landmarks`` (T, L, 3) are for angles of joints that the 14 lack; this version has none.
    """
    del landmarks
    found = {}
    for name, joints in ANGLE_JOINTS.items():
        first, middle, last = (poses[:, DANCE_14.index[j]].astype(np.float64) for j in joints)
        one, other = first - middle, last - middle
        cross = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
        found[name] = np.degrees(np.abs(np.arctan2(cross, (one * other).sum(axis=1))))
    return found
