"""One-Euro and Kalman filters over pose runs, all runs at once.

Same contract as ``filters``: pose runs in, one (T, J, 2) array of pixels a run out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.data.pose_runs import PoseRun
from dance_models.metrics.torso import torso_scale
from dance_models.skeleton import DANCE_14

Poses = list[NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class _Batch:
    """Runs padded to one length, in torsos, so that one loop over time filters all runs."""

    poses: NDArray[np.float64]  # (T, R, J, 2) NaN where missing or padded
    step_s: NDArray[np.float64]  # (T, R) time since the frame before, 1 at the first
    unit: NDArray[np.float64]  # (R,) median torso of the estimate, pixels
    lengths: list[int]

    @classmethod
    def of(cls, runs: Sequence[PoseRun]) -> "_Batch":
        lengths = [len(run) for run in runs]
        longest = max(lengths, default=0)
        unit = np.array([torso_scale(run.estimate) for run in runs])
        poses = np.full((longest, len(runs), DANCE_14.num_joints, DANCE_14.dimensions), np.nan)
        step_s = np.ones((longest, len(runs)))
        for i, run in enumerate(runs):
            poses[: len(run), i] = run.estimate / unit[i]
            step_s[1 : len(run), i] = np.diff(run.time_s)
        poses[~np.isfinite(poses).all(axis=-1)] = np.nan
        return cls(poses, step_s, unit, lengths)

    def split(self, poses: NDArray[np.float64]) -> Poses:
        """Back to one array a run in pixels."""
        return [
            (poses[:length, i] * self.unit[i]).astype(np.float32)
            for i, length in enumerate(self.lengths)
        ]


def one_euro(
    runs: Sequence[PoseRun], *, min_cutoff: float, beta: float, d_cutoff: float = 1.0
) -> Poses:
    """One-Euro filter (Casiez, Roussel & Vogel, CHI 2012); cutoffs in Hz, speed in torsos/s.

    Causal, apart from its unit, the median torso of the whole run. A missing joint stays missing,
    and the filter continues from its last state.
    """
    batch = _Batch.of(runs)
    out = np.full_like(batch.poses, np.nan)
    state = np.full(batch.poses.shape[1:], np.nan)
    slope, since = np.zeros_like(state), np.zeros(state.shape[:2])
    for t, seen in enumerate(batch.poses):
        since += batch.step_s[t][:, None]
        known = np.isfinite(seen)
        fresh = known & ~np.isfinite(state)
        elapsed = since[..., None]
        rate = np.where(known & ~fresh, (seen - state) / elapsed, 0)
        smooth_rate = slope + _low_pass(d_cutoff, elapsed) * (rate - slope)
        # The cutoff follows the speed of the joint, not of x and y separately: all directions are
        # treated alike.
        speed = np.linalg.norm(smooth_rate, axis=-1, keepdims=True)
        gain = _low_pass(min_cutoff + beta * speed, elapsed)
        mixed = np.where(fresh, seen, state + gain * (seen - state))
        slope = np.where(known, smooth_rate, slope)
        state = np.where(known, mixed, state)
        since[known.all(axis=-1)] = 0
        out[t] = np.where(known, state, np.nan)
    return batch.split(out)


def _low_pass(
    cutoff_hz: NDArray[np.float64] | float, step_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Gain of an exponential filter with this cutoff at this time step."""
    radians = 2 * np.pi * cutoff_hz * step_s
    return np.asarray(radians / (radians + 1))


NOISE: Final = 0.03  # torsos; the filters depend on its ratio to the acceleration


def kalman(runs: Sequence[PoseRun], *, acceleration: float, noise: float = NOISE) -> Poses:
    """Constant-velocity Kalman filter with Rauch-Tung-Striebel smoothing.

    White acceleration of ``acceleration`` torsos/s^2 (a step), measurement noise of ``noise``
    torsos; x and y are independent and share their covariance. Gaps inside a run are filled. Before
    a joint is first seen and after it is last seen it stays missing.
    Rauch, Tung & Striebel 1965.
    """
    batch = _Batch.of(runs)
    known = np.asarray(np.isfinite(batch.poses).all(axis=-1))  # (T, R, J)
    if not known.size:
        return batch.split(batch.poses)
    seen_before = np.logical_or.accumulate(known, axis=0)
    seen_after = np.logical_or.accumulate(known[::-1], axis=0)[::-1]
    smoothed = _rauch_tung_striebel(*_kalman_forward(batch, known, acceleration, noise))
    return batch.split(np.where((seen_before & seen_after)[..., None], smoothed, np.nan))


