"""The joints of common estimators, in their order."""

from typing import Final

from dance_models.skeletons.coco_17 import COCO_17

COCO17: Final[tuple[str, ...]] = COCO_17.names

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
