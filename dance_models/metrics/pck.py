"""Recognition metrics of one run as pure functions with masks: PCK, mean error, jerkiness, lag.

Conventions (one place, used by training, by every row of the report and by the ablations):

* A joint with visibility 0 is masked; 1 (occluded) and 2 (visible) count.
* A missing joint of the estimate counts as wrong in PCK and is left out of mean errors.
* The estimated person is matched to the annotated one by box overlap. A prediction whose box does
  not meet the annotated box lies on another person: all its joints count as missing.
* Frames whose normaliser is unknown (NaN) are not counted.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.geometry import person_box

THRESHOLDS: Final = (0.05, 0.1, 0.2)  # of the reports
SELECTION_THRESHOLDS: Final = (0.05, 0.1)  # of what epochs and recipes are chosen by
MAX_LAG: Final = 10  # frames either way

Array = NDArray[np.floating]


def box_side(annotation: Array) -> Array:
    """Longer side in pixels of the annotated person box of each frame, (T, J, D) -> (T,).

    NaN where the box has no extent (no joint or a single one).
    """
    low, high = np.split(person_box(annotation), 2, axis=-1)
    side = (high - low).max(axis=-1)
    return np.where(side > 0, side, np.nan)


def same_person(estimate: Array, annotation: Array) -> NDArray[np.bool_]:
    """(T,) whether the boxes of the finite joints of both meet, if only in a line or a point."""
    axes = annotation.shape[-1]
    a, b = person_box(estimate), person_box(annotation)
    low = np.maximum(a[..., :axes], b[..., :axes])
    high = np.minimum(a[..., axes:], b[..., axes:])
    return np.asarray((low <= high).all(axis=-1))  # comparisons with NaN are false


def joint_errors(
    estimate: Array, annotation: Array, precision: type[np.floating[Any]] = np.float64
) -> NDArray[np.floating[Any]]:
    """Distance in pixels, (T, J, D) twice -> (T, J), computed in ``precision``.

    NaN where the annotation is missing (masked), infinite where the annotated joint was not
    found, so that no threshold accepts it.
    """
    found = np.isfinite(estimate).all(axis=-1) & same_person(estimate, annotation)[..., None]
    with np.errstate(invalid="ignore"):
        distance = np.linalg.norm(estimate.astype(precision) - annotation, axis=-1)
    errors = np.where(found, distance, np.inf)
    return np.where(np.isfinite(annotation).all(axis=-1), errors, np.nan)


def pck_hits(
    errors: Array, normaliser: Array | float, threshold: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which joints are correct and which are counted, (T, J) -> twice (T, J).

    Correct: error <= threshold x normaliser. The normaliser is a scalar or one a frame, in the
    unit of the errors; a joint counts where it is annotated and its normaliser is known.
    """
    unit = np.broadcast_to(np.asarray(normaliser, np.float64), errors.shape[:1])[:, None]
    counted = ~np.isnan(errors) & np.isfinite(unit)
    with np.errstate(invalid="ignore"):
        # In the precision of the errors, so that 0.05 means the same number on both sides.
        limit = (threshold * unit).astype(errors.dtype)
        return counted & (errors <= limit), counted


def pck_sums(
    errors: Array, normaliser: Array | float, threshold: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Correct and counted frames of each joint, (T, J) -> twice (J,); see :func:`pck_hits`.

    PCK is their ratio, after the sums of all runs were added.
    """
    hits, counted = pck_hits(errors, normaliser, threshold)
    return hits.sum(axis=0).astype(np.float64), counted.sum(axis=0).astype(np.float64)


def acceleration_errors(estimate: Array, annotation: Array) -> NDArray[np.float64]:
    """Length of the difference of second differences, pixels per frame squared, -> (T - 2, J).

    NaN where one of the three frames is missing in either. The frames must be consecutive.
    """
    if len(estimate) < 3:
        return np.full((0, estimate.shape[1]), np.nan)
    difference = np.diff(estimate.astype(np.float64) - annotation, n=2, axis=0)
    return np.asarray(np.linalg.norm(difference, axis=-1))


def lag_sums(estimate: Array, annotation: Array) -> NDArray[np.float64]:
    """Sums for the cross-correlation of velocities, (3, 2 MAX_LAG + 1).

    Rows: sum of products, of squared estimated and of squared annotated velocities, over the
    frames and joints known in both, for the estimate shifted by -MAX_LAG .. MAX_LAG frames. Sums
    of several runs may be added.
    """
    seen = np.diff(estimate.astype(np.float64), axis=0)
    truth = np.diff(annotation.astype(np.float64), axis=0)
    sums = np.zeros((3, 2 * MAX_LAG + 1))
    for i, shift in enumerate(range(-MAX_LAG, MAX_LAG + 1)):
        if abs(shift) >= len(truth):
            continue
        a = seen[max(shift, 0) : len(seen) + min(shift, 0)]
        b = truth[max(-shift, 0) : len(truth) - max(shift, 0)]
        known = np.isfinite(a) & np.isfinite(b)
        a, b = np.where(known, a, 0), np.where(known, b, 0)
        sums[:, i] = (a * b).sum(), (a * a).sum(), (b * b).sum()
    return sums


def lag_frames(sums: Array) -> NDArray[np.float64]:
    """Peak of the normalised cross-correlation in frames, (..., 3, 2 MAX_LAG + 1) -> (...).

    Positive when the estimate trails the truth. A parabola through the peak and its neighbours
    gives fractions of a frame. NaN without motion.
    """
    power = np.sqrt(sums[..., 1, :] * sums[..., 2, :])
    correlation = np.where(power > 0, sums[..., 0, :] / np.where(power > 0, power, 1), -np.inf)
    peak = correlation.argmax(axis=-1)
    around = np.clip(peak[..., None] + np.array([-1, 0, 1]), 0, correlation.shape[-1] - 1)
    left, top, right = np.moveaxis(np.take_along_axis(correlation, around, axis=-1), -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        offset = 0.5 * (left - right) / (left - 2 * top + right)
    at_edge = (peak == 0) | (peak == correlation.shape[-1] - 1)
    offset = np.where(np.isfinite(offset) & ~at_edge, np.clip(offset, -0.5, 0.5), 0)
    return np.where((power > 0).any(axis=-1), peak - MAX_LAG + offset, np.nan)
