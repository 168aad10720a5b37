"""Kinetics-skeleton JSON, as published with ST-GCN: OpenPose-18 people of ten-second videos.

``{"data": [{"frame_index": 1, "skeleton": [{"pose": [x0, y0, ...], "score": [...]}]}], "label":
..., "label_index": ...}``. Coordinates are fractions of a picture that was scaled to 340x256;
frames count from 1; an absent joint is at (0, 0). The videos have 30 frames/s.
"""

from collections import defaultdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.errors import InputError
from dance_models.estimators.pose_models import OPENPOSE_COCO18
from dance_models.estimators.pose_track import People, Person
from dance_models.motion.people import main_person
from dance_models.skeletons.by_name import to_skeleton

SIZE: Final = (340, 256)  # width and height of the pictures that the fractions refer to
_JOINTS: Final = len(OPENPOSE_COCO18)
_LARGEST: Final = 4.0  # fractions a little outside of the picture occur, pixels do not


def is_kinetics(document: Any) -> bool:
    """Whether a JSON document has the shape of Kinetics-skeleton."""
    return isinstance(document, dict) and isinstance(document.get("data"), list)


def kinetics_keypoints(document: Any, size: tuple[int, int] = SIZE) -> NDArray[np.float32]:
    """(T, 14, 2) pixels of the person who is visible longest and largest; NaN where missing.

    Joints of the default skeleton. The result starts with that person's first frame. ``size`` is
    width and height in pixels. Raises InputError naming the frame when the document is malformed.
    """
    if not is_kinetics(document):
        raise InputError("not Kinetics-skeleton: no 'data' list")
    return main_person(_people(document["data"], size))


def _people(entries: list[Any], size: tuple[int, int]) -> People:
    people: defaultdict[int, list[Person]] = defaultdict(list)
    for position, entry in enumerate(entries):
        index = entry.get("frame_index") if isinstance(entry, dict) else None
        if isinstance(index, bool) or not isinstance(index, int) or index < 1:
            raise InputError(f"entry {position} has no 'frame_index' from 1")
        skeletons = entry.get("skeleton", [])
        if not isinstance(skeletons, list):
            raise InputError("'skeleton' is not a list", frame=index)
        found = (_person(skeleton, size, index) for skeleton in skeletons)
        people[index - 1] += [p for p in found if np.isfinite(p.keypoints).any()]
    return {frame: persons for frame, persons in people.items() if persons}


def _person(skeleton: Any, size: tuple[int, int], frame: int) -> Person:
    points = _numbers(skeleton, "pose", 2 * _JOINTS, frame).reshape(_JOINTS, 2)
    score = np.clip(_numbers(skeleton, "score", _JOINTS, frame), 0, 1)
    if np.abs(points).max() > _LARGEST:
        raise InputError("coordinates are pixels, not fractions of the picture", frame=frame)
    absent = (points == 0).all(axis=1) | (score == 0)
    points = np.where(absent[:, None], np.nan, points * size)
    keypoints, confidence = to_skeleton(OPENPOSE_COCO18, points, score)
    seen = points[~absent]
    box = np.concatenate([seen.min(0), seen.max(0)]) if len(seen) else np.full(4, np.nan)
    return Person(keypoints, confidence, box)


def _numbers(skeleton: Any, key: str, count: int, frame: int) -> NDArray[np.float64]:
    values = skeleton.get(key) if isinstance(skeleton, dict) else None
    if not isinstance(values, list) or len(values) != count:
        raise InputError(f"{key!r} is not a list of {count} numbers", frame=frame)
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
        raise InputError(f"{key!r} holds something that is not a number", frame=frame)
    try:
        numbers = np.array(values, np.float64)
    except OverflowError as error:  # an integer of any number of digits
        raise InputError(f"{key!r} holds a number that is too large", frame=frame) from error
    if not np.isfinite(numbers).all():
        raise InputError(f"{key!r} holds a number that is not finite", frame=frame)
    return numbers