def kalman_state(steps: int, step_s: float, acceleration: float) -> NDArray[np.float64]:
    """How the filter of :func:`kalman` weights ``steps`` evenly spaced positions, (2, steps).

    In the position and in the velocity (a second) that it holds after the last of them, without
    smoothing. The filter is linear: its weights are its answers to unit impulses.
    """
    impulses = np.eye(steps)[:, None, :, None]  # (T, 1 run, T "joints", 1 axis)
    batch = _Batch(impulses, np.full((steps, 1), step_s), np.ones(1), [steps])
    known = np.ones(impulses.shape[:-1], bool)
    mean, *_ = _kalman_forward(batch, known, acceleration, NOISE)
    return np.asarray(mean[-1, 0, :, :, 0].T)


def _transition(step_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """(R,) time steps -> (R, 1, 2, 2), position and velocity."""
    matrix = np.tile(np.eye(2), (len(step_s), 1, 1, 1))
    matrix[:, 0, 0, 1] = step_s
    return matrix


def _kalman_forward(
    batch: _Batch, known: NDArray[np.bool_], acceleration: float, noise: float
) -> tuple[Any, Any, Any, Any, Any]:
    """Filtered and predicted means (T, R, J, 2, D: state, axis), covariances, transitions."""
    shape, axes = known.shape, batch.poses.shape[-1]
    first = np.argmax(known, axis=0)  # start where a joint is first seen, with a vague prior
    start = np.take_along_axis(batch.poses, first[None, ..., None], axis=0)[0]
    mean = np.zeros((*shape[1:], 2, axes))
    mean[..., 0, :] = np.nan_to_num(start)
    covariance = np.tile(np.diag([1.0, 100.0]), (*shape[1:], 1, 1))
    store = [np.zeros((*shape, 2, size)) for size in (axes, 2, axes, 2)]
    transitions = np.zeros((shape[0], shape[1], 1, 2, 2))
    for t in range(shape[0]):
        step = batch.step_s[t]
        move = _transition(step)
        if t:
            gain = np.stack([step**2 / 2, step], axis=-1)[:, None] * acceleration
            mean = move @ mean
            covariance = move @ covariance @ move.swapaxes(-1, -2)
            covariance = covariance + gain[..., :, None] * gain[..., None, :]
        store[2][t], store[3][t], transitions[t] = mean, covariance, move
        weight = covariance[..., :, 0] / (covariance[..., 0, 0] + noise**2)[..., None]
        weight = np.where(known[t][..., None], weight, 0)
        surprise = np.nan_to_num(batch.poses[t]) - mean[..., 0, :]
        mean = mean + weight[..., :, None] * surprise[..., None, :]
        covariance = covariance - weight[..., :, None] * covariance[..., None, 0, :]
        store[0][t], store[1][t] = mean, covariance
    return store[0], store[1], store[2], store[3], transitions


def _rauch_tung_striebel(
    mean: NDArray[np.float64],
    covariance: NDArray[np.float64],
    predicted: NDArray[np.float64],
    predicted_covariance: NDArray[np.float64],
    transitions: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Smoothed positions (T, R, J, 2)."""
    smoothed = mean.copy()
    for t in range(len(mean) - 2, -1, -1):
        across = transitions[t + 1] @ covariance[t]  # (F P)^T = P F^T
        gain = np.linalg.solve(predicted_covariance[t + 1], across).swapaxes(-1, -2)
        smoothed[t] = mean[t] + gain @ (smoothed[t + 1] - predicted[t + 1])
    return smoothed[..., 0, :]
