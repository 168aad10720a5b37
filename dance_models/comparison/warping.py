"""The path: at which time the practice shows what the reference shows.

Dynamic time warping with the band of Sakoe and Chiba (1978) about a known offset and a limit on the
slope, in its asymmetric form: every reference time has exactly one practice time, so that the path
is lateness over time. A free warp would explain lateness, and every hesitation, away.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dance_models.comparison.features import Features
from dance_models.comparison.smooth import smoothed
from dance_models.config import ComparisonConfig
from dance_models.data.forecast_windows import resample

Floats = NDArray[np.float64]


def lag_path(
    reference: Features, practice: Features, offset_s: float, config: ComparisonConfig
) -> Floats:
    """Seconds (G,) by which the practice is late at each reference time, against the offset.

    Between ``-band_s`` and ``band_s``. From one grid time to the next, the practice goes on by
    between ``slowest`` and ``fastest`` of the step.
    """
    lags = np.arange(-config.band_s, config.band_s + 1e-9, config.lag_step_s)
    cost = cost_by_lag(reference, practice, offset_s - config.band_s, len(lags), config)
    steps = _lag_steps(config)
    chosen = cheapest_path(cost, steps, config.change_cost * np.abs(steps) * config.lag_step_s)
    return smoothed(lags[chosen], config.path_smoothing_s / config.grid_s)


def _lag_steps(config: ComparisonConfig) -> NDArray[np.int64]:
    """The changes of lag, in steps of the lag grid, that the limits on the slope allow."""
    unit = config.grid_s / config.lag_step_s
    lowest = int(np.ceil((config.slowest - 1) * unit - 1e-9))
    highest = int(np.floor((config.fastest - 1) * unit + 1e-9))
    return np.arange(lowest, highest + 1)


def cost_by_lag(
    reference: Features,
    practice: Features,
    first_shift_s: float,
    lags: int,
    config: ComparisonConfig,
) -> NDArray[np.float32]:
    """(G, L) mean distance between the bones at reference time t and practice time t + shift.

    The L shifts begin at ``first_shift_s`` and are ``lag_step_s`` apart.

    Squared differences of the vectors, and of the velocities times ``velocity_s``, each capped at
    ``cap`` a bone: one limb that is danced differently does not draw the path away. What cannot be
    seen costs as much as what can on average at that time, 0 where nothing can.
    """
    unit = round(config.grid_s / config.lag_step_s)
    here, count = _stacked(reference, config), len(reference.time_s)
    times = (
        reference.time_s[0]
        + first_shift_s
        + config.lag_step_s * np.arange(unit * (count - 1) + lags)
    )
    there = resample(practice.time_s, _stacked(practice, config), times)
    total = np.zeros((count, lags), np.float32)
    known = np.zeros((count, lags), np.float32)
    for feature in range(here.shape[1]):
        at_lag = sliding_window_view(there[:, feature], lags, axis=0)[::unit]  # (G, 2, L)
        distance = ((at_lag - here[:, feature, :, None]) ** 2).sum(axis=1)
        seen = np.isfinite(distance)
        total += np.where(seen, np.minimum(distance, config.cap), 0)
        known += seen
    return _neutral_where_unknown(total, known)


def _stacked(found: Features, config: ComparisonConfig) -> NDArray[np.float32]:
    """(G, 2 B, 2) vectors about their mean, and velocities.

    Without the mean, a limb that is held differently throughout does not look late.
    """
    known = np.isfinite(found.bones)
    mean = np.where(known, found.bones, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.concatenate(
        [found.bones - mean, found.velocity * config.velocity_s], axis=1, dtype=np.float32
    )


def _neutral_where_unknown(
    total: NDArray[np.float32], count: NDArray[np.float32]
) -> NDArray[np.float32]:
    mean = total / np.maximum(count, 1)
    known = count > 0
    row = np.where(known, mean, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.where(known, mean, row[:, None]).astype(np.float32)


def cheapest_path(
    cost: NDArray[np.floating], steps: NDArray[np.int64], change_cost: Floats
) -> NDArray[np.int64]:
    """The column of each row of ``cost`` (G, L) whose sum is lowest, by dynamic programming.

    From row to row the column changes by one of ``steps`` (K,), at ``change_cost`` (K,).
    """
    rows, columns = cost.shape
    came_by = np.zeros((rows, columns), np.int8)
    best = cost[0].astype(np.float64)
    for row in range(1, rows):
        arriving = np.full((len(steps), columns), np.inf)
        for k, step in enumerate(steps):
            low, high = max(0, step), min(columns, columns + step)
            arriving[k, low:high] = best[low - step : high - step] + change_cost[k]
        came_by[row] = arriving.argmin(axis=0)
        best = arriving[came_by[row], np.arange(columns)] + cost[row]
    path = np.empty(rows, np.int64)
    path[-1] = best.argmin()
    for row in range(rows - 1, 0, -1):
        path[row - 1] = path[row] - steps[came_by[row, path[row]]]
    return path
