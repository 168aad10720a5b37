"""The landmark model: 33 body landmarks in a rotated square crop."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.estimators.blazepose.litert import LiteRtModel, sigmoid
from dance_models.estimators.blazepose.region import Region

FILE: Final = "pose_landmark_full.tflite"

LANDMARKS: Final[tuple[str, ...]] = (
    "nose",
    *(f"left_eye_{p}" if p != "eye" else "left_eye" for p in ("inner", "eye", "outer")),
    *(f"right_eye_{p}" if p != "eye" else "right_eye" for p in ("inner", "eye", "outer")),
    "left_ear",
    "right_ear",
    "mouth_left",
    "mouth_right",
    *(
        f"{side}_{part}"
        for part in ("shoulder", "elbow", "wrist", "pinky", "index", "thumb")
        for side in ("left", "right")
    ),
    *(
        f"{side}_{part}"
        for part in ("hip", "knee", "ankle", "heel", "foot_index")
        for side in ("left", "right")
    ),
)
NUM_LANDMARKS: Final = len(LANDMARKS)

_CROP: Final = 256  # pixels
_CELLS: Final = 64  # of the heat maps
_POINTS: Final = 39  # 33 landmarks, 2 alignment points, 4 that are not used
_CENTRE, _RIM = 33, 34  # the alignment points
_VALUES: Final = 5  # x, y, z in crop pixels, visibility and presence as logits
_REACH: Final = 3  # the heat map is read in a window of 7 x 7 cells
_MIN_PEAK: Final = 0.5  # below it the heat map does not refine


@dataclass(frozen=True, eq=False)
class Landmarks:
    """(33, 3) x, y in image pixels and visibility; where to look next; P(a person is there)."""

    points: NDArray[np.float32]
    next_region: Region
    presence: float


class LandmarkModel:
    """BlazePose "full"; deterministic and without memory."""

    def __init__(self, weights: Path, threads: int) -> None:
        self._model = LiteRtModel(weights / FILE, threads)

    def find(self, image: NDArray[np.uint8], region: Region) -> Landmarks:
        """Landmarks of the person in ``region`` of an RGB image (H, W, 3)."""
        to_image = region.crop_to_image(_CROP)
        crop = cv2.warpAffine(
            image,
            to_image,
            (_CROP, _CROP),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        self._model.run(np.multiply(crop, np.float32(1 / 255), dtype=np.float32))
        raw = self._model.output(_POINTS * _VALUES).reshape(_POINTS, _VALUES)
        heat = self._model.output(_CELLS * _CELLS * _POINTS).reshape(_CELLS, _CELLS, _POINTS)
        in_crop = refine(raw[:, :2], heat)
        xy = in_crop @ to_image[:, :2].T + to_image[:, 2]
        points = np.concatenate([xy, sigmoid(raw[:, 3:4])], axis=1)[:NUM_LANDMARKS]
        return Landmarks(
            points.astype(np.float32),
            Region.from_alignment(xy[_CENTRE], xy[_RIM]),
            float(self._model.output(1).reshape(())),
        )


def refine(points: NDArray[np.float32], heat: NDArray[np.float32]) -> NDArray[np.float64]:
    """Move points to the centre of mass of their heat maps, in a window around each.

    ``points`` is (P, 2) in crop pixels, ``heat`` (64, 64, P) logits. A point stays where it is
    when it lies outside the map or the map does not reach ``_MIN_PEAK`` near it.
    """
    scale = _CROP / _CELLS
    cell = np.trunc(points / scale).astype(np.int64)  # (P, 2) column, row
    window = np.arange(-_REACH, _REACH + 1)
    columns, rows = cell[:, :1] + window, cell[:, 1:] + window  # (P, 7) each
    inside = _within(rows)[:, :, None] & _within(columns)[:, None, :]  # (P, 7, 7)
    at = np.arange(len(points))[:, None, None]
    r, c = np.clip(rows, 0, _CELLS - 1), np.clip(columns, 0, _CELLS - 1)
    weight = np.where(inside, sigmoid(heat[r[:, :, None], c[:, None, :], at]), 0.0)
    total = np.maximum(weight.sum(axis=(1, 2)), 1e-9)
    x = (weight.sum(axis=1) * columns).sum(axis=1) / total
    y = (weight.sum(axis=2) * rows).sum(axis=1) / total
    usable = (weight.max(axis=(1, 2)) >= _MIN_PEAK) & _within(cell).all(axis=1)
    return np.where(usable[:, None], np.stack([x, y], axis=1) * scale, points)


def _within(cell: NDArray[np.int64]) -> NDArray[np.bool_]:
    return (cell >= 0) & (cell < _CELLS)
