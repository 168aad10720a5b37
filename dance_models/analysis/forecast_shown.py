"""Whether the forecast is good enough on this very video to be shown.

It is compared with what costs nothing: standing still, damped velocity, and linear autoregression.
The last two are fitted to this very video, which is an advantage for them. The truth is the
refined pose at that time. This needs no annotation: it shows how well the motion of this dancer is
forecast, and not whether the refined poses are right.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.analysis.video import VideoPoses
from dance_models.data.forecast_windows import FUTURE, ForecastWindows, resample
from dance_models.evaluation.forecasts import (
    AutoregressionFit,
    DampedVelocityFit,
    Forecaster,
    zero_velocity,
)
from dance_models.metrics.horizon import FORECAST_HZ, HORIZONS_MS, at_horizons, joint_distance
from dance_models.metrics.torso import median_torso

FORECAST: Final = "forecast"
NAMED: Final = {  # the rows in words
    FORECAST: "the forecast",
    "zero_velocity": "standing still",
    "damped_velocity": "damped velocity",
    "ar": "linear autoregression",
}
FEWEST: Final = 10  # forecasts with a truth; with fewer nothing is claimed
_AT_ONCE: Final = 2000  # forecasts: three minutes of them


@dataclass(frozen=True)
class ForecastCheck:
    """Mean error at each horizon in % of the torso, by row; ``windows`` by horizon."""

    errors: Mapping[str, Mapping[int, float]]
    windows: Mapping[int, int]

    def is_shown(self, horizon_ms: int) -> bool:
        """Whether the forecast at this horizon has a smaller error than every other row."""
        if self.windows.get(horizon_ms, 0) < FEWEST:
            return False
        own = self.errors[FORECAST][horizon_ms]
        return all(own < row[horizon_ms] for name, row in self.errors.items() if name != FORECAST)

    def sentence(self, horizon_ms: int) -> str:
        """In words, with the figures, whether it is drawn."""
        if self.windows.get(horizon_ms, 0) < FEWEST:
            return (
                f"The forecast for {horizon_ms} ms is not drawn: only "
                f"{self.windows.get(horizon_ms, 0)} forecasts could be checked on this video."
            )
        own, others = self.errors[FORECAST][horizon_ms], self.errors.items()
        least, best = min((row[horizon_ms], name) for name, row in others if name != FORECAST)
        drawn = "is drawn" if self.is_shown(horizon_ms) else "is not drawn"
        return (
            f"The forecast for {horizon_ms} ms {drawn}: on this video it is off by {own:.1f} % of "
            f"the torso on average, and the best simple rule ({NAMED[best]}) by {least:.1f} %."
        )


def check_forecasts(poses: VideoPoses) -> ForecastCheck:
    """The errors of the forecasts and of the simple rules on one video.

    Forecasts whose time lies after the end of their stretch have no truth and do not count, nor
    do joints that are missing in the forecast. Nothing counts where the torso is never seen.
    """
    rules = _rules(poses)
    counts = np.zeros(len(HORIZONS_MS), np.int64)
    sums = {name: _Sum() for name in (FORECAST, *rules)}
    for chosen, windows in _windows(poses):
        given = at_horizons(poses.forecast[chosen])
        truth = np.where(np.isfinite(given), at_horizons(windows.future), np.float32(np.nan))
        counts += np.isfinite(truth).all(axis=-1).any(axis=-1).sum(axis=0)
        sums[FORECAST].add(poses.forecast[chosen], truth)
        for name, rule in rules.items():
            sums[name].add(rule(windows.observed), truth)
    torso = median_torso(poses.refined)
    if not np.isfinite(torso):
        return ForecastCheck({name: {} for name in sums}, dict.fromkeys(HORIZONS_MS, 0))
    errors = {name: row.means(torso) for name, row in sums.items()}
    return ForecastCheck(errors, dict(zip(HORIZONS_MS, counts.tolist(), strict=True)))


def _rules(poses: VideoPoses) -> dict[str, Forecaster]:
    """The simple rules, fitted to the video."""
    damped, regression = DampedVelocityFit(), AutoregressionFit()
    for _, windows in _windows(poses):
        damped.add(windows)
        regression.add(windows)
    return {
        "zero_velocity": zero_velocity,
        "damped_velocity": damped.fitted(),
        "ar": regression.fitted(),
    }


def _windows(poses: VideoPoses) -> Iterator[tuple[slice, ForecastWindows]]:
    """Which forecasts, and what each is made from and checked with: some at a time.

    All of half an hour, with what is computed from them, took 200 MB.
    """
    for first in range(0, len(poses.anchor), _AT_ONCE):
        chosen = slice(first, first + _AT_ONCE)
        anchor = poses.anchor[chosen]
        yield (
            chosen,
            ForecastWindows(
                poses.observed(chosen), _truth(poses, anchor), np.zeros_like(anchor), anchor
            ),
        )


def _truth(poses: VideoPoses, anchor: NDArray[np.int64]) -> NDArray[np.float32]:
    """(N, 10, J, 2) refined poses at the times after each anchor; NaN after its stretch."""
    run = poses.run
    truth = np.full((len(anchor), FUTURE, *poses.refined.shape[1:]), np.nan, np.float32)
    ahead_s = np.arange(1, FUTURE + 1) / FORECAST_HZ
    for start, stop in poses.stretches:
        inside = (anchor >= start) & (anchor < stop)
        if inside.any():
            at = run.time_s[anchor[inside]][:, None] + ahead_s
            truth[inside] = resample(run.time_s[start:stop], poses.refined[start:stop], at)
    return truth


class _Sum:
    """Distances of forecasts from the truth at each horizon, and how many there were."""

    def __init__(self) -> None:
        self._total = np.zeros(len(HORIZONS_MS))
        self._count = np.zeros(len(HORIZONS_MS), np.int64)

    def add(self, row: NDArray[np.float32], truth: NDArray[np.floating]) -> None:
        """Forecasts (N, 10, J, 2) and the truth at the horizons (N, 4, J, 2)."""
        distance = joint_distance(at_horizons(row), truth, np.float32)  # (N, 4, J)
        known = np.isfinite(distance)
        self._total += np.where(known, distance, 0).sum(axis=(0, 2))
        self._count += known.sum(axis=(0, 2))

    def means(self, torso: float) -> dict[int, float]:
        """In % of the torso, by horizon in ms; without those that nothing is known of."""
        return {
            ms: float(100 * value / n / torso)
            for ms, value, n in zip(HORIZONS_MS, self._total, self._count, strict=True)
            if n
        }
