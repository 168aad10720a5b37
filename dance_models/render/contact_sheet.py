"""Several frames in one small picture, for previews."""

import math
from collections.abc import Sequence
from typing import Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.render.overlay import draw_skeleton
from dance_models.skeleton import DANCE_14, Skeleton

# A page of the web UI shows several of them.
MAX_BYTES: Final = 50_000
_GAP: Final = 4  # pixels between the pictures
_BACKGROUND: Final = 24  # grey level
_QUALITIES: Final = (88, 80, 70, 60, 50)  # of the JPEG, tried in this order
_T = TypeVar("_T")
_SHRINK: Final = 0.85  # of the width, when no quality is small enough


def contact_sheet(
    images: Sequence[NDArray[np.uint8]],
    keypoints: Sequence[NDArray[np.floating] | None] | None = None,
    scores: Sequence[NDArray[np.number] | None] | None = None,
    *,
    labels: Sequence[str] | None = None,
    columns: int = 4,
    width: int = 960,
    threshold: float = 0.3,
    max_bytes: int = MAX_BYTES,
    skeleton: Skeleton = DANCE_14,
    font: float = 0.42,
) -> bytes:
    """JPEG of RGB images in rows of ``columns``, with skeletons where ``keypoints`` are given.

    ``keypoints`` are (J, 2) in pixels of their image, None without a person; ``scores`` (J,) hide
    joints below ``threshold``. ``labels`` are written into the pictures, in OpenCV's scale ``font``
    (1 has capitals of 21 pixels). The sheet is ``width`` pixels wide, or less to stay within
    ``max_bytes``: quality is reduced first, then size. Raises ValueError when there are no images,
    the lengths differ, or no size fits.
    """
    if not images:
        raise ValueError("a contact sheet needs at least one image")
    count = len(images)
    poses = _as_many(keypoints, count, "keypoints")
    confidences = _as_many(scores, count, "scores")
    captions = _as_many(labels, count, "labels")
    columns = min(columns, count)
    while width >= 8 * columns:
        cell = (width - _GAP * (columns + 1)) // columns
        cells = [
            _cell(image, pose, confidence, (caption, font), cell, threshold, skeleton)
            for image, pose, confidence, caption in zip(
                images, poses, confidences, captions, strict=True
            )
        ]
        encoded = _encode(_arrange(cells, columns), max_bytes)
        if encoded is not None:
            return encoded
        width = int(width * _SHRINK)
    raise ValueError(f"{count} images do not fit into {max_bytes} bytes")


def _as_many(values: Sequence[_T | None] | None, count: int, what: str) -> Sequence[_T | None]:
    if values is None:
        return [None] * count
    if len(values) != count:
        raise ValueError(f"{len(values)} {what} for {count} images")
    return values


def _cell(
    image: NDArray[np.uint8],
    pose: NDArray[np.floating] | None,
    score: NDArray[np.number] | None,
    caption: tuple[str | None, float],
    width: int,
    threshold: float,
    skeleton: Skeleton,
) -> NDArray[np.uint8]:
    """Scale first, then draw, so that lines stay visible on a large image that is scaled down."""
    scale = width / image.shape[1]
    size = (width, max(1, round(image.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small: NDArray[np.uint8] = cv2.resize(image, size, interpolation=how)
    # Pixel centres are integers: x = 0 is the centre of the first pixel at every scale.
    placed = None if pose is None else (np.asarray(pose) + 0.5) * scale - 0.5
    drawn = draw_skeleton(small, placed, score, threshold, skeleton=skeleton)
    words, font = caption
    return drawn if words is None else _with_caption(drawn, words, font)


def _with_caption(image: NDArray[np.uint8], caption: str, font: float) -> NDArray[np.uint8]:
    """White with a black shadow in the lower left corner."""
    x, y = 5, image.shape[0] - 6
    # The shadow is the same thin text, shifted: thicker text would also be wider.
    for dx, dy, grey in ((1, 1, 0), (-1, 1, 0), (1, -1, 0), (-1, -1, 0), (0, 0, 255)):
        at, colour = (x + dx, y + dy), (grey, grey, grey)
        thick = max(1, round(2 * font))
        cv2.putText(image, caption, at, cv2.FONT_HERSHEY_SIMPLEX, font, colour, thick, cv2.LINE_AA)
    return image


def _arrange(cells: Sequence[NDArray[np.uint8]], columns: int) -> NDArray[np.uint8]:
    """Rows of cells; images of other heights are centred in the tallest one's cell."""
    height, width = max(c.shape[0] for c in cells), cells[0].shape[1]
    rows = math.ceil(len(cells) / columns)
    sheet = np.full(
        (rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3),
        _BACKGROUND,
        dtype=np.uint8,
    )
    for i, cell in enumerate(cells):
        row, column = divmod(i, columns)
        y = _GAP + row * (height + _GAP) + (height - cell.shape[0]) // 2
        x = _GAP + column * (width + _GAP)
        sheet[y : y + cell.shape[0], x : x + width] = cell
    return sheet


def _encode(sheet: NDArray[np.uint8], max_bytes: int) -> bytes | None:
    """The first quality that is small enough, or None."""
    bgr = cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)
    for quality in _QUALITIES:
        done, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if done and encoded.size <= max_bytes:
            return bytes(encoded.tobytes())
    return None
