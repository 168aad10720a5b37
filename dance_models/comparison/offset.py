"""By how much the practice video is shifted against the reference as a whole."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from dance_models.comparison.correlate import common_by_shift, correlation_by_shift, peak
from dance_models.comparison.features import Features
from dance_models.config import ComparisonConfig

Floats = NDArray[np.float64]
FASTEST: Final = 4.0  # bone lengths/s: what seems faster counts no more


@dataclass(frozen=True)
class Offset:
    """What is at t in the reference is at t + ``seconds`` in the practice."""

    seconds: float
    correlation: float
    source: Literal["sound", "poses"]


def offset_from_poses(
    reference: Features, practice: Features, config: ComparisonConfig
) -> Offset | None:
    """The shift at which the velocities of the bones correlate best.

    None without a shift at which both dancers are seen for long enough: of a few frames that both
    show, some always are alike.
    """
    moves = [_signal(found) for found in (reference, practice)]
    shorter = min(len(found) for found in moves)
    overlap = max(config.least_overlap_s / config.grid_s, config.least_share * shorter)
    values, shifts = correlation_by_shift(moves[0], moves[1], round(overlap))
    common = common_by_shift(reference.seen, practice.seen, shifts)
    enough = common * config.grid_s >= config.least_overlap_s
    if not enough.any():
        return None
    shift, value = peak(np.where(enough, values, -1.0), shifts)
    start = practice.time_s[0] - reference.time_s[0]
    return Offset(float(shift * config.grid_s + start), value, "poses")


def _signal(found: Features) -> Floats:
    """(G, 2 B) velocities, 0 where unknown; an outlier counts no more than a fast movement."""
    known = np.nan_to_num(found.velocity.reshape(len(found.time_s), -1))
    return np.clip(known, -FASTEST, FASTEST)
