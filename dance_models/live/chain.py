"""From frames that come one by one to refined poses and forecasts, in bounded memory."""

from collections import deque
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.analysis.video import GAP_S, Networks, as_run
from dance_models.config import JointDefinition
from dance_models.data.forecast_windows import GRID_S, OBSERVED, fill_missing, resample
from dance_models.data.refiner_runs import joined, prepared_runs
from dance_models.errors import InputError
from dance_models.estimators.protocol import PoseEstimate, PoseEstimator, stacked
from dance_models.inference.definitions import repaired
from dance_models.inference.forecast import forecast
from dance_models.inference.refine import refine_last
from dance_models.metrics.horizon import FORECAST_HZ
from dance_models.metrics.torso import torso_scale

HISTORY: Final = 150  # frames that are held: 5 s at 30 frames/s; a forecast needs 1.04 s
CURVE_S: Final = np.concatenate([[0.0], GRID_S[OBSERVED:]])  # (11,) 0, 40, ..., 400 ms


@dataclass(frozen=True, eq=False)
class ForecastError:
    """How far a forecast was from what was then observed, % of the torso, mean over the joints."""

    delay_s: float  # how far ahead it was made
    forecast: float
    standing_still: float  # the pose of the same moment, kept


@dataclass(frozen=True, eq=False)
class LivePose:
    """What one frame gave. Pixels of the frame."""

    time_s: float
    pose: NDArray[np.float32] | None  # (J, 2) refined; None when nobody is seen
    score: NDArray[np.float32] | None  # (J,) of the estimator, 0..1
    curve: NDArray[np.float32] | None  # (11, J, 2) now and every 40 ms after; None before 1.04 s
    error: ForecastError | None  # of the forecast of this moment
    stages_ms: dict[str, float]  # estimate, refine, forecast


def at_delay(curve: NDArray[np.float32], delay_s: float) -> NDArray[np.float32]:
    """The pose (J, 2) of a forecast curve (11, J, 2) ``delay_s`` after its frame.

    Linear between the curve's poses, 40 ms apart; the first and the last beyond its ends.
    """
    place = float(np.clip(delay_s * FORECAST_HZ, 0, len(curve) - 1))
    low = min(int(place), len(curve) - 2)
    return np.asarray(curve[low] + (place - low) * (curve[low + 1] - curve[low]), np.float32)


@dataclass(frozen=True, eq=False)
class _Held:
    time_s: float
    found: PoseEstimate | None
    raw: NDArray[np.float32]  # (J, 2) refined, joints as annotators define them
    refined: NDArray[np.float32]  # (J, 2) in the definition that is wanted
    curve: NDArray[np.float32] | None


