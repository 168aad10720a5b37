"""What somebody wears, as histograms of colour: tells people apart after they have crossed."""

from itertools import pairwise
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.estimators.people.finder import Sighting
from dance_models.skeleton import DANCE_14

Appearance = NDArray[np.float32]  # (2, B): of the torso and of the legs, each sums to 1 or 0

_HEIGHT: Final = 96  # pixels of the cut-out that is looked at
_BINS: Final = (8, 4, 6)  # of hue, saturation, value
_RANGES: Final = (0.0, 180.0, 0.0, 256.0, 0.0, 256.0)
_LEGS: Final = tuple(
    tuple(DANCE_14.names.index(f"{side}_{joint}") for joint in ("hip", "knee", "ankle"))
    for side in ("left", "right")
)
_TORSO: Final = tuple(
    DANCE_14.names.index(name)
    for name in ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
)


def appearance_of(image: NDArray[np.uint8], sighting: Sighting) -> Appearance:
    """Colours of torso and legs in an RGB image; those of the box's middle without keypoints."""
    height, width = image.shape[:2]
    edges = np.clip(np.rint(sighting.box), 0, [width, height, width, height]).astype(int)
    x0, y0, x1, y1 = (int(v) for v in edges)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return np.zeros((2, int(np.prod(_BINS))), np.float32)
    scale = _HEIGHT / (y1 - y0)
    size = (min(max(2, round((x1 - x0) * scale)), 4 * _HEIGHT), _HEIGHT)
    small = cv2.resize(image[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
    factor = np.array(size) / (x1 - x0, y1 - y0)
    points = (sighting.keypoints - np.array([x0, y0])) * factor
    hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
    return np.stack([_histogram(hsv, mask) for mask in _masks(points, (size[1], size[0]))])


def unlike(one: Appearance, other: Appearance) -> float:
    """Hellinger distance of two appearances, mean of torso and legs: 0 for equal, 1 at most.

    A part that one of them lacks says nothing; NaN when both parts do.
    """
    return float(unlikes(one, other[None])[0])


def unlikes(one: Appearance, others: Appearance) -> NDArray[np.float64]:
    """:func:`unlike` of one and each of ``others`` (N, 2, B): (N,)."""
    known = (one.sum(axis=-1) > 0) & (others.sum(axis=-1) > 0)
    shared = np.sqrt(one * others).sum(axis=-1)
    apart = np.where(known, np.sqrt(np.clip(1 - shared, 0, 1)), 0).sum(axis=-1)
    with np.errstate(invalid="ignore"):  # 0 / 0 where neither part is known
        return np.asarray(apart / known.sum(axis=-1).astype(apart.dtype), np.float64)


def _histogram(hsv: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    counted = cv2.calcHist([hsv], [0, 1, 2], mask, list(_BINS), list(_RANGES)).reshape(-1)
    total = float(counted.sum())
    share: NDArray[np.float32] = np.asarray(counted / max(total, 1.0), np.float32)
    return share


def _masks(
    points: NDArray[np.floating], shape: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Where torso and legs are in the cut-out."""
    torso, legs = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    thick = max(2, shape[0] // 16)
    corners = points[list(_TORSO)]
    if np.isfinite(corners).all():
        outline = np.rint(corners).astype(np.int32)
        cv2.fillConvexPoly(torso, cv2.convexHull(outline), 255)
        cv2.polylines(torso, [outline], True, 255, 2)  # one who is seen from the side has a torso
    for leg in _LEGS:
        for one, other in pairwise(leg):
            ends = points[[one, other]]
            if np.isfinite(ends).all():
                a, b = ([int(v) for v in end] for end in np.rint(ends))
                cv2.line(legs, a, b, 255, thick)
    if not torso.any() and not legs.any():
        middle, axes = (shape[1] // 2, shape[0] // 2), (shape[1] // 6, shape[0] // 4)
        cv2.ellipse(torso, middle, axes, 0, 0, 360, 255, -1)
    return torso, legs
