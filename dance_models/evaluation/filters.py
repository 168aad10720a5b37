"""Trivial recognition rows: smoothing filters with real time stamps and gaps.

Every filter maps pose runs to one (T, J, 2) array a run, in pixels. Parameters are in seconds
and torsos, so that they mean the same at any frame rate and size. They are tuned on validation.
Missing joints are left out of every mean. A filter that uses past and future frames fills a gap
that its support spans; a causal one leaves the gap.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dance_models.data.exchanged_sides import undo_exchanges
from dance_models.data.kinematics import keypoint_kinematics
from dance_models.data.pose_runs import PoseRun
from dance_models.evaluation.recursive_filters import kalman, one_euro
from dance_models.metrics.pck import THRESHOLDS, joint_errors, pck_sums
from dance_models.metrics.torso import torso_by_clip, visible_annotation
from dance_models.skeleton import DANCE_14

Poses = list[NDArray[np.float32]]
PoseFilter = Callable[..., Poses]


def raw(runs: Sequence[PoseRun]) -> Poses:
    """The estimate, unchanged."""
    return [run.estimate.copy() for run in runs]


def sides(runs: Sequence[PoseRun]) -> Poses:
    """The estimate with exchanged sides restored: what the networks refine."""
    return [undo_exchanges(run)[0].estimate.copy() for run in runs]


def flow(runs: Sequence[PoseRun]) -> Poses:
    """Keypoint flow (paper, Eq 5) alone: the mean over the frame before, this one and the next."""
    flows = [keypoint_kinematics(run.estimate, run.time_s).flow for run in runs]
    return [np.asarray(f, np.float32) for f in flows]


def gaussian(runs: Sequence[PoseRun], *, sigma_s: float) -> Poses:
    """Gaussian kernel in time, cut at three ``sigma_s`` seconds, normalised over known joints."""
    smoothed = []
    for run in runs:
        around, offset_s = _neighbourhood(run, 3 * sigma_s)
        weights = np.exp(-0.5 * (offset_s / sigma_s) ** 2)
        smoothed.append(_weighted_mean(run.estimate, around, weights))
    return smoothed


def _neighbourhood(run: PoseRun, reach_s: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Frames within ``reach_s`` of each frame and their time offsets, twice (T, W).

    Offsets outside the run or the reach are infinite. W follows from the frames that are there, not
    from the shortest step: two frames may be a tenth of a millisecond apart.
    """
    time_s, frame = run.time_s, np.arange(len(run))
    first = np.searchsorted(time_s, time_s - reach_s - 1e-6)
    last = np.searchsorted(time_s, time_s + reach_s + 1e-6, side="right") - 1
    half = max(1, int(np.max([frame - first, last - frame], initial=0)))
    index = frame[:, None] + np.arange(-half, half + 1)
    around = np.clip(index, 0, len(run) - 1)
    offset = run.time_s[around] - run.time_s[:, None]
    outside = (index != around) | (np.abs(offset) > reach_s + 1e-6)
    return around, np.where(outside, np.inf, offset)


def _weighted_mean(
    poses: NDArray[np.float32], around: NDArray[np.int64], weights: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Mean of poses[around] (T, W, J, 2) with weights (T, W) over finite joints."""
    values = poses[around].astype(np.float64)
    known = np.isfinite(values).all(axis=-1, keepdims=True)
    weight = np.where(known, weights[..., None, None], 0.0)
    total = weight.sum(axis=1)
    mean = np.where(known, weight * np.where(known, values, 0), 0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, mean / total, np.nan).astype(np.float32)


def savgol(runs: Sequence[PoseRun], *, reach_s: float, order: int) -> Poses:
    """Savitzky-Golay: value at its own time of a polynomial fitted within ``reach_s`` seconds.

    Least squares at the true time stamps over the known joints, so frames need not be evenly spaced
    (Savitzky & Golay 1964). With too few points for the order, the raw joint is kept.
    """
    return [_savgol(run, reach_s, order) for run in runs]


def _savgol(run: PoseRun, reach_s: float, order: int) -> NDArray[np.float32]:
    around, offset_s = _neighbourhood(run, reach_s)
    inside = np.isfinite(offset_s)
    scaled = np.where(inside, offset_s, 0) / reach_s
    powers = scaled[..., None] ** np.arange(order + 1)  # (T, W, P)
    values = run.estimate[around].astype(np.float64)  # (T, W, J, 2)
    known = np.isfinite(values).all(axis=-1) & inside[..., None]  # (T, W, J)
    weight = known.astype(np.float64)
    gram = np.einsum("twj,twp,twq->tjpq", weight, powers, powers)
    moment = np.einsum("twp,twjc->tjpc", powers, np.where(known[..., None], values, 0))
    enough = known.sum(axis=1) > order
    gram[~enough] = np.eye(order + 1)
    fitted = np.linalg.solve(gram, moment)[..., 0, :]
    return np.where(enough[..., None], fitted, run.estimate).astype(np.float32)


@dataclass(frozen=True)
class TunedFilter:
    """A filter with the parameters chosen on validation; call it on runs."""

    name: str
    function: PoseFilter
    parameters: dict[str, float]

    def __call__(self, runs: Sequence[PoseRun]) -> Poses:
        """One (T, J, 2) array a run, pixels."""
        return self.function(runs, **self.parameters)


def _grid(**axes: Sequence[float]) -> list[dict[str, float]]:
    grid: list[dict[str, float]] = [{}]
    for name, values in axes.items():
        grid = [{**point, name: value} for point in grid for value in values]
    return grid


def tune(
    name: str, function: PoseFilter, grid: Sequence[dict[str, float]], validation: Sequence[PoseRun]
) -> TunedFilter:
    """The grid point with the best validation score; the first among equals or without data."""
    if len(grid) == 1 or not validation:
        return TunedFilter(name, function, grid[0])
    scores = [recognition_score(validation, function(validation, **point)) for point in grid]
    return TunedFilter(name, function, grid[int(np.argmax(np.nan_to_num(scores, nan=-1.0)))])


def recognition_score(runs: Sequence[PoseRun], poses: Sequence[NDArray[np.floating]]) -> float:
    """The score that chooses recognition parameters: mean PCK_torso over thresholds and joints.

    NaN when nothing is annotated.
    """
    torso = torso_by_clip(runs)
    totals = np.zeros((2, len(THRESHOLDS), DANCE_14.num_joints))
    for run, pose in zip(runs, poses, strict=True):
        errors = joint_errors(pose, visible_annotation(run))
        for i, threshold in enumerate(THRESHOLDS):
            totals[:, i] += pck_sums(errors, torso[run.clip], threshold)
    counted = totals[1] > 0
    return float((totals[0][counted] / totals[1][counted]).mean()) if counted.any() else np.nan


def tuned_filters(validation: Sequence[PoseRun]) -> list[TunedFilter]:
    """The trivial rows of the recognition table, tuned on the validation runs."""
    return [
        tune(name, function, grid, validation)
        for name, function, grid in (
            ("raw", raw, _grid()),
            ("sides", sides, _grid()),
            ("flow", flow, _grid()),
            ("gaussian", gaussian, _grid(sigma_s=(0.015, 0.025, 0.04, 0.06, 0.1))),
            ("savgol", savgol, _grid(reach_s=(0.1, 0.17, 0.25, 0.35), order=(2, 3))),
            ("one_euro", one_euro, _grid(min_cutoff=(1.0, 3.0, 8.0), beta=(0.5, 2.0, 8.0))),
            ("kalman", kalman, _grid(acceleration=(5.0, 15.0, 50.0, 150.0, 500.0))),
        )
    ]
