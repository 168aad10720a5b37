"""From heat maps or SimCC vectors to points in the model's input, and crops to feed it."""

import cv2
import numpy as np
from numpy.typing import NDArray

Points = tuple[NDArray[np.float64], NDArray[np.float64]]


def decode_heatmaps(maps: NDArray[np.floating], width: int, height: int) -> Points:
    """Heat maps (J, h, w) to points (J, 2) in input pixels and their peaks (J,).

    The peak cell, moved a quarter of a cell towards the larger neighbour in x and in y (Newell
    et al. 2016, arXiv:1603.06937; no DARK), times the stride. Peaks that are not positive, or not
    numbers, are missing: NaN with score 0.
    """
    joints, rows, columns = maps.shape
    peak = maps.reshape(joints, -1).argmax(axis=1)
    y, x = np.divmod(peak, columns)
    score = maps.reshape(joints, -1)[np.arange(joints), peak].astype(np.float64)
    points = np.stack([x, y], axis=1).astype(np.float64)
    points[:, 0] += _quarter(maps[np.arange(joints), y], x)
    points[:, 1] += _quarter(maps[np.arange(joints), :, x], y)
    points *= (width / columns, height / rows)
    return _positive(points, score)


def decode_simcc(x: NDArray[np.floating], y: NDArray[np.floating], split_ratio: float) -> Points:
    """SimCC vectors (J, W r) and (J, H r) to points (J, 2) in input pixels and scores (J,).

    The peak bin over ``split_ratio`` (Li et al. 2022, arXiv:2107.03332); the score is the lower
    of the two peaks. Peaks that are not positive, or not numbers, are missing: NaN with score 0.
    """
    score = np.minimum(x.max(axis=1), y.max(axis=1)).astype(np.float64)
    points = np.stack([x.argmax(axis=1), y.argmax(axis=1)], axis=1) / split_ratio
    return _positive(points, score)


def _positive(points: NDArray[np.float64], score: NDArray[np.float64]) -> Points:
    """The points whose score is positive; of NaN, where numpy puts the peak says nothing."""
    good = score > 0
    return np.where(good[:, None], points, np.nan), np.where(good, score, 0.0)


def crop_to_image(
    box: NDArray[np.floating], width: int, height: int, padding: float
) -> NDArray[np.float64]:
    """(2, 3) affine map from pixels of a ``width`` x ``height`` crop to image pixels.

    The crop is centred on the box (x0, y0, x1, y1), contains it ``padding`` times over, and has
    one scale in x and y: the short side of the box is extended to the crop's aspect ratio.
    """
    size = box[2:] - box[:2]
    scale = float(max(size[0] / width, size[1] / height)) * padding
    centre = (box[:2] + box[2:]) / 2
    return np.array(
        [
            [scale, 0.0, centre[0] - scale * width / 2],
            [0.0, scale, centre[1] - scale * height / 2],
        ]
    )


def warp_crop(
    image: NDArray[np.uint8], to_image: NDArray[np.float64], width: int, height: int
) -> NDArray[np.uint8]:
    """Sample the crop (height, width, 3) bilinearly; black outside the image."""
    crop: NDArray[np.uint8] = cv2.warpAffine(
        image, to_image, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    return crop


def _quarter(lines: NDArray[np.floating], at: NDArray[np.int64]) -> NDArray[np.float64]:
    """-0.25, 0 or 0.25 towards the larger neighbour of ``lines[i, at[i]]``; 0 at the border."""
    length = lines.shape[1]
    each = np.arange(len(lines))
    before = lines[each, np.maximum(at - 1, 0)]
    after = lines[each, np.minimum(at + 1, length - 1)]
    inside = (at > 0) & (at < length - 1)
    return np.where(inside, np.sign(after - before) * 0.25, 0.0)
