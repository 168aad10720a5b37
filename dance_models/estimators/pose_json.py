"""Pose tracks in JSON: COCO, OpenPose and our own form, into people per frame.

Four forms are distinguished by their structure:

* **ours**: ``{"clip": name, "joints": [names], "frames": [{"frame": 12, "keypoints":
  [[x, y, score], ...]}]}``. A missing joint is ``null`` or ``[null, null, 0]``; several people
  in a frame are several entries with the same ``frame``;
* **COCO results**: a list of ``{"image_id", "keypoints": [x, y, score, ...]}`` with the 17 COCO
  joints; ``image_id`` is the frame index, or a file name that ends in it;
* **COCO keypoints file**: ``images`` (``frame_index`` or ``frame_id``, else the number in
  ``file_name``), ``annotations`` and ``categories``, whose joint names are used when given.
  Where all third values are 0, 1 or 2 they are COCO visibilities and become scores 0, 0.5, 1;
* **OpenPose** BODY_25 or COCO-18: one JSON a frame, or one JSON mapping their file names to
  their contents. A joint with confidence 0 is missing.

Frames count from 0, coordinates are pixels. Joints are matched by name.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.errors import InputError
from dance_models.estimators.joints import (
    COCO17,
    OPENPOSE_BODY25,
    OPENPOSE_COCO18,
)
from dance_models.skeletons.by_name import missing_joints, to_skeleton


@dataclass(frozen=True, eq=False)
class Person:
    """(J, 2) keypoints with NaN where missing, (J,) scores, and a box around all joints."""

    keypoints: NDArray[np.float32]
    score: NDArray[np.float32]
    box: NDArray[np.float64]  # x0, y0, x1, y1


People = Mapping[int, Sequence[Person]]

_FARTHEST: Final = 1e6  # pixels; no image is that large
_FORMS: Final = "our own JSON, COCO keypoints or results, or OpenPose"


def read_people(path: Path) -> People:
    """Read one JSON file, or a folder of OpenPose ``*_keypoints.json``, into people per frame.

    Raises InputError naming file, frame and joint for anything that cannot be read.
    """
    if path.is_dir():
        documents = {str(f): _load(f) for f in sorted(path.glob("*.json"))}
        if not documents:
            raise InputError("the folder holds no JSON", file=path)
        people = _collect(_openpose(documents, None))
    else:
        people = _collect(_parse(_load(path), path))
    _check_pixels(people, path)
    return people


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=path) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"not valid JSON ({error})", file=path) from error


def _parse(document: Any, path: Path) -> Iterable[tuple[int, Person]]:
    if isinstance(document, list):
        return _coco_results(document, path)
    if isinstance(document, dict) and "joints" in document and "frames" in document:
        return _own(document, path)
    if isinstance(document, dict) and "annotations" in document and "images" in document:
        return _coco_file(document, path)
    if isinstance(document, dict) and document and all(_is_openpose(d) for d in document.values()):
        return _openpose(document, path)
    raise InputError("unknown form of pose track", file=path, hint=f"Give {_FORMS}")


def _collect(pairs: Iterable[tuple[int, Person]]) -> People:
    people: defaultdict[int, list[Person]] = defaultdict(list)
    for frame, person in pairs:
        if np.isfinite(person.keypoints).any():
            people[frame].append(person)
    return dict(people)


# --- the forms --------------------------------------------------------------------------------


def _own(document: dict[str, Any], path: Path) -> Iterable[tuple[int, Person]]:
    names = _names(document["joints"], path)
    for position, entry in enumerate(_list(document["frames"], "frames", path)):
        frame = _integer(_field(entry, "frame", path, position), "frame", path)
        rows = _list(_field(entry, "keypoints", path, position), "keypoints", path, frame)
        flat = [v for row in rows for v in (row if isinstance(row, list) else [row] * 3)]
        if any(isinstance(row, list) and len(row) != 3 for row in rows):
            raise InputError("a keypoint is not [x, y, score]", file=path, frame=frame)
        yield frame, _person(names, _triples(flat, names, path, frame))


def _coco_results(document: list[Any], path: Path) -> Iterable[tuple[int, Person]]:
    for position, entry in enumerate(document):
        image = _field(entry, "image_id", path, position)
        frame = _number_in(image, path) if isinstance(image, str) else None
        frame = _integer(image, "image_id", path) if frame is None else frame
        values = _list(_field(entry, "keypoints", path, position), "keypoints", path, frame)
        yield frame, _person(COCO17, _triples(values, COCO17, path, frame))


def _coco_file(document: dict[str, Any], path: Path) -> Iterable[tuple[int, Person]]:
    names = _category_names(document, path)
    frames: dict[str, int] = {}
    for position, image in enumerate(_list(document["images"], "images", path)):
        frames[str(_field(image, "id", path, position))] = _image_frame(image, path, position)
    entries: list[tuple[int, NDArray[np.float64]]] = []
    for position, entry in enumerate(_list(document["annotations"], "annotations", path)):
        image_id = str(_field(entry, "image_id", path, position))
        if image_id not in frames:
            raise InputError(f"annotation {position} names unknown image {image_id}", file=path)
        frame = frames[image_id]
        values = _list(_field(entry, "keypoints", path, position), "keypoints", path, frame)
        entries.append((frame, _triples(values, names, path, frame)))
    visibilities = all(np.isin(triples[:, 2], (0, 1, 2)).all() for _, triples in entries)
    for frame, triples in entries:
        if visibilities:
            triples[triples[:, 2] == 0, :2] = np.nan
            triples[:, 2] /= 2
        yield frame, _person(names, triples)


def _openpose(documents: Mapping[str, Any], mapping: Path | None) -> Iterable[tuple[int, Person]]:
    """Per-frame documents by name; ``mapping`` is their single file, if they share one."""
    for name, document in documents.items():
        path = mapping or Path(name)
        frame = _number_in(name, path)
        if not _is_openpose(document):
            raise InputError("not an OpenPose frame: no 'people'", file=path, frame=frame)
        for person in _list(document["people"], "people", path, frame):
            values = _field(person, "pose_keypoints_2d", path, frame)
            values = _list(values, "pose_keypoints_2d", path, frame)
            names = OPENPOSE_COCO18 if len(values) == 3 * 18 else OPENPOSE_BODY25
            triples = _triples(values, names, path, frame)
            triples[triples[:, 2] == 0, :2] = np.nan
            yield frame, _person(names, triples)


def _is_openpose(document: Any) -> bool:
    return isinstance(document, dict) and "people" in document


# --- pieces of the forms ----------------------------------------------------------------------


def _person(names: Sequence[str], triples: NDArray[np.float64]) -> Person:
    points = np.where(np.isfinite(triples).all(axis=1, keepdims=True), triples[:, :2], np.nan)
    score = np.clip(np.nan_to_num(triples[:, 2]), 0, 1)
    keypoints, confidence = to_skeleton(names, points, score)
    seen = points[np.isfinite(points).all(axis=1)]
    box = np.concatenate([seen.min(0), seen.max(0)]) if len(seen) else np.full(4, np.nan)
    return Person(keypoints, confidence, box)


def _triples(
    values: Sequence[Any], names: Sequence[str], path: Path, frame: int
) -> NDArray[np.float64]:
    """(J, 3) from a flat list; null becomes NaN."""
    if len(values) != 3 * len(names):
        raise InputError(
            f"{len(values)} values where {len(names)} joints need {3 * len(names)}",
            file=path,
            frame=frame,
            hint="Every joint is x, y, score",
        )
    for position, value in enumerate(values):
        if value is not None and not _is_number(value):
            raise InputError(
                f"{str(value)[:40]!r} is not a number of pixels or a score",
                file=path,
                frame=frame,
                joint=names[position // 3],
            )
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64).reshape(-1, 3)


def _is_number(value: Any) -> bool:
    """NaN is one: it marks a missing joint."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and not abs(value) > _FARTHEST


