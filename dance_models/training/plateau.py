"""Whether a training was long enough for its validation score to level off."""

import math
from collections.abc import Sequence
from typing import Final

LAST_SHARE: Final = 0.2  # of the epochs; all epochs of a training have as many steps
SMALL_GAIN: Final = 0.01  # of the best score before them


def reached_plateau(scores: Sequence[float]) -> bool:
    """Whether the best score improved by at most 1 % in the last fifth of a training.

    ``scores`` are the validation errors of its epochs, lower is better. A training of one epoch
    shows no plateau. A learning rate that falls to zero flattens any curve, so this says that
    further steps at the end would bring little, not that a longer schedule would.
    """
    late = math.ceil(LAST_SHARE * len(scores))
    early = scores[: len(scores) - late]
    if not early:
        return False
    before = min(early)
    return bool(before - min(scores) <= SMALL_GAIN * before)
