"""Smoothing over time that neither fills nor spreads what is missing."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

Floats = NDArray[np.float64]


def smoothed(values: NDArray[np.floating], sigma: float) -> Floats:
    """Gaussian mean over the first axis of (T, ...) of what is known; NaN stays NaN.

    ``sigma`` is in steps; 0 changes nothing.
    """
    known = np.isfinite(values)
    if sigma <= 0:
        return np.where(known, values, np.nan)
    reach = max(1, round(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    total, weight = _spread(np.where(known, values, 0.0), kernel), _spread(known, kernel)
    return np.where(known, total / np.maximum(weight, 1e-12), np.nan)


def lasting(values: Floats, steps: int) -> Floats:
    """The median over ``steps`` (odd) about each of (T,), what is missing counted as 0.

    What lasts less than half of the steps is not in it.
    """
    return np.asarray(median_filter(np.nan_to_num(values), steps, mode="nearest"))


def rate_of_change(values: Floats, step_s: float) -> Floats:
    """Central difference over the first axis of (T, ...), a second; NaN next to NaN."""
    change = np.full_like(values, np.nan)
    change[1:-1] = (values[2:] - values[:-2]) / (2 * step_s)
    return change


def _spread(values: NDArray[np.generic], kernel: Floats) -> Floats:
    """The sum of shifted copies, weighted by the kernel."""
    plain, reach, count = np.asarray(values, np.float64), len(kernel) // 2, len(values)
    padded = np.zeros((count + 2 * reach, *plain.shape[1:]))
    padded[reach : reach + count] = plain
    total = np.zeros_like(plain)
    for shift, weight in enumerate(kernel):
        total += weight * padded[shift : shift + count]
    return total
