"""Pixels of a decoded frame."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BAND: Final = 2**20  # pixels that are mixed at once


def has_alpha(frame: Any) -> bool:
    """Whether a PyAV frame says how transparent its pixels are."""
    return any(component.is_alpha for component in frame.format.components)


def rgb_of(frame: Any) -> NDArray[np.uint8]:
    """A PyAV frame as RGB (H, W, 3), as coded; what is transparent lies on white, as on a page."""
    if not (frame.format.is_rgb and has_alpha(frame)):
        return np.asarray(frame.to_ndarray(format="rgb24"))
    return on_white(np.asarray(frame.to_ndarray(format="rgba")))


def on_white(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Three channels (H, W, 3) of four, the last being opacity, on a white ground."""
    height, width = image.shape[:2]
    mixed = np.empty((height, width, 3), np.uint8)
    # In bands: products of a whole picture at the limit of pixels would take a gigabyte.
    rows = max(1, BAND // max(width, 1))
    for top in range(0, height, rows):
        band = image[top : top + rows]
        opacity = band[..., 3:].astype(np.uint16)
        mixed[top : top + rows] = (band[..., :3] * opacity + 255 * (255 - opacity) + 127) // 255
    return mixed
