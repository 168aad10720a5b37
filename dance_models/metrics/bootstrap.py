"""Cluster bootstrap over clips, paired differences and Holm's correction.

Frames of a clip resemble each other, so clips are resampled. A value pools frames: it is a ratio
of sums over clips, and a resample weights each clip's sums by how often it was drawn.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

LEVEL: Final = 0.95

Array = NDArray[np.float64]


def resample_weights(clips: int, samples: int, seed: int) -> Array:
    """How often each of ``clips`` is drawn in each resample, shape (samples, clips).

    The same arguments give the same draws, which makes differences between methods paired.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, clips, size=(samples, clips)) if clips else np.zeros((samples, 0), int)
    offsets = np.arange(samples)[:, None] * clips
    counts = np.bincount((drawn + offsets).ravel(), minlength=samples * clips)
    return counts.reshape(samples, clips).astype(np.float64)


def pooled_ratio(weights: Array, sums: Array, counts: Array) -> Array:
    """Ratio of weighted sums over clips; (B, C) and twice (C, ...) give (B, ...).

    NaN where nothing counts in the drawn clips.
    """
    flat = (len(sums), -1)
    top = weights @ sums.reshape(flat)
    bottom = weights @ counts.reshape(flat)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(bottom > 0, top / bottom, np.nan)
    return ratio.reshape(len(weights), *sums.shape[1:])


def interval(
    samples: Array, clips: NDArray[np.int64] | int, level: float = LEVEL
) -> tuple[Array, Array]:
    """Percentile interval over the first axis, shape (B, ...) -> two (...).

    NaN where fewer than two ``clips`` (a number, or one for each cell) were counted: one clip does
    not show how clips differ. Resamples in which nothing was counted (NaN) are left out.
    """
    tails = [(1 - level) / 2, (1 + level) / 2]
    flat = samples.reshape(len(samples), -1)
    bounds = np.full((2, flat.shape[1]), np.nan)
    whole = ~np.isnan(flat).any(axis=0)
    bounds[:, whole] = np.quantile(flat[:, whole], tails, axis=0)
    for column in np.flatnonzero(~whole):
        known = flat[~np.isnan(flat[:, column]), column]
        if known.size:
            bounds[:, column] = np.quantile(known, tails)
    low, high = np.where(np.asarray(clips) >= 2, bounds.reshape(2, *samples.shape[1:]), np.nan)
    return low, high


def two_sided_p(differences: Array, clips: NDArray[np.int64] | int) -> Array:
    """Bootstrap p-value that a difference is zero: (B, ...) -> (...).

    Twice the smaller share of resamples on either side of zero, zeros counting for both, with
    one added to numerator and denominator (Davison & Hinkley 1997, section 4.2.3) so that it is
    never 0. NaN for fewer than two clips.
    """
    known = (~np.isnan(differences)).sum(axis=0)
    side = np.minimum((differences <= 0).sum(axis=0), (differences >= 0).sum(axis=0))
    p = np.minimum(1.0, 2 * (side + 1) / (known + 1))
    return np.where((known > 0) & (np.asarray(clips) >= 2), p, np.nan)


def holm(p_values: Array) -> Array:
    """Holm's step-down adjusted p-values of one family, shape (N,); NaN stays and is not counted.

    Holm, S. (1979). A simple sequentially rejective multiple test procedure.
    """
    adjusted = np.full(p_values.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p_values[order] * factors))
    return adjusted
