"""Prediction windows on an exact 25 Hz grid: 27 observed frames, 10 future ones.

Each grid is anchored at a real frame, the last one observed, and the tracks are **linearly
interpolated** at the grid's times from the frames' true time stamps. The nearest frames of a
30 fps clip would be 33 and 67 ms apart, and a grid anchored elsewhere would interpolate its last
observed pose from a frame after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.data.pose_runs import PoseRun
from dance_models.data.sampling import PAUSE_S
from dance_models.metrics.horizon import FORECAST_HZ
from dance_models.skeleton import DANCE_14, Skeleton

OBSERVED: Final = 27  # 1.08 s, the receptive field of dilations 1, 3, 9
FUTURE: Final = 10

# Grid times relative to the anchor: 26 steps back to 10 steps ahead.
GRID_S: Final = np.arange(1 - OBSERVED, FUTURE + 1) / FORECAST_HZ
_TOLERANCE_S: Final = 1e-6


@dataclass(frozen=True, eq=False)
class ForecastWindows:
    """N windows. Pixels; NaN where a joint is missing (never in ``observed``)."""

    observed: NDArray[np.float32]  # (N, 27, J, D) input of a network
    future: NDArray[np.float32]  # (N, 10, J, D) annotated truth
    run: NDArray[np.int64]  # (N,) index into the runs the windows were cut from
    anchor: NDArray[np.int64]  # (N,) position in the run of the last observed real frame

    def __len__(self) -> int:
        return len(self.observed)


def resample(
    time_s: NDArray[np.float64], values: NDArray[np.floating], at_s: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Linear interpolation of (T, ...) ``values`` at times ``at_s`` of any shape.

    Returns ``at_s.shape + values.shape[1:]``; NaN next to NaN and outside of the track. A time on
    a frame (within a microsecond) takes that frame alone.
    """
    right = np.clip(np.searchsorted(time_s, at_s - _TOLERANCE_S), 1, len(time_s) - 1)
    left = right - 1
    weight = (at_s - time_s[left]) / (time_s[right] - time_s[left])
    on_left, on_right = np.abs(at_s - time_s[left]), np.abs(at_s - time_s[right])
    weight = np.where(on_left < _TOLERANCE_S, 0.0, np.where(on_right < _TOLERANCE_S, 1.0, weight))
    weight = weight.reshape(*at_s.shape, *([1] * (values.ndim - 1)))
    # The other neighbour has no weight then, even when it is NaN.
    low = np.where(weight == 1, 0, values[left] * (1 - weight))
    high = np.where(weight == 0, 0, values[right] * weight)
    mixed = (low + high).astype(np.float32)
    mixed[(at_s < time_s[0] - _TOLERANCE_S) | (at_s > time_s[-1] + _TOLERANCE_S)] = np.nan
    return mixed


def fill_missing(poses: NDArray[np.floating], *, causal: bool = False) -> NDArray[np.floating]:
    """Fill NaN joints of (..., T, J, D) with the last known value, before the first with that.

    A joint that is never known stays NaN; with ``causal`` also one that is not known yet.
    """
    seen = np.isfinite(poses).all(axis=-1)  # (..., T, J)
    steps = np.arange(poses.shape[-3])[:, None]
    last = np.maximum.accumulate(np.where(seen, steps, -1), axis=-2)
    source = np.where(last < 0, seen.argmax(axis=-2)[..., None, :], last)
    filled = np.take_along_axis(poses, source[..., None], axis=-3)
    return np.where((last < 0)[..., None], np.nan, filled) if causal else np.asarray(filled)


def anchors_of(run: PoseRun, stride: int = 1) -> NDArray[np.int64]:
    """Positions in the run at which a whole window can be anchored, every ``stride`` frames.

    No two frames that a window lies between are farther apart than ``PAUSE_S``: what is
    interpolated there is no motion, and as truth it favours standing still.
    """
    time_s, position = run.time_s, np.arange(0, len(run), stride)
    first, last = time_s[position] + GRID_S[0], time_s[position] + GRID_S[-1]
    fits = (first >= time_s[0] - _TOLERANCE_S) & (last <= time_s[-1] + _TOLERANCE_S)
    position, first, last = position[fits], first[fits], last[fits]
    gaps = np.concatenate([[0], np.cumsum(np.diff(time_s) > PAUSE_S + _TOLERANCE_S)])
    before = np.searchsorted(time_s, first + _TOLERANCE_S, side="right") - 1
    after = np.minimum(np.searchsorted(time_s, last - _TOLERANCE_S), len(time_s) - 1)
    return np.asarray(position[gaps[after] == gaps[before]])


def cut_windows(
    runs: Sequence[PoseRun],
    poses: Sequence[NDArray[np.floating]],
    *,
    stride: int = 1,
    skeleton: Skeleton = DANCE_14,
) -> ForecastWindows:
    """Cut windows from every run; ``poses[i]`` (T, J, D) are the observed poses of ``runs[i]``.

    The truth always comes from the annotation. A window lies inside one run, and not across half a
    second without a frame. It is kept when every observed joint is known, gaps inside the window
    being filled from its past, and at least one joint is annotated in every future frame.
    ``stride`` counts frames.
    """
    parts = [
        _cut(run, pose, index, stride)
        for index, (run, pose) in enumerate(zip(runs, poses, strict=True))
        if len(run) > 1
    ]
    pose_shape = (skeleton.num_joints, skeleton.dimensions)
    empty = ForecastWindows(
        np.zeros((0, OBSERVED, *pose_shape), np.float32),
        np.zeros((0, FUTURE, *pose_shape), np.float32),
        np.zeros(0, np.int64),
        np.zeros(0, np.int64),
    )
    parts.append(empty)
    return ForecastWindows(
        np.concatenate([p.observed for p in parts]),
        np.concatenate([p.future for p in parts]),
        np.concatenate([p.run for p in parts]),
        np.concatenate([p.anchor for p in parts]),
    )


def _cut(run: PoseRun, pose: NDArray[np.floating], index: int, stride: int) -> ForecastWindows:
    anchor = anchors_of(run, stride)
    grid = run.time_s[anchor][:, None] + GRID_S  # (n, 37)
    observed = fill_missing(resample(run.time_s, pose, grid[:, :OBSERVED])).astype(np.float32)
    annotated = np.where(run.visibility[..., None] > 0, run.annotation, np.nan)
    future = resample(run.time_s, annotated, grid[:, OBSERVED:])
    known = np.isfinite(observed).all(axis=(1, 2, 3))
    annotated_future = np.isfinite(future).all(axis=-1).any(axis=-1).all(axis=-1)
    keep = known & annotated_future
    return ForecastWindows(
        observed[keep], future[keep], np.full(keep.sum(), index, np.int64), anchor[keep]
    )
