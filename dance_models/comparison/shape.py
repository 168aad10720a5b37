"""Differences of joint angles along the path."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.comparison.features import LONG
from dance_models.comparison.joint_angles import ANGLE_JOINTS, angles
from dance_models.comparison.performance import Performance
from dance_models.comparison.smooth import smoothed
from dance_models.config import ComparisonConfig
from dance_models.data.forecast_windows import resample
from dance_models.skeleton import DANCE_14

Floats = NDArray[np.float64]
SIDES: Final = ("left_", "right_")


def clear_angles(performance: Performance, config: ComparisonConfig) -> dict[str, Floats]:
    """Degrees (T,) of each angle, NaN where the estimator is unsure or a bone points at the camera.

    Unsure is a score under ``least_score`` of one of the joints. A bone whose length in the picture
    is under ``least_bone`` of its 95th percentile is seen end on: a small error of a joint then
    turns it by any angle.
    """
    clear = {}
    for name, degrees in angles(performance.poses, performance.landmarks).items():
        joints = [DANCE_14.index[joint] for joint in ANGLE_JOINTS.get(name, ())]
        known = np.isfinite(degrees)
        for a, b in pairwise(joints):
            known &= _long_enough(performance.poses[:, b] - performance.poses[:, a], config)
        if performance.score is not None and joints:
            known &= (performance.score[:, joints] >= config.least_score).all(axis=1)
        clear[name] = np.where(known, degrees, np.nan)
    return clear


def _long_enough(bone: NDArray[np.floating], config: ComparisonConfig) -> NDArray[np.bool_]:
    length = np.linalg.norm(bone.astype(np.float64), axis=-1)
    known = length[np.isfinite(length)]
    whole = float(np.percentile(known, LONG)) if len(known) else np.nan
    return np.asarray(length >= config.least_bone * whole)


def angles_at(
    performance: Performance, times: Floats, config: ComparisonConfig
) -> dict[str, Floats]:
    """Degrees (G,) of each angle at ``times`` of the performance, smoothed over time."""
    step = float(np.median(np.diff(performance.time_s)))
    return {
        name: resample(
            performance.time_s, smoothed(degrees, config.angle_smoothing_s / step), times
        ).astype(np.float64)
        for name, degrees in clear_angles(performance, config).items()
    }


def floor_of(name: str, floor: Mapping[str, float]) -> float:
    """The floor in degrees of an angle: under its own name, or under that without the side.

    An angle that has none was never measured: the largest floor holds for it.
    """
    for side in SIDES:
        if name not in floor and name.startswith(side):
            name = name.removeprefix(side)
    return floor.get(name, max(floor.values()))
