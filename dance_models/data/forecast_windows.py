"""Prediction windows on an exact 25 Hz grid: 27 observed frames, 10 future ones.

Tracks are **linearly interpolated** at the grid's times from the frames' true time stamps:
taking the nearest frame of a 30 fps clip would add steps of 33 and 67 ms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from dance_models.data.pose_runs import PoseRun

FORECAST_HZ: Final = 25.0
OBSERVED: Final = 27  # 1.08 s, the receptive field of dilations 1, 3, 9
FUTURE: Final = 10
HORIZONS_MS: Final = (80, 160, 320, 400)
HORIZON_STEPS: Final = tuple(round(ms * FORECAST_HZ / 1000) for ms in HORIZONS_MS)  # 2, 4, 8, 10

PoseInput = Literal["annotated", "refined", "raw"]


@dataclass(frozen=True, eq=False)
class ForecastWindows:
    """N windows. Pixels; NaN where a joint is missing (never in ``observed``)."""

    observed: NDArray[np.float32]  # (N, 27, 14, 2) what a network may see
    future: NDArray[np.float32]  # (N, 10, 14, 2) annotated truth
    run: NDArray[np.int64]  # (N,) index into the runs the windows were cut from
    start_s: NDArray[np.float64]  # (N,) time of the first observed frame

    def __len__(self) -> int:
        return len(self.observed)


def resample(
    time_s: NDArray[np.float64], values: NDArray[np.floating], at_s: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Linear interpolation of (T, ...) ``values`` at times ``at_s``; NaN next to NaN or outside."""
    right = np.clip(np.searchsorted(time_s, at_s, side="left"), 1, len(time_s) - 1)
    left = right - 1
    weight = (at_s - time_s[left]) / (time_s[right] - time_s[left])
    weight = weight.reshape(-1, *([1] * (values.ndim - 1)))
    # Exactly on a frame the other neighbour must not matter, not even when it is NaN.
    low = np.where(weight == 1, 0, values[left] * (1 - weight))
    high = np.where(weight == 0, 0, values[right] * weight)
    mixed = (low + high).astype(np.float32)
    mixed[(at_s < time_s[0] - 1e-9) | (at_s > time_s[-1] + 1e-9)] = np.nan
    return mixed


def fill_missing(poses: NDArray[np.floating]) -> NDArray[np.floating]:
    """Fill NaN joints of (T, 14, 2) from the past (then from the first value seen).

    Only earlier frames are looked at once one was seen, so that a fill never carries the future
    into an observed window cut after it. Joints never seen stay NaN.
    """
    filled = poses.copy()
    for joint in range(filled.shape[1]):
        seen = np.isfinite(filled[:, joint]).all(axis=-1)
        if not seen.any():
            continue
        last = np.maximum.accumulate(np.where(seen, np.arange(len(seen)), -1))
        source = np.where(last < 0, np.argmax(seen), last)
        filled[:, joint] = filled[source, joint]
    return filled


def cut_windows(
    runs: Sequence[PoseRun],
    poses: Sequence[NDArray[np.floating]],
    *,
    stride: int = 1,
) -> ForecastWindows:
    """Cut windows from every run; ``poses[i]`` (T, 14, 2) is what is observed of ``runs[i]``.

    The truth always comes from the annotation. A window lies inside one run; it is kept when
    every observed joint is known (after filling gaps **inside** the window from the past) and at
    least one joint is annotated in every future frame. ``stride`` counts 25 Hz steps.
    """
    length = OBSERVED + FUTURE
    observed, future, index, starts = [], [], [], []
    for i, (run, pose) in enumerate(zip(runs, poses, strict=True)):
        steps = int(np.floor((run.time_s[-1] - run.time_s[0]) * FORECAST_HZ + 1e-6)) + 1
        if len(run) < 2 or steps < length:
            continue
        grid = run.time_s[0] + np.arange(steps) / FORECAST_HZ
        grid = np.minimum(grid, run.time_s[-1])
        seen = resample(run.time_s, pose, grid)
        truth = resample(
            run.time_s, np.where(run.visibility[..., None] > 0, run.annotation, np.nan), grid
        )
        for start in range(0, steps - length + 1, stride):
            past = fill_missing(seen[start : start + OBSERVED])
            ahead = truth[start + OBSERVED : start + length]
            if np.isnan(past).any() or not np.isfinite(ahead).all(-1).any(-1).all():
                continue
            observed.append(past)
            future.append(ahead)
            index.append(i)
            starts.append(grid[start])
    if not observed:
        shape = (0, OBSERVED, 14, 2)
        return ForecastWindows(
            np.zeros(shape, np.float32),
            np.zeros((0, FUTURE, 14, 2), np.float32),
            np.zeros(0, np.int64),
            np.zeros(0, np.float64),
        )
    return ForecastWindows(
        np.stack(observed).astype(np.float32),
        np.stack(future).astype(np.float32),
        np.array(index, np.int64),
        np.array(starts, np.float64),
    )
