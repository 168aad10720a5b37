"""Ultralytics pose results: ``results.tojson()`` and the text of ``save_txt``.

JSON has one list of detections an image: ``{"name", "box", "keypoints": {"x": [...], "y": [...],
"visible": [...]}}``, in pixels or, with ``normalize``, in fractions. A line of text is ``class cx
cy w h x y visible ... [confidence] [track]`` in fractions; ``NAME_12.txt`` is frame 12, and
Ultralytics counts a video's frames from 1. A joint at (0, 0) is missing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from dance_models.errors import InputError
from dance_models.estimators.pose_forms.coco_json import without_origin
from dance_models.estimators.pose_forms.fields import numbers_in
from dance_models.estimators.pose_models import models_of
from dance_models.estimators.pose_track import Reading
from dance_models.files import read_text
from dance_models.text import brief

_BEFORE_KEYPOINTS: Final = 5  # class and box


def is_frame(document: Any) -> bool:
    """Whether a JSON document is the detections of one image."""
    return isinstance(document, list) and any(
        isinstance(d, dict) and isinstance(d.get("keypoints"), dict) for d in document
    )


def read_frame(document: Any, frame: int, reading: Reading) -> None:
    """Add the people of a frame. Raises InputError when it is no list."""
    reading.format, reading.may_be_fractions = "ultralytics-json", True
    reading.frames.add(frame)
    if not isinstance(document, list):
        raise InputError("not a list of Ultralytics detections")
    for position, detection in enumerate(document):
        with reading.attempt(frame):
            points = detection.get("keypoints") if isinstance(detection, dict) else None
            if not isinstance(points, dict) or not {"x", "y"} <= points.keys():
                raise InputError(f"detection {position} has no 'keypoints' with x and y")
            columns = [points["x"], points["y"], points.get("visible")]
            if columns[2] is None and isinstance(columns[0], list):
                columns[2] = [1.0] * len(columns[0])
            if any(not isinstance(c, list) or len(c) != len(columns[0]) for c in columns):
                raise InputError("x, y and visible are not lists of one length")
            reading.add(frame, [v for triple in zip(*columns, strict=True) for v in triple])
            without_origin(reading)


def read_texts(files: Sequence[Path], reading: Reading) -> None:
    """Add the people of all ``labels/NAME_12.txt``. Raises InputError for a name without number."""
    reading.format, reading.may_be_fractions = "ultralytics-txt", True
    frames = numbers_in([file.name for file in files])
    first = 0 if 0 in frames else 1
    for file, frame in zip(files, frames, strict=True):
        reading.frames.add(frame - first)
        with reading.attempt(frame - first, file):
            try:
                lines = read_text(file).splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"cannot be read ({brief(error)})") from error
            for line in lines:
                with reading.attempt(frame - first, file):
                    reading.add(frame - first, keypoints_of_line(line))
                    without_origin(reading)
    if first:
        reading.notes.append("frames are counted from 1, as Ultralytics does, and moved by one")


def keypoints_of_line(line: str) -> list[float]:
    """x, y, visible of each joint. Raises InputError when it is no line of a pose."""
    try:
        values = [float(word) for word in line.split()][_BEFORE_KEYPOINTS:]
    except ValueError as error:
        raise InputError(f"not a line of numbers ({error})") from error
    # A confidence and a number of the track may follow.
    for extra in (0, 1, 2):
        count, rest = divmod(len(values) - extra, 3)
        if rest == 0 and count > 0 and models_of(count):
            return values[: 3 * count]
    raise InputError(f"{len(values)} values after the box are no keypoints of a known model")
