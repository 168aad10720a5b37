"""Our own JSON: ``{"joints": [names], "frames": [{"frame": 12, "keypoints": [[x, y, s], ...]}]}``.

A missing joint is ``null`` or ``[null, null, 0]``; several people in a frame are several entries
with the same ``frame``.
"""

from typing import Any

from dance_models.errors import InputError
from dance_models.estimators.pose_forms.fields import entry_field, frame_index
from dance_models.estimators.pose_track import Reading, joints_named


def is_track(document: Any) -> bool:
    """Whether a JSON document is a whole clip in this form."""
    return isinstance(document, dict) and "joints" in document and "frames" in document


def read_track(document: dict[str, Any], reading: Reading) -> None:
    """Add all people. Raises InputError when joints or frames are no lists of their kind."""
    reading.format = "own-json"
    names = joints_named(document["joints"])
    frames = document["frames"]
    if not isinstance(frames, list):
        raise InputError("'frames' is not a list")
    for position, entry in enumerate(frames):
        with reading.attempt():
            frame = frame_index(entry_field(entry, "frame", position), "frame")
            with reading.attempt(frame):
                reading.add(frame, _flat(entry_field(entry, "keypoints", position)), names)


def _flat(rows: Any) -> list[Any]:
    if not isinstance(rows, list):
        raise InputError("'keypoints' is not a list")
    if any(isinstance(row, list) and len(row) != 3 for row in rows):
        raise InputError("a keypoint is not [x, y, score]")
    return [v for row in rows for v in (row if isinstance(row, list) else [row] * 3)]
