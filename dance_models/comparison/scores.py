"""Scores from 0 to 100: how little a practice differs from its reference beyond the floor."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BIN_S = 1.0  # of the scores by moment
LEAST_SEEN_S = 1.0  # an angle that is known for less is not judged


@dataclass(frozen=True, eq=False)
class Scores:
    """100 where nothing is beyond the floor, 0 where everything is by ``lost`` or more."""

    angles: Mapping[str, float | None]  # of each angle; None: seen too seldom
    shape: float | None  # mean over the angles
    timing: float | None
    moment_s: Floats  # (M,) starts of the seconds of the reference
    moment: Floats  # (M,) shape score of each, NaN where nothing is known


def excess(values: Floats, floor: float) -> Floats:
    """How far |values| are beyond the floor, 0 within it; NaN stays NaN."""
    return np.asarray(np.maximum(np.abs(values) - floor, 0.0))


def marks(beyond: Floats, lost: float) -> Floats:
    """Scores of what is ``beyond`` the floor: 100 at 0, falling evenly to 0 at ``lost``."""
    return np.asarray(100 * (1 - np.minimum(beyond / lost, 1.0)))


def scores(
    time_s: Floats,
    angle_excess: Mapping[str, Floats],
    late_excess_s: Floats,
    *,
    lost_degrees: float,
    lost_s: float,
) -> Scores:
    """Scores from excesses (G,) in degrees and seconds at times (G,) of an even grid."""
    least = LEAST_SEEN_S / float(time_s[1] - time_s[0])
    given = {name: marks(values, lost_degrees) for name, values in angle_excess.items()}
    by_angle = {name: _mean(values, least) for name, values in given.items()}
    judged = [value for value in by_angle.values() if value is not None]
    stacked = np.stack(
        [v for n, v in given.items() if by_angle[n] is not None] or [time_s * np.nan]
    )
    second = ((time_s - time_s[0]) // BIN_S).astype(np.int64)
    known = np.isfinite(stacked)
    total = np.bincount(second, np.where(known, stacked, 0).sum(axis=0))
    count = np.bincount(second, known.sum(axis=0))
    return Scores(
        by_angle,
        float(np.mean(judged)) if judged else None,
        _mean(marks(late_excess_s, lost_s), least),
        time_s[0] + BIN_S * np.arange(len(total)),
        np.where(count > 0, total / np.maximum(count, 1), np.nan),
    )


def _mean(values: Floats, least: float) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) >= least else None
