"""Trivial prediction rows: zero and constant velocity, a Kalman filter, linear regression.

A forecaster maps observed windows (N, 27, J, D) in pixels to forecasts (N, 10, J, D). Like the
networks, the regressions read poses centred on the last observed pelvis and divided by the median
torso of the observed window, and forecast the offset from the last observed pose.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.data.forecast_windows import FUTURE, ForecastWindows
from dance_models.evaluation.recursive_filters import kalman_state
from dance_models.geometry import pelvis
from dance_models.metrics.horizon import FORECAST_HZ, at_horizons, joint_distance
from dance_models.metrics.torso import window_torso
from dance_models.skeleton import DANCE_14, Skeleton

Array = NDArray[np.floating]
Forecaster = Callable[[Array], NDArray[np.float32]]

AR_ORDER: Final = 9
GAMMAS: Final = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
ACCELERATIONS: Final = (5.0, 15.0, 50.0, 150.0, 500.0, 1500.0, 5000.0)  # torsos/s^2
STRENGTHS: Final = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # of the ridge, as a share of the windows


@dataclass(frozen=True, eq=False)
class WindowScale:
    """Origin and unit of each window, from the observed frames alone."""

    centre: NDArray[np.float64]  # (N, D) pelvis of the last observed frame, pixels
    torso: NDArray[np.float64]  # (N,) median torso over the observed frames, pixels, >= 1

    @classmethod
    def of(cls, observed: Array, skeleton: Skeleton = DANCE_14) -> "WindowScale":
        """Scale of windows (N, T, J, D)."""
        poses = np.asarray(observed, np.float64)
        torso = np.asarray(window_torso(poses, skeleton=skeleton), np.float64)
        return cls(np.asarray(pelvis(poses[:, -1], skeleton=skeleton), np.float64), torso)

    def inward(self, poses: Array) -> NDArray[np.float64]:
        """Pixels (N, T, J, D) to torsos from the pelvis."""
        offset = poses - self.centre[:, None, None]
        return np.asarray(offset / self.torso[:, None, None, None])

    def outward(self, poses: NDArray[np.float64]) -> NDArray[np.float32]:
        """Torsos from the pelvis (N, T, J, D) to pixels."""
        pixels = poses * self.torso[:, None, None, None] + self.centre[:, None, None]
        return pixels.astype(np.float32)


def zero_velocity(observed: Array) -> NDArray[np.float32]:
    """The last observed pose, ten times."""
    return np.repeat(observed[:, -1:], FUTURE, axis=1).astype(np.float32)


def constant_velocity(observed: Array) -> NDArray[np.float32]:
    """The last observed step is repeated."""
    return DampedVelocity(1.0)(observed)


@dataclass(frozen=True)
class DampedVelocity:
    """Every step is ``gamma`` times the previous one: p_k = p_0 + v (gamma + ... + gamma^k)."""

    gamma: float

    def __call__(self, observed: Array) -> NDArray[np.float32]:
        """Forecast (N, 10, J, D) pixels."""
        step = observed[:, -1:] - observed[:, -2:-1]
        travelled = np.cumsum(self.gamma ** np.arange(1, FUTURE + 1))
        return (observed[:, -1:] + step * travelled[:, None, None]).astype(np.float32)


def fit_damped_velocity(validation: ForecastWindows) -> DampedVelocity:
    """The damping with the least validation error; the middle of the grid without data."""
    fit = DampedVelocityFit()
    fit.add(validation)
    return fit.fitted()


class DampedVelocityFit:
    """As :func:`fit_damped_velocity`, on windows that are given in parts."""

    def __init__(self) -> None:
        self._windows = 0
        self._total = np.zeros(len(GAMMAS))
        self._known = np.zeros(len(GAMMAS))

    def add(self, validation: ForecastWindows) -> None:
        """More windows."""
        self._windows += len(validation)
        for i, gamma in enumerate(GAMMAS):
            errors = _window_errors(DampedVelocity(gamma), validation)
            self._total[i] += errors.sum()
            self._known[i] += len(errors)

    def fitted(self) -> DampedVelocity:
        """The best on all windows so far."""
        if not self._windows:
            return DampedVelocity(GAMMAS[len(GAMMAS) // 2])
        with np.errstate(invalid="ignore"):
            means = self._total / self._known
        return DampedVelocity(GAMMAS[int(np.argmin(means))])


@dataclass(frozen=True)
class KalmanForecast:
    """Position and velocity of a constant-velocity Kalman filter, the velocity going on damped.

    ``acceleration`` is that of the filter, torsos/s^2 at its measurement noise; ``gamma`` damps
    every step as in :class:`DampedVelocity`.
    """

    acceleration: float
    gamma: float

    def __call__(self, observed: Array) -> NDArray[np.float32]:
        """Forecast (N, 10, J, 2) pixels."""
        step_s = 1 / FORECAST_HZ
        position, velocity = kalman_state(observed.shape[1], step_s, self.acceleration)
        travelled = step_s * np.cumsum(self.gamma ** np.arange(1, FUTURE + 1))
        weights = position + travelled[:, None] * velocity  # (10, 27), each row adds up to one
        forecast = np.einsum("ht,ntjc->nhjc", weights, observed, optimize=True)
        return np.asarray(forecast, np.float32)


def fit_kalman(validation: ForecastWindows) -> KalmanForecast:
    """Acceleration and damping with the least validation error; mid-grid without data."""
    if not len(validation):
        return KalmanForecast(ACCELERATIONS[len(ACCELERATIONS) // 2], GAMMAS[len(GAMMAS) // 2])
    candidates = [KalmanForecast(a, gamma) for a in ACCELERATIONS for gamma in GAMMAS]
    return candidates[int(np.argmin([window_error(c, validation) for c in candidates]))]


def window_error(
    forecaster: Forecaster, windows: ForecastWindows, skeleton: Skeleton = DANCE_14
) -> float:
    """The score that chooses prediction parameters: mean joint error over the four horizons.

    In torsos of the observed window. NaN without windows.
    """
    errors = _window_errors(forecaster, windows, skeleton)
    return float(errors.mean()) if len(errors) else np.nan


def _window_errors(
    forecaster: Forecaster, windows: ForecastWindows, skeleton: Skeleton = DANCE_14
) -> NDArray[np.float64]:
    """(M,) the errors of all joints that are known at one of the four horizons."""
    there, truth = at_horizons(forecaster(windows.observed)), at_horizons(windows.future)
    torso = WindowScale.of(windows.observed, skeleton).torso
    distance = joint_distance(there, truth) / torso[:, None, None]
    return np.asarray(distance[np.isfinite(distance)])


@dataclass(frozen=True, eq=False)
class LinearAutoregression:
    """AR(9) shared by joints and axes: the last nine positions of a coordinate -> its next ten.

    It reads the eight steps between them, so it uses the motion and not the position.
    """

    weights: NDArray[np.float64]  # (8, 10): step (oldest first) -> offset from the last position

    def __call__(self, observed: Array) -> NDArray[np.float32]:
        """Forecast (N, 10, J, D) pixels."""
        last = observed[:, -AR_ORDER:].astype(np.float64)
        offset = np.einsum("ntjc,th->nhjc", np.diff(last, axis=1), self.weights)
        return np.asarray(last[:, -1:] + offset, np.float32)


def fit_autoregression(train: ForecastWindows) -> LinearAutoregression:
    """Least squares over all joints and axes of the training windows, in torsos.

    Every horizon uses the joints annotated at it. Without windows all weights are zero, which
    forecasts zero velocity.
    """
    fit = AutoregressionFit()
    fit.add(train)
    return fit.fitted()


class AutoregressionFit:
    """As :func:`fit_autoregression`, on windows that are given in parts.

    Of the parts before the newest, the triangle of a QR decomposition is kept for each horizon: it
    has the same least squares as all of their rows.
    """

    def __init__(self) -> None:
        self._before = [np.zeros((0, AR_ORDER)) for _ in range(FUTURE)]  # steps, then the offset
        self._steps = np.zeros((0, AR_ORDER - 1))
        self._offsets = np.zeros((0, FUTURE))

    def add(self, train: ForecastWindows) -> None:
        """More windows."""
        if len(self._steps):
            triangles = (np.linalg.qr(self._rows(k), mode="r") for k in range(FUTURE))
            self._before = [np.asarray(triangle) for triangle in triangles]
        scale = WindowScale.of(train.observed)
        past = scale.inward(train.observed[:, -AR_ORDER:])
        self._steps = np.moveaxis(np.diff(past, axis=1), 1, -1).reshape(-1, AR_ORDER - 1)
        offsets = np.moveaxis(scale.inward(train.future) - past[:, -1:], 1, -1)
        self._offsets = offsets.reshape(-1, FUTURE)

    def fitted(self) -> LinearAutoregression:
        """The least squares over all windows so far."""
        weights = np.zeros((AR_ORDER - 1, FUTURE))
        for k in range(FUTURE):
            rows = self._rows(k)
            weights[:, k] = np.linalg.lstsq(rows[:, :-1], rows[:, -1], rcond=None)[0]
        return LinearAutoregression(weights)

    def _rows(self, k: int) -> NDArray[np.float64]:
        known = np.isfinite(self._offsets[:, k])
        newest = np.column_stack([self._steps[known], self._offsets[known, k]])
        return np.concatenate([self._before[k], newest])


@dataclass(frozen=True, eq=False)
class RidgeForecast:
    """One linear map from all observed coordinates to all future offsets from the last pose."""

    weights: NDArray[np.float64]  # (27 * D J + 1, 10 * D J)
    strength: float
    skeleton: Skeleton = DANCE_14

    def __call__(self, observed: Array) -> NDArray[np.float32]:
        """Forecast (N, 10, J, D) pixels."""
        scale = WindowScale.of(observed, self.skeleton)
        past = scale.inward(observed)
        offset = (_design(past) @ self.weights).reshape(len(past), FUTURE, *past.shape[2:])
        return scale.outward(past[:, -1:] + offset)


def _design(past: NDArray[np.float64]) -> NDArray[np.float64]:
    """Last pose, all steps before it and a constant, (N, 27, J, D) -> (N, 27 * D J + 1)."""
    steps, last = _flat(np.diff(past, axis=1)), _flat(past[:, -1])
    return np.concatenate([steps, last, np.ones((len(past), 1))], axis=1)


def _flat(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, ...) -> (N, all the rest), also when N is 0."""
    return values.reshape(len(values), int(np.prod(values.shape[1:])))


