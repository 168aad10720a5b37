"""From the joints of another skeleton to our 14, by name.

Neck and head top are derived where the source lacks them:

* ``neck`` is the middle of the shoulders;
* ``head_top`` is extrapolated along the line from the neck through the middle of the ears,
  ``neck + 1.9 (ears - neck)``: the ears lie a little above half way between the base of the
  neck and the vertex. Without both ears the one ear, and without ears the nose, takes their
  place. It is a proxy: its systematic offset is what the ``calibrated`` row of the reports
  measures.

A derived joint has the lowest score of the joints it comes from, and is missing when they are.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.skeleton import INDEX, JOINTS, NUM_JOINTS

HEAD_TOP_EXTRAPOLATION: Final = 1.9

COCO17: Final[tuple[str, ...]] = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    *(f"{side}_{part}" for part in ("shoulder", "elbow", "wrist") for side in ("left", "right")),
    *(f"{side}_{part}" for part in ("hip", "knee", "ankle") for side in ("left", "right")),
)

_OPENPOSE_ARMS: Final = (
    "nose",
    "neck",
    *(f"right_{part}" for part in ("shoulder", "elbow", "wrist")),
    *(f"left_{part}" for part in ("shoulder", "elbow", "wrist")),
)
_LEGS: Final = tuple(
    f"{side}_{part}" for side in ("right", "left") for part in ("hip", "knee", "ankle")
)
_FACE: Final = ("right_eye", "left_eye", "right_ear", "left_ear")
_FEET: Final = tuple(
    f"{side}_{part}" for side in ("left", "right") for part in ("big_toe", "small_toe", "heel")
)
OPENPOSE_COCO18: Final[tuple[str, ...]] = (*_OPENPOSE_ARMS, *_LEGS, *_FACE)
OPENPOSE_BODY25: Final[tuple[str, ...]] = (*_OPENPOSE_ARMS, "mid_hip", *_LEGS, *_FACE, *_FEET)


def to_skeleton(
    names: Sequence[str], points: NDArray[np.floating], score: NDArray[np.floating]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Map (J, 2) points and (J,) scores of the joints ``names`` to (14, 2) and (14,) of ours.

    Points that are not finite count as missing: NaN with score 0, as do joints that the source
    neither has nor allows to derive. Names that we do not use are ignored.
    """
    found: dict[str, tuple[NDArray[np.floating], float]] = {
        name: (points[i], float(score[i]))
        for i, name in enumerate(names)
        if np.isfinite(points[i]).all()
    }
    if "neck" not in names:
        _derive_neck(found)
    if "head_top" not in names:
        _derive_head_top(found)
    keypoints = np.full((NUM_JOINTS, 2), np.nan, dtype=np.float32)
    confidence = np.zeros(NUM_JOINTS, dtype=np.float32)
    for joint in JOINTS:
        if joint in found:
            keypoints[INDEX[joint]], confidence[INDEX[joint]] = found[joint]
    return keypoints, confidence


def missing_joints(names: Sequence[str]) -> list[str]:
    """Which of our joints can neither be read nor derived from a skeleton with these names."""
    everywhere = np.zeros((len(names), 2))
    keypoints, _ = to_skeleton(names, everywhere, np.ones(len(names)))
    return [joint for joint in JOINTS if not np.isfinite(keypoints[INDEX[joint]]).all()]


def _derive_neck(found: dict[str, tuple[NDArray[np.floating], float]]) -> None:
    if "left_shoulder" in found and "right_shoulder" in found:
        (left, left_score), (right, right_score) = found["left_shoulder"], found["right_shoulder"]
        found["neck"] = ((left + right) / 2, min(left_score, right_score))


def _derive_head_top(found: dict[str, tuple[NDArray[np.floating], float]]) -> None:
    ears = [found[name] for name in ("left_ear", "right_ear") if name in found]
    head = ears or [found[name] for name in ("nose",) if name in found]
    if not head or "neck" not in found:
        return
    neck, neck_score = found["neck"]
    middle = np.mean([point for point, _ in head], axis=0)
    top = neck + HEAD_TOP_EXTRAPOLATION * (middle - neck)
    found["head_top"] = (top, min(neck_score, *(s for _, s in head)))
