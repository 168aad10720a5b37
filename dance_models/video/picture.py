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
    if frame.format.name == "bgra":  # as of a GIF, whose decoder holds two whole pictures already
        plane = frame.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        pixels = rows[: frame.height, : 4 * frame.width].reshape(frame.height, frame.width, 4)
        return _mixed(pixels[..., 2::-1], pixels[..., 3:])
    return on_white(np.asarray(frame.to_ndarray(format="rgba")))


def on_white(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Three channels (H, W, 3) of four, the last being opacity, on a white ground."""
    return _mixed(image[..., :3], image[..., 3:])


def _mixed(colour: NDArray[np.uint8], opacity: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours (H, W, 3) of an opacity (H, W, 1) on white."""
    height, width = colour.shape[:2]
    mixed = np.empty((height, width, 3), np.uint8)
    # In bands: products of a whole picture at the limit of pixels would take a gigabyte.
    rows = max(1, BAND // max(width, 1))
    for top in range(0, height, rows):
        band = slice(top, top + rows)
        share = opacity[band].astype(np.uint16)
        mixed[band] = (colour[band] * share + 255 * (255 - share) + 127) // 255
    return mixed
