"""Drawing a skeleton onto an image."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.skeleton import DANCE_14, Colour, Skeleton

SHIFT: Final = 3  # fractional bits of the coordinates, so that lines lie between pixels
_FAR: Final = 1e6  # pixels; OpenCV's fixed-point coordinates overflow far beyond this
_DOT_COLOUR: Final[Colour] = (255, 255, 255)


def draw_skeleton(
    image: NDArray[np.uint8],
    keypoints: NDArray[np.floating] | None,
    score: NDArray[np.number] | None = None,
    threshold: float = 0.3,
    colour: Colour | None = None,
    skeleton: Skeleton = DANCE_14,
) -> NDArray[np.uint8]:
    """Return a copy of an RGB image (H, W, 3) with the joints and edges drawn on it.

    ``keypoints`` is (J, 2) in pixels of the image, or None when there is no person. ``score`` is
    (J,), an estimator's score or an annotation's visibility; joints below ``threshold`` and joints
    that are NaN are left out, with their edges. ``colour`` (RGB) paints all of it in one colour, in
    thin lines and without dots. Lines grow with the image. Raises ValueError on another shape.
    """
    drawn = image.copy()
    if keypoints is None:
        return drawn
    expected = (skeleton.num_joints, 2)  # of a 3-D skeleton: its projection
    if keypoints.shape != expected:
        raise ValueError(f"keypoints have shape {keypoints.shape}, expected {expected}")
    shown = np.isfinite(keypoints).all(axis=1) & (np.abs(keypoints) < _FAR).all(axis=1)
    if score is not None:
        shown &= np.asarray(score) >= threshold
    thickness = line_thickness(image.shape[0], image.shape[1]) if colour is None else 1
    points = fixed_point(np.where(shown[:, None], keypoints, 0.0))
    for parent, child in skeleton.edges:
        if shown[parent] and shown[child]:
            paint = colour or skeleton.colours[child]
            cv2.line(drawn, points[parent], points[child], paint, thickness, cv2.LINE_AA, SHIFT)
    if colour is not None:
        return drawn
    for joint in np.flatnonzero(shown):
        _dot(drawn, points[joint], thickness, skeleton.colours[joint])
    return drawn


def line_thickness(height: int, width: int) -> int:
    """Pixels: 2 for a 480 x 360 image, in proportion beyond that."""
    return max(1, round(max(height, width) / 240))


def _dot(image: NDArray[np.uint8], centre: tuple[int, int], thickness: int, colour: Colour) -> None:
    """A white dot with a coloured rim."""
    inner = max(1.0, 0.7 * thickness)  # pixels
    for radius, fill in ((inner + max(1.0, 0.5 * thickness), colour), (inner, _DOT_COLOUR)):
        fixed = round(radius * 2**SHIFT)
        cv2.circle(image, centre, fixed, fill, cv2.FILLED, cv2.LINE_AA, SHIFT)


def fixed_point(points: NDArray[np.floating]) -> list[tuple[int, int]]:
    """(N, 2) pixels, all of them numbers, as OpenCV's drawing takes them with ``SHIFT``."""
    fixed = np.rint(np.asarray(points, np.float64) * 2**SHIFT).astype(np.int64)
    return [(x, y) for x, y in fixed.tolist()]