class LiveChain:
    """Estimates, refines and forecasts the poses of frames in the order of their times.

    A frame's refined pose is that of :func:`refine_runs` with the same causal network on the frames
    since the person came into the picture, for the first :data:`HISTORY` of them. After that the
    scale, the exchanged sides and the joints' definition follow from the last :data:`HISTORY`
    frames. After half a second without anybody, or frames of another size, it begins anew.

    Raises ValueError for a refiner that is not causal.
    """

    def __init__(
        self, estimator: PoseEstimator, networks: Networks, joints: JointDefinition = "estimator"
    ) -> None:
        if not networks.refiner.config.causal:
            raise ValueError("live poses are refined by a causal network")
        self._estimator, self._networks, self._joints = estimator, networks, joints
        self._held: deque[_Held] = deque(maxlen=HISTORY)
        self._size = (0, 0)
        self._number = 0
        self._last_seen_s = -np.inf
        self.restart()

    def restart(self) -> None:
        """Forget every frame: another camera, or another person."""
        self._estimator.start_run()
        self._forget()

    def _forget(self) -> None:
        self._held.clear()

    def __len__(self) -> int:
        """Frames that are held, at most :data:`HISTORY`."""
        return len(self._held)

    def see(self, image: NDArray[np.uint8], time_s: float, delay_s: float = 0.0) -> LivePose:
        """The pose in an RGB image (H, W, 3) that was captured at ``time_s``, of any clock.

        ``delay_s`` is how far ahead the error of the forecast is wanted. A time that is more than
        half a second before the last frame's begins anew: that one, or the clock, was wrong. Raises
        InputError for another time that is not after the last frame's.
        """
        size = (image.shape[1], image.shape[0])
        if size != self._size:
            self._size = size
            self.restart()
        if self._held and time_s <= self._held[-1].time_s:
            if self._held[-1].time_s - time_s <= GAP_S:
                raise InputError("this frame is not later than the one before it")
            self.restart()
        began = perf_counter()
        found = self._estimator.estimate(image, self._number)
        self._number += 1
        estimated = perf_counter()
        if self._held and time_s - self._last_seen_s > GAP_S:
            self._forget()
        if found is None:
            return self._nobody(time_s, 1000 * (estimated - began))
        self._last_seen_s = time_s
        raw, refined = self._refined(found, time_s)
        refining = perf_counter()
        curve = self._curve(refined, time_s)
        stages = {
            "estimate": 1000 * (estimated - began),
            "refine": 1000 * (refining - estimated),
            "forecast": 1000 * (perf_counter() - refining),
        }
        error = self._error(refined, time_s, delay_s)
        self._held.append(_Held(time_s, found, raw, refined, curve))
        return LivePose(time_s, refined, found.score, curve, error, stages)

    def _nobody(self, time_s: float, estimate_ms: float) -> LivePose:
        """A frame with nobody in it; between frames of a person the network holds the last pose."""
        if self._held:
            raw, refined = self._refined(None, time_s)
            self._held.append(_Held(time_s, None, raw, refined, None))
        return LivePose(time_s, None, None, None, None, {"estimate": estimate_ms})

    def _refined(
        self, found: PoseEstimate | None, time_s: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The pose (J, 2) of the frame that comes next, as annotators define it and as wanted."""
        model, held = self._networks.refiner, self._held
        times = np.array([*(h.time_s for h in held), time_s])
        found_all = stacked([*(h.found for h in held), found])
        run = as_run("live", self._size, times - times[0], found_all)
        parts = prepared_runs(run, model.config, model.skeleton)
        (raw,) = refine_last(model, [parts[(len(run) - 1) % len(parts)]])
        if self._joints == "annotation":
            return raw, raw
        seen = joined([part.estimate for part in parts])
        poses = np.stack([*(h.raw for h in held), raw])
        return raw, repaired(seen, poses, causal=True, skeleton=model.skeleton)[-1]

    def _curve(self, refined: NDArray[np.float32], time_s: float) -> NDArray[np.float32] | None:
        """The pose now and the ten that follow, once a whole second was observed."""
        times = np.array([*(h.time_s for h in self._held), time_s]) - time_s
        if len(times) < 2 or times[0] > GRID_S[0]:
            return None
        poses = np.stack([*(h.refined for h in self._held), refined])
        observed = fill_missing(resample(times, poses, GRID_S[:OBSERVED]))
        if not np.isfinite(observed).all():
            return None
        (future,) = forecast(self._networks.forecaster, observed[None])
        return np.concatenate([refined[None], future]).astype(np.float32)

    def _error(
        self, refined: NDArray[np.float32], time_s: float, delay_s: float
    ) -> ForecastError | None:
        """Of the forecast that was made nearest to ``delay_s`` ago, for this moment."""
        made = [(abs(time_s - h.time_s - delay_s), h) for h in self._held if h.curve is not None]
        if delay_s <= 0 or not made:
            return None
        _, then = min(made, key=lambda pair: pair[0])
        ahead = time_s - then.time_s
        assert then.curve is not None
        if ahead > CURVE_S[-1]:
            return None
        # The median of what is held: the torso of somebody who bends to the camera looks short.
        unit = torso_scale(np.stack([*(h.refined for h in self._held), refined])) / 100
        forecast_px, still_px = (
            float(np.linalg.norm(pose - refined, axis=-1).mean())
            for pose in (at_delay(then.curve, ahead), then.refined)
        )
        return ForecastError(ahead, forecast_px / unit, still_px / unit)