def fit_ridge(
    train: ForecastWindows, validation: ForecastWindows, skeleton: Skeleton = DANCE_14
) -> RidgeForecast:
    """Ridge regression on the training windows; strength chosen on validation.

    Joints without annotation are left out of their own regression. Without validation windows the
    strongest ridge is used; without training windows all weights are zero (zero velocity).
    """
    scale = WindowScale.of(train.observed, skeleton)
    past = scale.inward(train.observed)
    x = _design(past)
    y = _flat(scale.inward(train.future) - past[:, -1:])
    candidates = [
        RidgeForecast(w, s, skeleton) for w, s in zip(_ridge(x, y), STRENGTHS, strict=True)
    ]
    if not len(validation):
        return candidates[-1]
    errors = [window_error(c, validation, skeleton) for c in candidates]
    return candidates[int(np.argmin(errors))]


def _ridge(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Weights for every strength; columns of ``y`` known in the same rows share a solution."""
    weights = [np.zeros((x.shape[1], y.shape[1])) for _ in STRENGTHS]
    known = np.isfinite(y)
    patterns, member = np.unique(known, axis=1, return_inverse=True)
    for i, rows in enumerate(patterns.T):
        if not rows.any():
            continue
        columns = np.flatnonzero(member.ravel() == i)
        values, vectors = np.linalg.eigh(x[rows].T @ x[rows])
        moment = vectors.T @ (x[rows].T @ y[np.ix_(rows, columns)])
        for weight, strength in zip(weights, STRENGTHS, strict=True):
            damped = moment / (np.maximum(values, 0) + strength * rows.sum())[:, None]
            weight[:, columns] = vectors @ damped
    return weights


def trivial_forecasters(
    train: ForecastWindows, validation: ForecastWindows
) -> list[tuple[str, Forecaster]]:
    """The trivial rows of the prediction table, fitted and tuned on windows of one input."""
    rows: Sequence[tuple[str, Forecaster]] = (
        ("zero_velocity", zero_velocity),
        ("constant_velocity", constant_velocity),
        ("damped_velocity", fit_damped_velocity(validation)),
        ("kalman", fit_kalman(validation)),
        ("ar", fit_autoregression(train)),
        ("ridge", fit_ridge(train, validation)),
    )
    return list(rows)
