"""Whether a paired difference is zero: a randomisation test over takes, and Holm's correction.

If neither of two methods is better, exchanging them in a take is as likely as not to have given
the data. That exchange flips the sign of what the take adds to the difference. The p-value is the
share of all sign patterns whose sum is at least as far from zero as the observed one. Unlike an
interval it needs no large number of takes, but with k takes it cannot be below 2 / 2^k.

Fisher, R. A. (1935). The Design of Experiments, section 21.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

SIGNIFICANT: Final = 0.05
EXACT_TAKES: Final = 16  # up to so many takes all 2^k patterns are enumerated
DRAWN_PATTERNS: Final = 10_000  # with more takes
_ROUNDING: Final = 1e-9  # relative; sums that are equal may differ by as much

Array = NDArray[np.float64]


def sign_flip_p(parts: Array, seed: int = 0) -> Array:
    """Two-sided p-value that the sum over takes is zero: (K, ...) -> (...).

    ``parts`` is what each take adds to the difference. A take that adds 0 changes nothing, whatever
    its sign. NaN for fewer than two takes and where a part is NaN.
    """
    takes, flat = len(parts), parts.reshape(len(parts), -1)
    if takes < 2:
        return np.full(parts.shape[1:], np.nan)
    observed = np.abs(flat.sum(axis=0))
    least = observed - _ROUNDING * np.abs(flat).sum(axis=0)
    patterns = _patterns(takes, seed)
    as_far = (np.abs(patterns @ flat) >= least).sum(axis=0)
    drawn = int(takes > EXACT_TAKES)  # then the observed pattern is counted as well
    p = (as_far + drawn) / (len(patterns) + drawn)
    return np.where(np.isnan(observed), np.nan, p).reshape(parts.shape[1:])


def _patterns(takes: int, seed: int) -> Array:
    """Signs (patterns, takes). The exact ones leave out the negatives, whose sums are as far."""
    if takes > EXACT_TAKES:
        drawn = np.random.default_rng(seed).integers(0, 2, (DRAWN_PATTERNS, takes))
        return np.where(drawn, -1.0, 1.0)
    codes = np.arange(2 ** (takes - 1))[:, None]
    return np.where((codes >> np.arange(takes)) & 1, -1.0, 1.0)


def smallest_p(takes: NDArray[np.int64] | int) -> Array:
    """The smallest p-value that so many takes can give; NaN for fewer than two."""
    counted = np.asarray(takes)
    exact = 2.0 ** (1.0 - np.minimum(counted, EXACT_TAKES))
    floor = np.where(counted <= EXACT_TAKES, exact, 1 / (DRAWN_PATTERNS + 1))
    return np.where(counted >= 2, floor, np.nan)


def holm(p_values: Array) -> Array:
    """Holm's step-down adjusted p-values of one family, shape (N,); NaN stays and is not counted.

    No adjusted value falls when a p-value rises. So the adjusted smallest p-values are the smallest
    that the adjusted ones can be.

    Holm, S. (1979). A simple sequentially rejective multiple test procedure.
    """
    adjusted = np.full(p_values.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p_values[order] * factors))
    return adjusted
