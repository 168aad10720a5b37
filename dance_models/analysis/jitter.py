"""How much poses tremble: the size of their acceleration, at rest and in motion."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.analysis.video import VideoPoses
from dance_models.evaluation.recursive_filters import one_euro
from dance_models.inference.refine import slice_run
from dance_models.metrics.torso import median_torso

FRAME_S: Final = 1 / 30  # the frame of "a frame squared", whatever the video's rate is
AT_REST: Final = 0.3  # torsos a second; a joint that is slower is at rest
_SPEED_S: Final = 0.2  # speed is measured over this time, so that jitter is not taken for motion
# The middle of the grid from which the filter is tuned in the comparison of methods.
ONE_EURO: Final[Mapping[str, float]] = {"min_cutoff": 3.0, "beta": 2.0}


def jitter_of(poses: VideoPoses) -> dict[str, dict[str, float]]:
    """Jitter of the estimate, of its One-Euro filter and of the refined poses.

    By row the mean over joints and frames ``at_rest`` and ``in_motion``, in % of the torso a frame
    squared; which joints are at rest in which frames is decided on the refined poses for all.
    """
    restored = poses.restored
    smoothed = np.full_like(poses.refined, np.nan)
    for start, stop in poses.stretches:
        smoothed[start:stop] = one_euro([slice_run(restored, start, stop)], **ONE_EURO)[0]
    time_s, torso = poses.run.time_s, median_torso(poses.refined)
    speed = _speed(time_s, poses.refined) / torso
    rows = {"estimate": restored.estimate, "one_euro": smoothed, "refined": poses.refined}
    sizes = {name: 100 * acceleration(time_s, row) / torso for name, row in rows.items()}
    known = _inside(poses)[:, None] & np.isfinite(speed)
    for size in sizes.values():  # the same joints and frames in all rows
        known = known & np.isfinite(size)
    parts = {"at_rest": known & (speed < AT_REST), "in_motion": known & (speed >= AT_REST)}
    return {
        name: {part: float(size[chosen].mean()) for part, chosen in parts.items() if chosen.any()}
        for name, size in sizes.items()
    }


def acceleration(time_s: NDArray[np.float64], poses: NDArray[np.floating]) -> NDArray[np.float64]:
    """Length of the second difference over three frames, (T, J, D) -> (T, J), pixels a frame^2.

    A frame is 1/30 s. NaN in the first and last frame and beside what is missing.
    """
    found = np.full(poses.shape[:2], np.nan)
    if len(time_s) > 2:
        before, after = np.diff(time_s)[:-1, None, None], np.diff(time_s)[1:, None, None]
        step = np.diff(poses.astype(np.float64), axis=0)
        bent = 2 * (step[1:] / after - step[:-1] / before) / (after + before)
        found[1:-1] = np.linalg.norm(bent, axis=-1) * FRAME_S**2
    return found


def _speed(time_s: NDArray[np.float64], poses: NDArray[np.floating]) -> NDArray[np.float64]:
    """(T, J) pixels a second, over ``_SPEED_S`` about each frame."""
    last = len(time_s) - 1
    left = np.clip(np.searchsorted(time_s, time_s - _SPEED_S / 2), 0, last)
    right = np.clip(np.searchsorted(time_s, time_s + _SPEED_S / 2), 0, last)
    elapsed = np.maximum(time_s[right] - time_s[left], 1e-9)[:, None]
    moved = np.linalg.norm(poses[right].astype(np.float64) - poses[left], axis=-1)
    return np.asarray(moved / elapsed)


def _inside(poses: VideoPoses) -> NDArray[np.bool_]:
    """(T,) frames with both neighbours in their stretch."""
    inside = np.zeros(len(poses.run), bool)
    for start, stop in poses.stretches:
        inside[start + 1 : stop - 1] = True
    return inside
