"""MMPose, ViTPose and RTMPose JSON as MMPose's inferencer and its demos save them.

A video is a list of ``{"frame_id", "instances": [...]}``, alone or below ``instance_info`` beside
``meta_info``, which names the joints. An image is the list of instances alone. An instance has
``keypoints`` [[x, y], ...] and ``keypoint_scores``, with or without a batch dimension.
"""

from typing import Any, Final

from dance_models.errors import InputError
from dance_models.estimators.pose_forms.coco_json import without_origin
from dance_models.estimators.pose_track import Reading, joints_named

_DIGITS: Final = 6  # of a joint's number


def is_frame(document: Any) -> bool:
    """Whether a JSON document is the instances of one image."""
    instances = _instances(document)
    return isinstance(instances, list) and any(
        isinstance(i, dict) and ("keypoint_scores" in i or _are_rows(i.get("keypoints")))
        for i in instances
    )


def _are_rows(keypoints: Any) -> bool:
    """[x, y, score] of each joint, as MMPose before 1.0 gives them."""
    return isinstance(keypoints, list) and bool(keypoints) and isinstance(keypoints[0], list)


def is_track(document: Any) -> bool:
    """Whether a JSON document has ``instance_info`` of the frames of a video."""
    info = document.get("instance_info") if isinstance(document, dict) else None
    return isinstance(info, list) and any(isinstance(e, dict) and "instances" in e for e in info)


def _instances(document: Any) -> Any:
    if not isinstance(document, dict):
        return document
    return document.get("instances", document.get("instance_info"))


def names_of(document: dict[str, Any]) -> tuple[str, ...] | None:
    """The joints in the order of ``meta_info``, None where it does not name them."""
    meta = document.get("meta_info")
    by_id = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    if (
        isinstance(by_id, dict)
        and by_id
        and all(k.isdecimal() and len(k) <= _DIGITS for k in by_id)
    ):
        return joints_named([by_id[key] for key in sorted(by_id, key=int)])
    if isinstance(by_id, list) and by_id:
        return joints_named(by_id)
    return None


def read_frame(
    document: Any, frame: int, reading: Reading, names: tuple[str, ...] | None = None
) -> None:
    """Add the people of a frame. Raises InputError when it has no instances."""
    if names is None and isinstance(document, dict):
        names = names_of(document)
    reading.format = "mmpose-json"
    reading.frames.add(frame)
    instances = _instances(document)
    if not isinstance(instances, list):
        raise InputError("not a frame of MMPose: no 'instances'")
    for position, instance in enumerate(instances):
        with reading.attempt(frame):
            if not isinstance(instance, dict) or "keypoints" not in instance:
                raise InputError(f"instance {position} has no 'keypoints'")
            reading.add(frame, _flat(instance), names)
            without_origin(reading)


def _flat(instance: dict[str, Any]) -> list[Any]:
    rows = _unbatched(instance["keypoints"], depth=2)
    scores = _unbatched(instance.get("keypoint_scores", [1.0] * len(rows)), depth=1)
    if len(scores) != len(rows):
        raise InputError(f"{len(scores)} scores where {len(rows)} keypoints are")
    if any(not isinstance(row, list) or len(row) not in (2, 3) for row in rows):
        raise InputError("a keypoint is not [x, y]")
    if any(len(row) == 3 for row in rows) and "keypoint_scores" in instance:
        raise InputError("the keypoints are in 3-D", hint="Save those of the 2-D estimator")
    return [
        value
        for row, score in zip(rows, scores, strict=True)
        for value in (row if len(row) == 3 else [*row, score])
    ]


def _unbatched(value: Any, depth: int) -> list[Any]:
    """The list without a leading dimension of one person."""
    inner = value
    for _ in range(depth):
        inner = inner[0] if isinstance(inner, list) and inner else None
    if isinstance(inner, list) and isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, list):
        raise InputError("'keypoints' or 'keypoint_scores' is not a list")
    return value
