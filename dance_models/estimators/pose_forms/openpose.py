"""OpenPose JSON, and what Pose2Sim, Sports2D, AlphaPose and ControlNet write in its form.

A frame is ``{"people": [{"pose_keypoints_2d": [x, y, score, ...]}]}``; files of before 2017 say
``pose_keypoints``. AlphaPose's form ``cmu`` says ``bodies`` and ``joints``. Keys of hands and face
are not read. A joint with confidence 0 is missing. ControlNet states the size of its canvas.
"""

from typing import Any, Final

import numpy as np

from dance_models.errors import InputError
from dance_models.estimators.pose_track import Reading, is_number

_BODY_KEYS: Final = ("pose_keypoints_2d", "pose_keypoints", "joints")


def is_frame(document: Any) -> bool:
    """Whether a JSON document is one frame in this form."""
    return isinstance(document, dict) and ("people" in document or "bodies" in document)


def read_frame(document: Any, frame: int, reading: Reading) -> None:
    """Add the people of a frame. Raises InputError when it is none."""
    if not is_frame(document):
        raise InputError("not an OpenPose frame: no 'people'")
    reading.format = "alphapose-cmu" if "bodies" in document else "openpose-json"
    people = document["people"] if "people" in document else document["bodies"]
    if not isinstance(people, list):
        raise InputError("'people' is not a list")
    size = document.get("canvas_width"), document.get("canvas_height")
    canvas = (float(size[0]), float(size[1])) if all(map(_is_length, size)) else None
    for position, person in enumerate(people):
        with reading.attempt(frame):
            key = next((k for k in _BODY_KEYS if isinstance(person, dict) and k in person), None)
            if key is None:
                raise InputError(f"person {position} has no 'pose_keypoints_2d'")
            if person[key] is None:  # ControlNet: a hand or a face without a body
                raise InputError("the body is empty")
            reading.add(frame, person[key], size=canvas)
            triples = reading.people[-1].triples
            triples[triples[:, 2] == 0, :2] = np.nan


def _is_length(value: Any) -> bool:
    return is_number(value) and value >= 1
