"""Boxes x0, y0, x1, y1 of people: how much two overlap, how far they are apart."""

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.floating]


def overlap(one: Boxes, other: Boxes) -> NDArray[np.float64]:
    """Intersection over union of boxes (N, 4) and (M, 4): (N, M)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=-1)
    union = area(one)[:, None] + area(other)[None] - shared
    return np.asarray(shared / np.maximum(union, 1e-9))


def area(boxes: Boxes) -> NDArray[np.float64]:
    """(..., 4) -> (...) square pixels."""
    return np.asarray(np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1))


def centre(boxes: Boxes) -> NDArray[np.float64]:
    """(..., 4) -> (..., 2)."""
    return np.asarray((boxes[..., :2] + boxes[..., 2:]) / 2)


def longest(boxes: Boxes) -> NDArray[np.float64]:
    """The longest side, (..., 4) -> (...) pixels."""
    return np.asarray((boxes[..., 2:] - boxes[..., :2]).max(axis=-1))
