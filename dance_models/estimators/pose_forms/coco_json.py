"""COCO JSON: results, keypoint files, and AlphaPose's list, which has the form of results.

* **results** (HRNet, Detectron2, MMPose's evaluation): a list of ``{"image_id", "keypoints": [x,
  y, score, ...]}``; ``image_id`` is the frame, or a file name that holds it. AlphaPose adds
  ``box`` and ``idx`` and has 17, 26, 68 or 136 joints;
* **keypoint file**: ``images`` (``frame_index`` or ``frame_id``, else the number in
  ``file_name``), ``annotations`` and ``categories``, whose joint names are used when given. Where
  all third values are 0, 1 or 2 they are COCO visibilities and become scores 0, 0.5, 1.

A joint at exactly (0, 0) is missing. Of two images of one frame the first counts.
"""

from typing import Any

import numpy as np

from dance_models.errors import InputError
from dance_models.estimators.joints import COCO17
from dance_models.estimators.pose_forms.fields import (
    entry_field,
    frame_index,
    frames_of_names,
    number_in,
)
from dance_models.estimators.pose_track import Reading, joints_named


def is_results(document: Any) -> bool:
    """Whether a JSON document is a list of results with image and flat keypoints."""
    if not isinstance(document, list):
        return False
    entries = [entry for entry in document if isinstance(entry, dict)]
    if any("keypoint_scores" in entry or _are_objects(entry.get("keypoints")) for entry in entries):
        return False  # MMPose, Ultralytics, landmarks
    return any("image_id" in e or _is_flat(e.get("keypoints")) for e in entries)


def _are_objects(keypoints: Any) -> bool:
    return isinstance(keypoints, dict) or (
        isinstance(keypoints, list) and bool(keypoints) and isinstance(keypoints[0], dict)
    )


def _is_flat(keypoints: Any) -> bool:
    return isinstance(keypoints, list) and not any(isinstance(v, list) for v in keypoints)


def read_results(document: list[Any], reading: Reading) -> None:
    """Add all people."""
    marks = {"idx", "box"}
    alphapose = any(isinstance(e, dict) and marks & e.keys() for e in document)
    reading.format = "alphapose" if alphapose else "coco-results"
    images = (entry.get("image_id") for entry in document if isinstance(entry, dict))
    frames = frames_of_names(image for image in images if isinstance(image, str))
    for position, entry in enumerate(document):
        with reading.attempt():
            image = entry_field(entry, "image_id", position)
            frame = _known(frames.get(image) if isinstance(image, str) else None)
            if frame is None:
                frame = frame_index(image, "image_id")
            with reading.attempt(frame):
                reading.add(frame, entry_field(entry, "keypoints", position))
                without_origin(reading)


def is_keypoints_file(document: Any) -> bool:
    """Whether a JSON document has COCO's images and annotations."""
    return isinstance(document, dict) and "annotations" in document and "images" in document


def read_keypoints_file(document: dict[str, Any], reading: Reading) -> None:
    """Add all people. Raises InputError when the lists of the file are none."""
    reading.format = "coco-keypoints"
    names = _category_names(document)
    for key in ("images", "annotations"):
        if not isinstance(document[key], list):
            raise InputError(f"{key!r} is not a list")
    frames = _frames_by_id(document["images"], reading)
    reading.frames |= {frame for frame in frames.values() if isinstance(frame, int)}
    for position, entry in enumerate(document["annotations"]):
        with reading.attempt():
            image_id = str(entry_field(entry, "image_id", position))
            if image_id not in frames:
                raise InputError(f"annotation {position} names unknown image {image_id}")
            frame = _known(frames[image_id])
            assert frame is not None
            with reading.attempt(frame):
                values = entry_field(entry, "keypoints", position)
                reading.add(frame, values, names)
                without_origin(reading)
    if all(np.isin(raw.triples[:, 2], (0, 1, 2)).all() for raw in reading.people):
        for raw in reading.people:
            raw.triples[raw.triples[:, 2] == 0, :2] = np.nan
            raw.triples[:, 2] /= 2


def without_origin(reading: Reading) -> None:
    """Mark the joints at (0, 0) of the person added last as missing."""
    triples = reading.people[-1].triples
    triples[(triples[:, :2] == 0).all(axis=1), :2] = np.nan


def _category_names(document: dict[str, Any]) -> tuple[str, ...]:
    categories = document.get("categories") or []
    if not isinstance(categories, list):
        raise InputError("'categories' is not a list")
    first = categories[0] if categories and isinstance(categories[0], dict) else {}
    names = first.get("keypoints")
    return joints_named(names) if names else COCO17


def _frames_by_id(images: list[Any], reading: Reading) -> dict[str, int | InputError]:
    """The frame of each image by its id, or why its annotations are not used."""
    named = frames_of_names(
        str(image["file_name"])
        for image in images
        if isinstance(image, dict) and "file_name" in image and _stated(image) is None
    )
    frames: dict[str, int | InputError] = {}
    for position, image in enumerate(images):
        with reading.attempt():
            key, stated = str(entry_field(image, "id", position)), _stated(image)
            if stated is not None:
                frames[key] = frame_index(image[stated], stated)
                continue
            name = str(entry_field(image, "file_name", position))
            frames[key] = named[name] if name in named else number_in(name)
    return frames


def _stated(image: Any) -> str | None:
    """The key under which an image says its frame."""
    keys = ("frame_index", "frame_id")
    return next((key for key in keys if isinstance(image, dict) and key in image), None)


def _known(frame: int | InputError | None) -> int | None:
    """The frame. Raises InputError where there is a reason that it has none."""
    if isinstance(frame, InputError):
        raise frame
    return frame
