"""Keypoint flow, velocity and acceleration of a whole run (Eq 5-6), with times in seconds."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

# Velocities are per this step, which makes their numbers about as large as the poses'.
UNIT_S: Final = 1 / 25
# Frames count as at least so far apart. A video with a changing frame rate may have two within a
# tenth of a millisecond: the estimator's jitter over that is thousands of pixels a frame, and so
# was the refined pose.
LEAST_STEP_S: Final = 0.004


@dataclass(frozen=True, eq=False)
class Kinematics:
    """All (T, J, D); NaN where a joint is missing."""

    flow: Array  # F_t = (P_{t-d} + P_t + P_{t+d}) / 3, in the unit of P
    velocity: Array  # (P_t - P_{t-d}) / d, per 1/25 s
    acceleration: Array  # (v_t - v_{t-d}) / d, per (1/25 s)^2


def keypoint_kinematics(
    poses: Array, time_s: NDArray[np.float64], *, causal: bool = False, of_flow: bool = False
) -> Kinematics:
    """Kinematics of one run, (T, J, D) at times (T,); d is one frame, in seconds, at least 4 ms.

    Computed on the whole run, so that only the run's own ends are replicated: windows cut from it
    do not start with a false acceleration. The flow is the mean of the known poses. ``causal``
    uses F_t = (P_{t-1} + 2 P_t) / 3, and the first frame's velocity and acceleration are 0 instead
    of the second's; ``of_flow`` takes the velocity of F instead of P.
    """
    flow = _flow(poses, causal=causal)
    velocity = _backward_difference(flow if of_flow else poses, time_s, causal=causal)
    acceleration = _backward_difference(velocity, time_s, causal=causal)
    return Kinematics(flow, velocity, acceleration)


def _flow(poses: Array, *, causal: bool) -> Array:
    before = np.concatenate([poses[:1], poses[:-1]])
    after = poses if causal else np.concatenate([poses[1:], poses[-1:]])
    stacked = np.stack([before, poses, after])
    weight = np.isfinite(stacked)
    count = weight.sum(axis=0)
    total = np.where(weight, stacked, 0).sum(axis=0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _backward_difference(values: Array, time_s: NDArray[np.float64], *, causal: bool) -> Array:
    """(x_t - x_{t-d}) / d; the first frame, which has no past, repeats the second's or is 0."""
    if len(values) < 2:
        return np.zeros_like(values)
    step = np.maximum(np.diff(time_s), LEAST_STEP_S)[:, None, None] / UNIT_S
    difference = np.diff(values, axis=0) / step
    first = np.zeros_like(difference[:1]) if causal else difference[:1]
    return np.concatenate([first, difference])
