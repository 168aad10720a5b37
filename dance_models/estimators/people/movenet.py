"""MoveNet MultiPose Lightning on LiteRT: up to six people in one pass, with 17 keypoints each."""

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.config import PeopleConfig
from dance_models.estimators.blazepose.litert import LiteRtModel
from dance_models.estimators.people.finder import Sighting
from dance_models.estimators.weights import MOVENET
from dance_models.geometry import person_box
from dance_models.metrics.torso import torso_scale
from dance_models.skeletons.by_name import to_skeleton
from dance_models.skeletons.coco_17 import COCO_17

_PEOPLE: Final = 6
_VALUES: Final = 56  # y, x, score of 17 keypoints, then y0, x0, y1, x1, score of the person
_MULTIPLE: Final = 32  # of which both sides of the input are multiples
MIN_JOINT: Final = 0.2  # score from which on a keypoint counts as seen
# Two poses whose joints lie closer than this, in torso lengths, are one person seen twice.
_SAME_PERSON: Final = 0.3


class MoveNetFinder:
    """Everybody whom MoveNet MultiPose sees in a picture of ``input_side`` pixels."""

    name = "movenet"
    version = "multipose-lightning-1+1"  # raise the last number when the code changes results

    def __init__(self, weights: Path, config: PeopleConfig, threads: int = 1) -> None:
        self._file = weights / MOVENET.files[0].name
        self._config, self._threads = config, threads
        self._size = (_MULTIPLE, _MULTIPLE)
        self._model = LiteRtModel(self._file, threads, self._size)

    def find(self, image: NDArray[np.uint8]) -> list[Sighting]:
        """Everybody in an RGB image (H, W, 3), best score first."""
        padded, scale = _fitted(image, self._config.input_side)
        if padded.shape[:2] != self._size:  # once a video
            self._size = (padded.shape[0], padded.shape[1])
            self._model = LiteRtModel(self._file, self._threads, self._size)
        self._model.run(padded)
        raw = self._model.output(_PEOPLE * _VALUES).reshape(_PEOPLE, _VALUES)
        rows = [row for row in raw if row[-1] >= self._config.min_score]
        found = [_sighting(row, padded.shape, scale, image.shape) for row in rows]
        return _each_once(sorted(found, key=lambda sighting: -sighting.score))


def _fitted(image: NDArray[np.uint8], side: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The picture at the upper left of the model's input, on black, and its scale in x and y."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    padded = np.zeros((-(-h // _MULTIPLE) * _MULTIPLE, -(-w // _MULTIPLE) * _MULTIPLE, 3), np.uint8)
    padded[:h, :w] = cv2.resize(image, (w, h), interpolation=how)
    return padded, np.array([w / width, h / height])


def _sighting(
    row: NDArray[np.float32],
    padded: tuple[int, ...],
    scale: NDArray[np.float64],
    shape: tuple[int, ...],
) -> Sighting:
    """One row of the output (56,), in pixels of the picture, whose pixel centres are integers."""
    size = np.array([padded[1], padded[0]]) / scale
    triples = row[:51].reshape(17, 3).astype(np.float64)
    points = triples[:, 1::-1] * size - 0.5
    points[triples[:, 2] < MIN_JOINT] = np.nan
    keypoints, confidence = to_skeleton(COCO_17.names, points, triples[:, 2])
    y0, x0, y1, x1 = row[51:55].astype(np.float64)
    box = np.array([x0, y0, x1, y1]) * np.tile(size, 2) - 0.5
    seen = person_box(keypoints[None])[0]
    if np.isfinite(seen).all():  # a limb that is seen belongs to the person
        box = np.concatenate([np.minimum(box[:2], seen[:2]), np.maximum(box[2:], seen[2:])])
    edge = np.tile([shape[1] - 0.5, shape[0] - 0.5], 2)
    return Sighting(np.clip(box, -0.5, edge), float(row[55]), keypoints, confidence)


def _each_once(found: list[Sighting]) -> list[Sighting]:
    """Without people who are there twice; the better of the two stays."""
    kept: list[Sighting] = []
    for sighting in found:
        if not any(_is_same(sighting, other) for other in kept):
            kept.append(sighting)
    return kept


def _is_same(one: Sighting, other: Sighting) -> bool:
    apart = np.linalg.norm(one.keypoints - other.keypoints, axis=1)
    both = np.isfinite(apart)
    if not both.any():
        return False
    return bool(apart[both].mean() < _SAME_PERSON * torso_scale(other.keypoints))
