"""Prediction metrics **at** the horizon, never averaged up to it; pure functions with masks."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.skeleton import DANCE_14, Skeleton

Array = NDArray[np.floating]

FORECAST_HZ: Final = 25.0  # forecast frames a second
HORIZONS_MS: Final = (80, 160, 320, 400)
HORIZON_STEPS: Final = tuple(round(ms * FORECAST_HZ / 1000) for ms in HORIZONS_MS)  # 2, 4, 8, 10

SPEED_CLASSES: Final = ("slow", "medium", "fast")


def at_horizons(forecast: Array) -> Array:
    """The forecast frames at 80, 160, 320 and 400 ms, (N, 10, J, D) -> (N, 4, J, D)."""
    return forecast[:, [step - 1 for step in HORIZON_STEPS]]


def joint_distance(
    forecast: Array, truth: Array, precision: type[np.floating[Any]] = np.float64
) -> NDArray[np.floating[Any]]:
    """Euclidean distance in pixels, (..., J, D) -> (..., J), computed in ``precision``.

    NaN where truth is missing.
    """
    return np.asarray(np.linalg.norm(forecast.astype(precision) - truth, axis=-1))


def weighted_joint_error(forecast: Array, truth: Array, weights: Array) -> NDArray[np.float64]:
    """Weighted sum of the joint distances, (..., J, D) with weights (J,) -> (...).

    Weights that add up to 1 give a mean. NaN where a joint's truth is missing.
    """
    return np.asarray(joint_distance(forecast, truth) @ weights)


def coordinate_error(forecast: Array, truth: Array) -> NDArray[np.float64]:
    """Mean absolute error of the coordinates in pixels, (..., J, D) -> (..., J)."""
    return np.asarray(np.abs(forecast.astype(np.float64) - truth).mean(axis=-1))


def bone_angles(poses: Array, *, skeleton: Skeleton = DANCE_14) -> NDArray[np.float64]:
    """Orientation of the bones (parent to child) in (-pi, pi], (..., J, 2) -> (..., bones).

    The bones are the skeleton's edges, in their order. NaN where a joint is missing.
    """
    parent, child = np.array(skeleton.edges).T
    bone = poses[..., child, :].astype(np.float64) - poses[..., parent, :]
    return np.asarray(np.arctan2(bone[..., 1], bone[..., 0]))


def wrap(angle: Array) -> NDArray[np.float64]:
    """Angle wrapped to (-pi, pi]."""
    return np.asarray(np.pi - np.mod(np.pi - angle, 2 * np.pi))


def bone_angle_error(
    forecast: Array, truth: Array, *, skeleton: Skeleton = DANCE_14
) -> NDArray[np.float64]:
    """L2 norm over the wrapped bone orientation errors of a pose, radians, (..., J, 2) -> (...).

    ``sqrt(sum_b wrap(theta_b - theta*_b)^2)`` over all bones. Bones without truth are left out and
    the norm is scaled up to all bones, so that poses are comparable; NaN where no bone is known.
    """
    error = wrap(bone_angles(forecast, skeleton=skeleton) - bone_angles(truth, skeleton=skeleton))
    known = np.isfinite(error)
    count = known.sum(axis=-1)
    total = np.where(known, error, 0.0) ** 2
    mean = total.sum(axis=-1) / np.maximum(count, 1)
    return np.where(count > 0, np.sqrt(mean * len(skeleton.edges)), np.nan)


def mean_speed(future: Array, torso: Array) -> NDArray[np.float64]:
    """Mean true joint speed over the future of each window, (N, 10, J, D) -> (N,).

    In torsos per second; ``torso`` is (N,) pixels. NaN where no joint is known in two consecutive
    frames.
    """
    step = np.linalg.norm(np.diff(future.astype(np.float64), axis=1), axis=-1)
    known = np.isfinite(step)
    total = np.where(known, step, 0).sum(axis=(1, 2)) / np.maximum(known.sum(axis=(1, 2)), 1)
    return np.where(known.any(axis=(1, 2)), total * FORECAST_HZ / torso, np.nan)


def speed_class(speed: Array) -> NDArray[np.int64]:
    """Tercile of each window, 0 slow, 1 medium, 2 fast, (N,); -1 where the speed is unknown.

    All windows are ranked and cut into three parts as equal as possible; ties by position.
    """
    classes = np.full(len(speed), -1, np.int64)
    known = np.flatnonzero(np.isfinite(speed))
    order = known[np.argsort(speed[known], kind="stable")]
    classes[order] = np.arange(len(order)) * len(SPEED_CLASSES) // max(len(order), 1)
    return classes


def skill(error: Array, zero_velocity_error: Array) -> NDArray[np.float64]:
    """1 - error / zero-velocity error: 0 is standing still, 1 is perfect, any shape.

    NaN where the zero-velocity error is 0.
    """
    safe = np.where(zero_velocity_error > 0, zero_velocity_error, np.nan)
    return np.asarray(1 - error / safe)
