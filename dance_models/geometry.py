"""Centres, boxes and reflections of 14-joint poses in image coordinates (pixels, y down)."""

import numpy as np
from numpy.typing import NDArray

from dance_models.skeleton import HIPS, MIRROR

FloatArray = NDArray[np.floating]


def pelvis(keypoints: FloatArray) -> FloatArray:
    """Mid-hip, shape (..., 14, 2) -> (..., 2); NaN where a hip is missing."""
    return np.asarray((keypoints[..., HIPS[0], :] + keypoints[..., HIPS[1], :]) / 2)


def person_box(keypoints: FloatArray) -> FloatArray:
    """Bounding box (x0, y0, x1, y1) of the finite joints, shape (..., 14, 2) -> (..., 4)."""
    finite = np.where(np.isfinite(keypoints), keypoints, np.inf)
    low = finite.min(axis=-2)
    high = np.where(np.isfinite(keypoints), keypoints, -np.inf).max(axis=-2)
    box = np.concatenate([low, high], axis=-1)
    return np.where(np.isfinite(box), box, np.nan)


def mirror_keypoints(keypoints: FloatArray, width: int) -> FloatArray:
    """Reflect about the vertical axis of an image ``width`` pixels wide and swap left and right.

    Twice is the identity. Pixel centres are integers, so x becomes ``width - 1 - x``.
    """
    mirrored = keypoints[..., MIRROR, :].copy()
    mirrored[..., 0] = width - 1 - mirrored[..., 0]
    return mirrored
