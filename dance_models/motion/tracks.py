"""Tracks of COCO-17 keypoints in pixels: ``.npy`` and ``.npz`` arrays, or any pose JSON.

An array is (T, 17, 2), or (T, 17, 3) with a confidence. A joint is missing where it is not finite,
where its confidence is 0, and where it is at (0, 0). An ``.npz`` must hold exactly one array of
such a shape.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.arrays import load_arrays
from dance_models.errors import InputError
from dance_models.estimators.joints import COCO17
from dance_models.estimators.pose_file import read_people
from dance_models.motion.people import main_person
from dance_models.skeletons.by_name import to_skeleton

_FARTHEST: Final = 1e6  # pixels; no image is that large


def read_array_track(path: Path) -> NDArray[np.float32]:
    """(T, 14, 2) pixels of an ``.npy`` or ``.npz``, in the default skeleton; NaN where missing.

    Raises InputError.
    """
    track = _load(path)
    if len(track) == 0:
        raise InputError("the track has no frames", file=path)
    known = np.isfinite(track).all(axis=-1) & (track[..., :2] != 0).any(axis=-1)
    if track.shape[-1] == 3:
        known &= track[..., 2] > 0
    points = np.where(known[..., None], track[..., :2], np.nan).astype(np.float64)
    _check_pixels(points[known], path)
    score = known.astype(np.float64)
    return np.stack([to_skeleton(COCO17, p, s)[0] for p, s in zip(points, score, strict=True)])


def read_json_track(path: Path) -> NDArray[np.float32]:
    """(T, 14, 2) pixels of one person, from that person's first frame on; NaN where missing.

    Reads the formats of :func:`dance_models.estimators.pose_file.read_people` (COCO-17, OpenPose
    and our own, a file or a folder of them) and takes the person who is visible longest and
    largest. Raises InputError.
    """
    return main_person(read_people(path))


def _check_pixels(known: NDArray[np.float64], path: Path) -> None:
    farthest = np.abs(known).max(initial=0)
    if len(known) and farthest <= 1:
        raise InputError("coordinates are fractions of the image, not pixels", file=path)
    if farthest > _FARTHEST:
        raise InputError(f"{farthest:g} is not a coordinate in pixels", file=path)


def _load(path: Path) -> NDArray[Any]:
    arrays = list(load_arrays(path).values())
    tracks = [array for array in arrays if _is_track(array)]
    if len(tracks) != 1:
        shapes = ", ".join(f"{array.dtype} {array.shape}" for array in arrays) or "nothing"
        raise InputError(
            f"one array of shape (T, 17, 2) or (T, 17, 3) is needed, found {shapes}", file=path
        )
    return tracks[0]


def _is_track(array: NDArray[Any]) -> bool:
    shaped = array.ndim == 3 and array.shape[1:] in {(len(COCO17), 2), (len(COCO17), 3)}
    return shaped and array.dtype.kind in "fiu"
