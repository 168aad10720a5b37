"""Coarse luma signatures of frames, used to check one decoder against another.

A signature is the luma averaged over 24 x 18 cells, from every n-th pixel of every n-th row: a
signature of every frame must cost little beside decoding it. The same frame from another decoder
differs by the rounding of a colour conversion; a frame that is off by one differs wherever
something moved.
"""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.video.picture import rgb_of

CELLS: Final = (24, 18)  # width, height
SIZE: Final = CELLS[0] * CELLS[1]

# Mean absolute difference in grey levels: of the same frame with another colour matrix, and by
# how much a neighbour may fit better before the frame counts as wrong.
TOLERANCE: Final = 12.0
MARGIN: Final = 0.25
NEIGHBOURS: Final = 4
# Of the same frame from the same decoder.
SAME: Final = 2.0

SAMPLES: Final = 4  # least number of pixels per side of a cell that are read

# Luma 16..235 stretched to 0..255.
_TO_FULL_RANGE: Final = np.clip(np.round((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(
    np.uint8
)

Luma = NDArray[np.uint8]


def luma_of_frame(frame: Any) -> Luma:
    """Luma plane of a PyAV frame, without copying it where the format has one. uint8 (H, W)."""
    if frame.format.is_rgb:
        return np.asarray(cv2.cvtColor(rgb_of(frame), cv2.COLOR_RGB2GRAY), np.uint8)
    plane = frame.planes[0]
    planar = frame.format.name.startswith(("yuv4", "yuvj4", "nv12", "gray")) and (
        plane.line_size < 2 * plane.width
    )
    if not planar:
        return np.asarray(frame.to_ndarray(format="gray"))
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    luma = rows[: frame.height, : frame.width]
    return np.asarray(luma)


def is_full_range(frame: Any) -> bool:
    """Whether luma runs over 0..255 rather than 16..235."""
    if frame.format.is_rgb:
        return True
    return "yuvj" in frame.format.name or int(getattr(frame, "color_range", 1) or 1) == 2


def thinned(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Every n-th pixel and row of (H, W, ...), at least ``SAMPLES`` per side of a cell.

    Thinning what is thin already changes nothing.
    """
    across, down = image.shape[1] // CELLS[0], image.shape[0] // CELLS[1]
    step = max(min(across, down) // SAMPLES, 1)
    return np.ascontiguousarray(image[::step, ::step])


def signature(luma: Luma, *, full_range: bool = True) -> NDArray[np.uint8]:
    """Mean of the luma (H, W) in each cell, stretched to 0..255 if need be; (432,) uint8."""
    cells = cv2.resize(thinned(luma), CELLS, interpolation=cv2.INTER_AREA)
    if not full_range:
        cells = _TO_FULL_RANGE[cells]
    return np.asarray(cells.ravel(), np.uint8)


def signature_of_frame(frame: Any) -> NDArray[np.uint8]:
    """Signature of a PyAV frame, as coded."""
    return signature(luma_of_frame(frame), full_range=is_full_range(frame))


def signature_of_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Signature of an RGB image (H, W, 3)."""
    return signature(np.asarray(cv2.cvtColor(thinned(image), cv2.COLOR_RGB2GRAY), np.uint8))


def is_frame(seen: NDArray[np.uint8], signatures: NDArray[np.uint8], index: int) -> bool:
    """Whether ``seen`` (432,) can be frame ``index`` of a clip with ``signatures`` (T, 432).

    It must lie near that frame's signature and no neighbour within four frames may fit better.
    """
    first, stop = max(index - NEIGHBOURS, 0), index + NEIGHBOURS + 1
    nearby = signatures[first:stop].astype(np.int16)
    distance = np.abs(nearby - seen.astype(np.int16)).mean(axis=1)
    own = distance[index - first]
    return bool(own <= TOLERANCE and own <= distance.min() + MARGIN)


def is_same(seen: NDArray[np.uint8], probed: NDArray[np.uint8]) -> bool:
    """Whether two signatures (432,) that were made from the decoder's own luma are of one frame.

    Frames that are counted from the start of the file cannot be mistaken for a neighbour; this
    finds a file that is not the one that was probed.
    """
    difference = np.abs(seen.astype(np.int16) - probed.astype(np.int16)).mean()
    return bool(difference <= SAME)
