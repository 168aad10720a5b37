"""Bootstrap over takes: resamples, leave-one-out weights and BCa intervals.

Frames of a clip resemble each other, and so do the clips of a take (several cameras, or the two
dancers of a couple). So takes are resampled, and all clips of a take share one weight. A value
pools frames: it is a ratio of sums over clips, and a resample weights each clip's sums by how often
its take was drawn.

``scipy.stats.bootstrap`` has the same interval, but it draws for one statistic at a time. Here one
matrix of resamples serves every cell of every method, which makes differences paired.
"""

import math
from functools import cache
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

LEVEL: Final = 0.95
_ROUNDING: Final = 1e-12  # relative; resamples of a constant differ from it by as much

Array = NDArray[np.float64]


def resample_weights(takes: int, samples: int, seed: int) -> Array:
    """How often each of ``takes`` is drawn in each resample, shape (samples, takes).

    The same arguments give the same draws, which makes differences between methods paired.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, takes, size=(samples, takes)) if takes else np.zeros((samples, 0), int)
    offsets = np.arange(samples)[:, None] * takes
    counts = np.bincount((drawn + offsets).ravel(), minlength=samples * takes)
    return counts.reshape(samples, takes).astype(np.float64)


def leave_one_out_weights(takes: int) -> Array:
    """Weights of the takes with each of them left out once, shape (takes, takes)."""
    return 1 - np.eye(takes)


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


def bca_interval(
    value: Array,
    samples: Array,
    left_out: Array,
    takes: NDArray[np.int64] | int,
    level: float = LEVEL,
) -> tuple[Array, Array]:
    """Bias-corrected and accelerated interval of every cell, twice (...); for few takes expanded.

    ``value`` (...) is that of all takes, ``samples`` (B, ...) those of the resamples, ``left_out``
    (K, ...) those without each take (the jackknife, which gives the acceleration). NaN where fewer
    than two ``takes`` (a number, or one for each cell) were counted: one take does not show how
    takes differ. Resamples in which nothing was counted (NaN) are left out.

    Efron, B. (1987). Better bootstrap confidence intervals. JASA 82, equations 2.3, 6.6 and 6.7.
    The spread of resamples is that of a variance divided by K, not K - 1, and has the tails of a
    normal distribution, not of Student's; :func:`expanded_score` makes up for both.
    """
    shape, cells = value.shape, value.reshape(-1)
    drawn = np.sort(samples.reshape(len(samples), -1), axis=0)  # NaN last
    bias = _bias(cells, drawn)
    skew = _acceleration(left_out.reshape(len(left_out), -1))
    counted = np.maximum(np.broadcast_to(takes, shape).reshape(-1), 2)
    score = np.array([expanded_score(int(k), level) for k in counted])
    ends = []
    for tail in (-score, score):
        moved = bias + tail
        stretch = 1 - skew * moved
        # Beyond this pole the formula would jump to the other end of the resamples.
        at = np.where(stretch > 0, bias + moved / np.where(stretch > 0, stretch, 1), 38 * moved)
        ends.append(_quantile(drawn, _cdf(at)).reshape(shape))
    known = (np.asarray(takes) >= 2) & ~np.isnan(value)
    return np.where(known, ends[0], np.nan), np.where(known, ends[1], np.nan)


@cache
def expanded_score(takes: int, level: float = LEVEL) -> float:
    """Normal score of the upper end of an interval from so many takes (two or more).

    sqrt(K / (K - 1)) times Student's quantile with K - 1 degrees of freedom; 1.96 for many takes.

    Hesterberg, T. (2015). What teachers should know about the bootstrap. The American Statistician
    69, section 4.1 (expanded percentile interval).
    """
    freedom = takes - 1
    low, high = 0.0, math.pi / 2
    for _ in range(60):  # halves the angle's bracket down to rounding
        angle = (low + high) / 2
        low, high = (angle, high) if _student_within(angle, freedom) < level else (low, angle)
    return math.sqrt(takes / freedom) * math.sqrt(freedom) * math.tan(low)


def _student_within(angle: float, freedom: int) -> float:
    """P(|T| < sqrt(freedom) tan(angle)) of Student's T.

    Abramowitz & Stegun (1964), equations 26.7.3 and 26.7.4.
    """
    odd = freedom % 2
    term, total = math.cos(angle) ** odd, 0.0
    for power in range(odd, freedom - 1, 2):
        total += term
        term *= (power + 1) / (power + 2) * math.cos(angle) ** 2
    within = math.sin(angle) * total
    return 2 / math.pi * (angle + within) if odd else within


def _bias(value: Array, drawn: Array) -> Array:
    """z0 of each cell: the normal score of the share of resamples below the value.

    Resamples equal to the value count half. The share stays within half a resample of 0 and 1.
    """
    known = np.maximum((~np.isnan(drawn)).sum(axis=0), 1)
    slack = _ROUNDING * np.maximum(1, np.abs(value))
    share = ((drawn < value - slack).sum(axis=0) + (drawn <= value + slack).sum(axis=0)) / 2 / known
    inside = np.clip(share, 0.5 / known, 1 - 0.5 / known)
    return np.array([NormalDist().inv_cdf(p) for p in inside])


def _acceleration(left_out: Array) -> Array:
    """The skewness of the jackknife values (K, cells) over six; 0 where they do not differ."""
    known = ~np.isnan(left_out)
    mean = np.where(known, left_out, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    apart = np.where(known, mean - left_out, 0)
    spread = (apart**2).sum(axis=0)
    differ = spread > (_ROUNDING * np.maximum(1, np.abs(mean))) ** 2
    skew = (apart**3).sum(axis=0) / 6 / np.where(differ, spread, 1) ** 1.5
    return np.where(differ, skew, 0.0)


def _cdf(scores: Array) -> Array:
    return np.array([NormalDist().cdf(score) for score in scores])


def _quantile(drawn: Array, share: Array) -> Array:
    """A quantile of its own for each column of sorted values (B, cells); NaN at the end."""
    last = np.maximum((~np.isnan(drawn)).sum(axis=0) - 1, 0)
    at = share * last
    low = np.floor(at).astype(np.int64)
    columns = np.arange(drawn.shape[1])
    below, above = drawn[low, columns], drawn[np.minimum(low + 1, last), columns]
    return np.asarray(below + (at - low) * (above - below))
