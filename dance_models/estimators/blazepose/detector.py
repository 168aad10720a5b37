"""The person detector: an SSD head on a 224 x 224 letterboxed image."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.estimators.blazepose.anchors import SIDE, anchor_centres
from dance_models.estimators.blazepose.litert import LiteRtModel, sigmoid
from dance_models.estimators.blazepose.region import Region
from dance_models.estimators.boxes import overlap

FILE: Final = "pose_detection.tflite"
_VALUES: Final = 12  # box centre and size, then four alignment points
_SAME_PERSON_IOU: Final = 0.3


@dataclass(frozen=True)
class Detection:
    """One person: where to look for landmarks, and how sure the detector is."""

    region: Region
    score: float


class PersonDetector:
    """Finds everybody in an image; deterministic and without memory."""

    def __init__(self, weights: Path, min_score: float, threads: int) -> None:
        self._model = LiteRtModel(weights / FILE, threads)
        self._anchors = anchor_centres()
        self._min_score = min_score

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """Everybody in an RGB image (H, W, 3), best score first."""
        letterbox, scale, offset = _letterbox(image)
        self._model.run(letterbox)
        score = sigmoid(self._model.output(len(self._anchors)).reshape(-1))
        keep = np.flatnonzero(score >= self._min_score)
        raw = self._model.output(len(self._anchors) * _VALUES).reshape(-1, _VALUES)[keep]
        anchors = self._anchors[keep] * SIDE
        # Columns 4..7: mid-hip and the rim of the circle around the body, relative to the anchor.
        points = raw[:, 4:8].reshape(-1, 2, 2) + anchors[:, None]
        boxes = np.concatenate(
            [raw[:, :2] + anchors - raw[:, 2:4] / 2, raw[:, :2] + anchors + raw[:, 2:4] / 2], axis=1
        )
        merged = _merge_overlapping(boxes, points, score[keep])
        # The model's coordinates run from edge to edge, the image's from pixel centre 0.
        return [
            Detection(Region.from_alignment(*((p - offset) / scale - 0.5)), s) for p, s in merged
        ]


def _letterbox(
    image: NDArray[np.uint8],
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]]:
    """Fit the image into the model's input; also x, y scale and offset of its place there."""
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    x, y = (SIDE - w) // 2, (SIDE - h) // 2
    padded = np.full((SIDE, SIDE, 3), -1.0, dtype=np.float32)  # black in the model's -1..1
    padded[y : y + h, x : x + w] = cv2.resize(image, (w, h), interpolation=how) / 127.5 - 1.0
    return padded, np.array([w / width, h / height]), np.array([x, y])


def _merge_overlapping(
    boxes: NDArray[np.floating], points: NDArray[np.floating], score: NDArray[np.floating]
) -> list[tuple[NDArray[np.floating], float]]:
    """Weighted non-maximum suppression: each person's points are averaged, weighted by score."""
    merged: list[tuple[NDArray[np.floating], float]] = []
    left = np.argsort(-score, kind="stable")
    while left.size:
        same = overlap(boxes[left[:1]], boxes[left])[0] > _SAME_PERSON_IOU
        same[0] = True  # also a degenerate box is itself
        group = left[same]
        weight = score[group, None, None]
        merged.append(((points[group] * weight).sum(0) / weight.sum(), float(score[left[0]])))
        left = left[~same]
    return merged
