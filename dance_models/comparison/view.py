"""From which side the camera sees the dancer."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.config import ComparisonConfig
from dance_models.geometry import pelvis
from dance_models.skeleton import DANCE_14

Floats = NDArray[np.float64]
CLEAR: Final = 0.15  # of the torso: a narrower line has no clear left and right


def facing(poses: NDArray[np.floating]) -> Floats:
    """(T,) signed width of shoulders and hips in torso lengths, of poses (T, 14, 2).

    The mean of (left x - right x) of both lines. Positive: the dancer's left is to the right in the
    picture, as of somebody who faces the camera. Near 0: seen from the side. The torso is the
    median of the clip, since one that leans towards the camera looks short.
    """
    joint = DANCE_14.index
    width = np.stack(
        [
            poses[:, joint[f"left_{part}"], 0] - poses[:, joint[f"right_{part}"], 0]
            for part in ("shoulder", "hip")
        ]
    ).mean(axis=0)
    torso = np.linalg.norm(poses[:, joint["neck"]] - pelvis(poses), axis=-1)
    known = torso[np.isfinite(torso) & (torso > 0)]
    return np.asarray(width / (np.median(known) if len(known) else np.nan), np.float64)


def view_warning(reference: Floats, practice: Floats, config: ComparisonConfig) -> str | None:
    """What is wrong when the cameras look from different sides; None when they do not.

    ``reference`` and ``practice`` are (G,) :func:`facing` at the same moments of the dance.
    """
    known = np.isfinite(reference) & np.isfinite(practice)
    if not known.any():
        return None
    one, other = reference[known], practice[known]
    difference = float(np.median(np.abs(one - other)))
    clear = (np.abs(one) > CLEAR) & (np.abs(other) > CLEAR)
    opposite = float((np.sign(one) != np.sign(other))[clear].mean()) if clear.any() else 0.0
    if difference <= config.view_difference and opposite <= config.other_order:
        return None
    return (
        "the cameras look from different sides: shoulders and hips differ in width by "
        f"{100 * difference:.0f} % of the torso (limit {100 * config.view_difference:.0f} %), and "
        f"left and right are the other way round in {100 * opposite:.0f} % of the time (limit "
        f"{100 * config.other_order:.0f} %). Angles in a picture depend on the side that it is "
        "taken from: the differences in degrees are not reliable. Film from the side from which "
        "the reference was filmed"
    )
