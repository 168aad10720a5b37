"""How well two signals agree at each shift in time."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def correlation_by_shift(
    reference: Floats, practice: Floats, least_overlap: int
) -> tuple[Floats, NDArray[np.int64]]:
    """Normalised correlation of (N, F) and (M, F) signals at each shift; 0 counts as unknown.

    The value at shift s is sum(r[i] p[i + s]) / sqrt(sum(r[i]^2) sum(p[i + s]^2)) over the samples
    that overlap, between -1 and 1. Returns values (S,) and shifts (S,) with at least
    ``least_overlap`` samples in common, empty when there is none.
    """
    n, m = len(reference), len(practice)
    shifts = np.arange(-(n - 1), m)
    both = np.minimum(n, m - shifts) - np.maximum(0, -shifts)
    mask_r, mask_p = (np.ones((count, 1)) for count in (n, m))
    power_r = _crossed((reference**2).sum(axis=1, keepdims=True), mask_p)
    power_p = _crossed(mask_r, (practice**2).sum(axis=1, keepdims=True))
    enough = both >= least_overlap
    # Rounding leaves powers a little below zero where there is nothing.
    floor = 1e-9 * max(float(power_r.max(initial=0)), 1e-30)
    scale = np.sqrt(np.maximum(power_r, floor) * np.maximum(power_p, floor))
    return (_crossed(reference, practice) / scale)[enough], shifts[enough]


def common_by_shift(
    reference: NDArray[np.bool_], practice: NDArray[np.bool_], shifts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How many samples i of (N,) and i + s of (M,) are both true at each shift s, (S,)."""
    a, b = (mask[:, None].astype(np.float64) for mask in (reference, practice))
    return np.rint(_crossed(a, b)).astype(np.int64)[shifts + len(reference) - 1]


def _crossed(a: Floats, b: Floats) -> Floats:
    """sum(a[i] b[i + s]) of (N, F) and (M, F) at the shifts s from -(N - 1) to M - 1."""
    size = 1 << int(len(a) + len(b) - 1).bit_length()
    product = np.conj(np.fft.rfft(a, size, axis=0)) * np.fft.rfft(b, size, axis=0)
    whole = np.fft.irfft(product.sum(axis=1), size)
    return np.concatenate([whole[size - (len(a) - 1) :], whole[: len(b)]])


def peak(values: Floats, shifts: NDArray[np.int64]) -> tuple[float, float]:
    """The shift of the highest value, between samples by a parabola, and that value."""
    at = int(values.argmax())
    shift = float(shifts[at])
    if 0 < at < len(values) - 1:
        before, here, after = values[at - 1 : at + 2]
        bend = before - 2 * here + after
        shift += 0.5 * (before - after) / bend if bend < 0 else 0.0
    return shift, float(values[at])
