"""Where a dancer goes beyond a range: the reference's, or what the dancer usually does.

Statements about ranges of angles in a picture, each with its limit. They say nothing about health.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dance_models.comparison.scores import LEAST_SEEN_S
from dance_models.comparison.shape import floor_of
from dance_models.comparison.words import at
from dance_models.config import ComparisonConfig

Floats = NDArray[np.float64]


def range_hints(
    time_s: Floats,
    reference: Mapping[str, Floats],
    practice: Mapping[str, Floats],
    config: ComparisonConfig,
) -> tuple[str, ...]:
    """Sentences about angles (G,) in degrees, along the path, that go beyond a range.

    A range leaves out ``range_share`` of the times at either end; beyond it means by more than the
    floor and ``range_margin``.
    """
    found = []
    for name, degrees in practice.items():
        limit = config.range_margin + floor_of(name, config.floor)
        known = np.isfinite(degrees) & np.isfinite(reference[name])
        if known.sum() * float(time_s[1] - time_s[0]) < LEAST_SEEN_S:
            continue
        shares = [config.range_share, 1 - config.range_share]
        own = np.quantile(degrees[known], shares)
        theirs = np.quantile(reference[name][known], shares)
        for end, sign, extreme in ((0, -1, np.nanargmin), (1, 1, np.nanargmax)):
            shown = name.replace("_", " ")
            way = "down" if sign < 0 else "up"
            if sign * (own[end] - theirs[end]) > limit:
                found.append(
                    f"{shown} angle goes {way} to {own[end]:.0f} degrees, in the reference to "
                    f"{theirs[end]:.0f} (named from {limit:.0f} degrees beyond it)"
                )
            furthest = int(extreme(np.where(known, degrees, np.nan)))
            if sign * (degrees[furthest] - own[end]) > limit:
                found.append(
                    f"{shown} angle goes {way} to {degrees[furthest]:.0f} degrees at "
                    f"{at(float(time_s[furthest]))}, usually no further than to {own[end]:.0f} "
                    f"(named from {limit:.0f} degrees beyond it)"
                )
    return tuple(found)
