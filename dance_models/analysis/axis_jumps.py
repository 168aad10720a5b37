"""Where a body turns over and back faster than any body can: the estimator erred.

Somebody who is upright, head down in the next frame and upright again soon was never head down. The
axis of the body is the direction from the hips to the neck, in the picture. A handstand, a
cartwheel or a deep bend turns it from frame to frame, and is not found here; nor is an axis that
jumps and stays, of which nobody knows which side is right.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.geometry import MOST_TURN, middle, pelvis
from dance_models.skeleton import DANCE_14

MOST_SPEED: Final = 360.0  # degrees/s, beyond MOST_TURN, in the time without a pose
LONGEST_S: Final = 1.0  # from one jump to that back; in this time a body can turn over by itself
# Of the median trunk: a shorter one points at the camera or away, and has no axis in the picture.
LEAST_TRUNK: Final = 0.3
UNSURE_SCORE: Final = 0.3  # at most, of the joints of such a frame


def axis_jumps(
    poses: NDArray[np.floating], time_s: NDArray[np.float64], cuts: Sequence[int] = ()
) -> list[tuple[int, int]]:
    """(start, stop) of the stretches of poses (T, J, 2) whose axis jumps away and back.

    ``cuts`` are the first frames of new shots; nothing is compared across them.
    """
    found: list[tuple[int, int]] = []
    length, angle = _axis(poses)
    for first, last in zip((0, *cuts), (*cuts, len(poses)), strict=True):
        known = np.arange(first, last)[np.isfinite(angle[first:last])]
        short = np.zeros(len(poses), bool)
        short[first:last] = np.isfinite(length[first:last]) & np.isnan(angle[first:last])
        found += [_widened(span, short) for span in _in_shot(known, angle, time_s)]
    return found


def _widened(span: tuple[int, int], short: NDArray[np.bool_]) -> tuple[int, int]:
    """With the frames beside it in which the trunk shrinks on its way there or back."""
    start, stop = span
    while start and short[start - 1]:
        start -= 1
    while stop < len(short) and short[stop]:
        stop += 1
    return start, stop


def _axis(poses: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lengths of the trunk (T,), NaN where it is unseen; degrees (T,), NaN without an axis."""
    up = np.asarray(middle(poses, DANCE_14.neck) - pelvis(poses), np.float64)
    length = np.linalg.norm(up, axis=-1)
    there = length[np.isfinite(length)]
    least = LEAST_TRUNK * float(np.median(there)) if len(there) else 0.0
    with np.errstate(invalid="ignore"):
        long_enough = length > least
    return length, np.where(long_enough, np.degrees(np.arctan2(up[:, 0], -up[:, 1])), np.nan)


def _in_shot(
    known: NDArray[np.int64], angle: NDArray[np.float64], time_s: NDArray[np.float64]
) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    frame_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0
    at = 1
    while at < len(known):
        before, now = known[at - 1], known[at]
        lost_s = max(0.0, float(time_s[now] - time_s[before]) - frame_s)
        back = None
        if _turn(angle[now], angle[before]) > MOST_TURN + MOST_SPEED * lost_s:
            near = known[at:][time_s[known[at:]] - time_s[before] <= LONGEST_S]
            returned = np.flatnonzero(_turn(angle[near], angle[before]) <= MOST_TURN)
            back = int(returned[0]) if len(returned) else None
        if back is not None:
            found.append((int(now), int(near[back - 1]) + 1))
        at += 1 if back is None else back + 1
    return found


def _turn(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Degrees between two directions, 0 to 180."""
    return np.asarray(np.abs((one - other + 180) % 360 - 180))
