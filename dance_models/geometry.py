"""Centres, boxes and reflections of poses of J joints in D dimensions.

In 2-D the coordinates are pixels, y down.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.skeleton import DANCE_14, Joints, Skeleton

FloatArray = NDArray[np.floating]

# Degrees that a body's axis can turn in the picture from a frame to the next. A cartwheel or a roll
# is about one turn a second: 24 degrees at 15 frames/s. The rest is for faster ones and for errors
# of the joints.
MOST_TURN: Final = 60.0


def middle(keypoints: FloatArray, joints: Joints) -> FloatArray:
    """Mean of some joints, (..., J, D) -> (..., D); NaN where one of them is missing."""
    total = keypoints[..., joints[0], :]
    for joint in joints[1:]:
        total = total + keypoints[..., joint, :]
    return np.asarray(total / len(joints))


def pelvis(keypoints: FloatArray, *, skeleton: Skeleton = DANCE_14) -> FloatArray:
    """Middle of the hips, shape (..., J, D) -> (..., D); NaN where a hip is missing."""
    return middle(keypoints, skeleton.hips)


def person_box(keypoints: FloatArray) -> FloatArray:
    """Bounding box of the finite joints, shape (..., J, D) -> (..., 2 D).

    The lowest coordinates, then the highest: (x0, y0, x1, y1) in 2-D. NaN without a finite joint.
    """
    finite = np.where(np.isfinite(keypoints), keypoints, np.inf)
    low = finite.min(axis=-2)
    high = np.where(np.isfinite(keypoints), keypoints, -np.inf).max(axis=-2)
    box = np.concatenate([low, high], axis=-1)
    return np.where(np.isfinite(box), box, np.nan)


def mirror_keypoints(
    keypoints: FloatArray, width: int, *, skeleton: Skeleton = DANCE_14
) -> FloatArray:
    """Reflect poses (..., J, D) about the middle of ``width`` and swap left and right.

    ``width`` is that of the image in pixels. Pixel centres are integers, so x becomes
    ``width - 1 - x``. Twice is the identity.
    """
    mirrored = keypoints[..., skeleton.mirror, :].copy()
    axis = skeleton.lateral_axis
    mirrored[..., axis] = width - 1 - mirrored[..., axis]
    return mirrored
