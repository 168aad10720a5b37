"""The moments that differ most, in words."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dance_models.comparison.scores import excess
from dance_models.comparison.shape import floor_of
from dance_models.comparison.smooth import lasting
from dance_models.comparison.words import angle_words, at, late_words
from dance_models.config import ComparisonConfig

Floats = NDArray[np.float64]
MOST_ANGLES = 2  # that are named at a moment


@dataclass(frozen=True)
class Moment:
    """One moment: its times in both videos, what differs there beyond the floor, and in words."""

    time_s: float  # of the reference
    practice_s: float
    degrees: Mapping[str, float]  # practice less reference, worst first
    late_s: float | None  # None when it is within the floor or not known
    told: tuple[str, ...]  # "left knee 18 degrees more bent", "120 ms late"
    severity: float  # excess over the floor; 1 costs all marks

    @property
    def words(self) -> str:
        """What differs and when: "left knee 18 degrees more bent, 120 ms late, at 0:12"."""
        return ", ".join((*self.told, f"at {at(self.time_s)}"))


def worst_moments(
    time_s: Floats,
    practice_s: Floats,
    difference: Mapping[str, Floats],
    late_s: Floats,
    beat_s: float | None,
    config: ComparisonConfig,
) -> tuple[Moment, ...]:
    """Up to ``moments`` moments, worst first, at least ``moment_gap_s`` apart.

    ``difference`` in degrees and ``late_s`` are (G,) over the reference's times; NaN is no
    difference. Differences within the floor are no reason for a moment and are not named. Nor are
    those that last less than half of ``moment_s``: a fault of the estimator mostly lasts as long,
    and a teacher does not correct what nobody sees.
    """
    steps = 2 * round(config.moment_s / config.grid_s / 2) + 1
    difference = {name: lasting(values, steps) for name, values in difference.items()}
    late_s = lasting(late_s, steps)
    beyond = {n: excess(d, floor_of(n, config.floor)) for n, d in difference.items()}
    parts = [values / config.full_marks_lost for values in beyond.values()]
    parts.append(excess(late_s, config.timing_floor_s) / config.late_marks_lost_s)
    severity = np.nan_to_num(np.stack(parts)).max(axis=0)
    severity[~np.isfinite(practice_s)] = 0.0
    found: list[Moment] = []
    while len(found) < config.moments and severity.max(initial=0.0) > 0:
        worst = int(severity.argmax())
        here = {n: float(difference[n][worst]) for n, v in beyond.items() if v[worst] > 0}
        degrees = dict(sorted(here.items(), key=lambda item: -beyond[item[0]][worst]))
        late = float(late_s[worst])
        known_late = late if abs(late) > config.timing_floor_s else None
        words = [angle_words(n, d) for n, d in list(degrees.items())[:MOST_ANGLES]]
        words += [late_words(known_late, beat_s)] if known_late is not None else []
        found.append(
            Moment(
                float(time_s[worst]),
                float(practice_s[worst]),
                degrees,
                known_late,
                tuple(words),
                float(severity[worst]),
            )
        )
        severity[np.abs(time_s - time_s[worst]) < config.moment_gap_s] = 0.0
    return tuple(found)