def _category_names(document: dict[str, Any], path: Path) -> Sequence[str]:
    categories = _list(document.get("categories") or [], "categories", path)
    first = categories[0] if categories and isinstance(categories[0], dict) else {}
    names = first.get("keypoints")
    return _names(names, path) if names else COCO17


def _names(value: Any, path: Path) -> list[str]:
    names = [str(name).strip().lower() for name in _list(value, "joints", path)]
    absent = missing_joints(names)
    if len(set(names)) != len(names):
        raise InputError("a joint is named twice", file=path)
    if absent:
        raise InputError(
            f"{', '.join(absent)} can neither be read nor derived from the named joints",
            file=path,
            hint="Joints are matched by name, such as left_knee; see dance_models/skeleton.py",
        )
    return names


def _image_frame(image: Any, path: Path, position: int) -> int:
    for key in ("frame_index", "frame_id"):
        if isinstance(image, dict) and key in image:
            return _integer(image[key], key, path)
    return _number_in(str(_field(image, "file_name", path, position)), path)


def _number_in(name: str, path: Path) -> int:
    """The last number in a file name: ``dance_000012_keypoints.json`` is frame 12."""
    numbers = re.findall(r"\d+", re.sub(r"_keypoints$", "", Path(name).stem))
    if not numbers:
        raise InputError(f"{name!r} holds no frame number", file=path)
    return int(numbers[-1])


def _field(entry: Any, key: str, path: Path, position: int) -> Any:
    if not isinstance(entry, dict) or key not in entry:
        raise InputError(f"entry {position} has no {key!r}", file=path)
    return entry[key]


def _list(value: Any, what: str, path: Path, frame: int | None = None) -> list[Any]:
    if not isinstance(value, list):
        raise InputError(f"{what!r} is not a list", file=path, frame=frame)
    return value


def _integer(value: Any, what: str, path: Path) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(f"{what} is {value!r}, not a frame index from 0", file=path)
    return value


def _check_pixels(people: People, path: Path) -> None:
    """Coordinates of a whole clip that all lie within 0..1 are fractions, not pixels."""
    boxes = [person.box for persons in people.values() for person in persons]
    if boxes and np.abs(np.stack(boxes)).max() <= 1:
        raise InputError(
            "coordinates are fractions of the image, not pixels",
            file=path,
            hint="Export the track in pixels (OpenPose: --keypoint_scale 0)",
        )
