"""MediaPipe landmarks in JSON: 33 of each person, in fractions of the image.

MediaPipe writes no files itself, so people save what its three interfaces return: a list of
landmarks ``{"x", "y", "z", "visibility"}`` (or ``[x, y, z, visibility]``) for each frame, below
``landmarks``, ``pose_landmarks`` or ``poseLandmarks``, with several people in a list of lists, and
as a protobuf message below ``landmark``. World landmarks are metres and are not read.
"""

from typing import Any, Final

from dance_models.errors import InputError
from dance_models.estimators.pose_track import Reading, is_number
from dance_models.evidence import LANDMARKS

_KEYS: Final = (
    *("pose_landmarks", "poseLandmarks", "landmarks", "landmark", "keypoints", "pose"),
    "normalized_landmarks",
)
_WORLD_KEYS: Final = ("pose_world_landmarks", "poseWorldLandmarks", "worldLandmarks")


def is_frame(document: Any) -> bool:
    """Whether a JSON document holds the landmarks of one frame."""
    return bool(_bodies(document)) or (isinstance(document, dict) and any(map(document.get, _KEYS)))


def is_one_frame(document: Any) -> bool:
    """Whether it is the landmarks of one person."""
    return _is_body(document)


def holds_frames(document: Any) -> bool:
    """Whether ``landmarks`` of a whole file is a list of many bodies: one a frame."""
    return bool(isinstance(document, dict) and any(_is_many(document.get(key)) for key in _KEYS))


def _is_many(value: Any) -> bool:
    return isinstance(value, list) and any(map(_is_body, value))


def frames_below(document: dict[str, Any]) -> list[Any]:
    """The bodies of :func:`holds_frames`."""
    found = next(document[key] for key in _KEYS if _is_many(document.get(key)))
    return list(found)


def read_frame(document: Any, frame: int, reading: Reading) -> None:
    """Add the people of a frame. Raises InputError when it has landmarks of another kind."""
    reading.format, reading.may_be_fractions = "mediapipe-json", True
    reading.frames.add(frame)
    bodies = _bodies(document)
    if not bodies and not _is_empty(document):
        raise InputError(
            f"not {len(LANDMARKS)} landmarks of MediaPipe's pose",
            hint=f"World landmarks are metres; save {_KEYS[0]}" if _has_world(document) else None,
        )
    for body in bodies:
        with reading.attempt(frame):
            reading.add(frame, [v for landmark in body for v in _triple(landmark)], LANDMARKS)


def _is_landmark(value: Any) -> bool:
    if isinstance(value, dict):
        return "x" in value and "y" in value
    return isinstance(value, list) and len(value) in (3, 4, 5) and is_number(value[0])


def _is_body(value: Any) -> bool:
    whole = isinstance(value, list) and len(value) == len(LANDMARKS)
    return whole and all(map(_is_landmark, value))


def _bodies(document: Any) -> list[Any]:
    if _is_body(document):
        return [document]
    if isinstance(document, dict):
        for key in _KEYS:
            if document.get(key):
                return _bodies(document[key])
        return []
    if isinstance(document, list):
        return [body for entry in document if not _is_landmark(entry) for body in _bodies(entry)]
    return []


def _is_empty(document: Any) -> bool:
    """Nobody was detected: null, an empty list, or an object that holds one."""
    if isinstance(document, dict):
        found = [document[key] for key in _KEYS if key in document]
        return not document or (bool(found) and all(map(_is_empty, found)))
    return document is None or document == []


def _has_world(document: Any) -> bool:
    return isinstance(document, dict) and any(key in document for key in _WORLD_KEYS)


def _triple(landmark: Any) -> tuple[Any, Any, Any]:
    """x, y, visibility; 1 where no visibility is stated."""
    if isinstance(landmark, dict):
        score = landmark.get("visibility", landmark.get("score", 1.0))
        return landmark["x"], landmark["y"], 1.0 if score is None else score
    return landmark[0], landmark[1], landmark[3] if len(landmark) > 3 else 1.0
