"""Whether the forecast is good enough on this very video to be shown.

It is compared with what costs nothing: standing still, damped velocity, and linear autoregression.
The last two are fitted to this very video, which is an advantage for them. The truth is the
refined pose at that time. This needs no annotation: it shows how well the motion of this dancer is
forecast, and not whether the refined poses are right.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.analysis.video import VideoPoses
from dance_models.data.forecast_windows import FUTURE, ForecastWindows, resample
from dance_models.evaluation.forecasts import (
    fit_autoregression,
    fit_damped_velocity,
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

    Forecasts whose time lies after the end of their stretch have no truth and do not count.
    """
    windows = ForecastWindows(
        poses.observed, _truth(poses), np.zeros(len(poses.anchor), np.int64), poses.anchor
    )
    known = np.isfinite(at_horizons(windows.future)).all(axis=-1).any(axis=-1)  # (N, 4)
    counts = dict(zip(HORIZONS_MS, known.sum(axis=0).tolist(), strict=True))
    rows = {
        FORECAST: poses.forecast,
        "zero_velocity": zero_velocity(poses.observed),
        "damped_velocity": fit_damped_velocity(windows)(poses.observed),
        "ar": fit_autoregression(windows)(poses.observed),
    }
    torso = median_torso(poses.refined)
    truth = at_horizons(windows.future)
    errors = {name: _means(row, truth, torso) for name, row in rows.items()}
    return ForecastCheck(errors, counts)


def _truth(poses: VideoPoses) -> NDArray[np.float32]:
    """(N, 10, J, 2) refined poses at the times of each forecast; NaN after its stretch."""
    run = poses.run
    truth = np.full_like(poses.forecast, np.nan)
    ahead_s = np.arange(1, FUTURE + 1) / FORECAST_HZ
    for start, stop in poses.stretches:
        inside = (poses.anchor >= start) & (poses.anchor < stop)
        at = run.time_s[poses.anchor[inside]][:, None] + ahead_s
        truth[inside] = resample(run.time_s[start:stop], poses.refined[start:stop], at)
    return truth


def _means(row: NDArray[np.float32], truth: NDArray[np.floating], torso: float) -> dict[int, float]:
    distance = joint_distance(at_horizons(row), truth, np.float32)  # (N, 4, J)
    known = np.isfinite(distance)
    total = np.where(known, distance, 0).sum(axis=(0, 2))
    count = known.sum(axis=(0, 2))
    return {
        ms: float(100 * value / n / torso)
        for ms, value, n in zip(HORIZONS_MS, total, count, strict=True)
        if n
    }
