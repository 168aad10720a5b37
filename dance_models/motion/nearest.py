"""Nearest windows of motion, with chunked matrix products in numpy."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dance_models.motion.windows import MotionWindows

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Nearest:
    """For each of N windows, the nearest of the others."""

    distance: Array  # (N,) torso lengths
    window: NDArray[np.int64]  # (N,)
    mirrored: NDArray[np.bool_]  # (N,)


def nearest_windows(ours: MotionWindows, theirs: MotionWindows, chunk: int) -> Nearest:
    """Compare every window of ``theirs`` with all of ``ours``, straight and mirrored.

    The distance is the root mean square over the joints known in both, infinite where these are
    fewer than half. ``chunk`` windows are compared with as many at a time.
    """
    square = np.full(len(theirs), np.inf, np.float32)
    window = np.zeros(len(theirs), np.int64)
    mirrored = np.zeros(len(theirs), np.bool_)
    for flip in (False, True):
        reference = _left(ours.mirrored() if flip else ours)
        for rows in _chunks(len(theirs), chunk):
            sample = _right(theirs, rows)
            for columns in _chunks(len(ours), chunk):
                found = _mean_square(tuple(part[columns] for part in reference), sample)
                best = found.argmin(axis=0)
                least = found[best, np.arange(found.shape[1])]
                nearer = least < square[rows]
                square[rows] = np.where(nearer, least, square[rows])
                window[rows] = np.where(nearer, best + columns.start, window[rows])
                mirrored[rows] = np.where(nearer, flip, mirrored[rows])
    return Nearest(np.sqrt(np.maximum(square, 0)), window, mirrored)


def _chunks(count: int, chunk: int) -> Iterator[slice]:
    for start in range(0, count, chunk):
        yield slice(start, min(start + chunk, count))


def _left(windows: MotionWindows) -> tuple[Array, Array]:
    """Factors (N, (D + 2) F J) and (N, F J) of the products in :func:`_mean_square`.

    Where both joints are known, |a - b|^2 = |a|^2 1 - 2 a b + 1 |b|^2; where not, all are 0.
    """
    known = _flat(windows.known).astype(np.float32)
    flat = _flat(windows.pose)
    square = _flat((windows.pose**2).sum(axis=-1))
    return np.concatenate([square, -2 * flat, known], axis=1), known


def _right(windows: MotionWindows, rows: slice) -> tuple[Array, Array]:
    known = _flat(windows.known[rows]).astype(np.float32)
    pose = windows.pose[rows]
    square = _flat((pose**2).sum(axis=-1))
    return np.concatenate([known, _flat(pose), square], axis=1), known


def _mean_square(left: tuple[Array, ...], right: tuple[Array, Array]) -> Array:
    """(N, M) mean squared distance of joints known in both; infinite if fewer than half are."""
    shared = left[1] @ right[1].T
    total = left[0] @ right[0].T
    enough = shared >= left[1].shape[1] / 2
    return np.asarray(np.where(enough, total / np.maximum(shared, 1), np.inf), np.float32)


def _flat(values: NDArray[Any]) -> NDArray[Any]:
    """(N, ...) -> (N, the rest), also when N is 0."""
    return values.reshape(len(values), int(np.prod(values.shape[1:])))
