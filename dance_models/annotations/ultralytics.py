"""Ultralytics pose labels (YOLO): one ``.txt`` an image, a line a person, fractions of the image.

A line is ``class x y width height`` and then ``x y [visibility]`` of each key point. The data set's
YAML, in the label's folder or above it, says how many key points there are and what they are
called.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import PurePath
from typing import Any, Final

from dance_models.annotations.beside import IMAGE_SUFFIXES, read_above, size_beside
from dance_models.annotations.canonical import Columns, number, shown
from dance_models.annotations.parsed_file import Image, ParsedFile
from dance_models.errors import InputError

# The order of COCO's 17 key points, which Ultralytics' own models have.
COCO_17: Final = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee",
    "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
_COCO_FLIP: Final = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
_NAME_KEYS: Final = ("kpt_names", "keypoint_names", "keypoints", "node_names")
_BOX: Final = 5  # numbers before the key points: class and box
_LEVELS: Final = 4  # data/labels/train/clip/FILE
_YAML: Final = (".yaml", ".yml")
_NAMES: Final = (
    "Add the joint names to the data set's YAML, as in `kpt_names: {0: [left_knee, ...]}`"
)


def _numbers(line: str) -> list[float] | None:
    try:
        return [float(word) for word in line.split()]
    except ValueError:
        return None


def _rows(text: str) -> list[list[float]] | None:
    """The numbers of each line; None when this cannot be a YOLO label."""
    rows = []
    for line in text.splitlines():
        if line.strip():
            row = _numbers(line)
            if row is None or len(row) < _BOX or row[0] != int(max(min(row[0], 1e6), -1e6)):
                return None
            rows.append(row)
    return rows or None


def is_yolo_pose(text: str) -> bool:
    """Whether text is a YOLO label with key points."""
    rows = _rows(text)
    # Four corners of a turned box are nine numbers.
    return rows is not None and all(len(row) >= 11 for row in rows)


def is_yolo_boxes(text: str) -> bool:
    """Whether text is a YOLO label with boxes alone."""
    rows = _rows(text)
    return rows is not None and all(
        len(row) in {5, 6, 9} and all(-0.5 <= value <= 1.5 for value in row[1:]) for row in rows
    )


@dataclass(frozen=True)
class _DataSet:
    """What the YAML says of the key points."""

    count: int
    values: int  # numbers a key point: 2, or 3 with visibility
    names: dict[int, list[object]]  # by class

    def joints(self, of: int) -> list[object]:
        """The joint names of a class. Raises InputError when they are not known."""
        names = self.names.get(of, self.names.get(-1))
        if names is None:
            raise InputError(f"nothing names the {self.count} key points", hint=_NAMES)
        if len(names) != self.count:
            raise InputError(f"{len(names)} joint names where kpt_shape has {self.count}")
        return names


def parse_ultralytics(text: str, parsed: ParsedFile) -> None:
    """Parse one label file; a point without visibility at (0, 0) is absent.

    Raises InputError when the data set's YAML is missing or does not name the joints.
    """
    rows = _rows(text) or []
    data_set = _data_set(parsed.file, rows)
    stem = PurePath(parsed.file).stem
    try:
        clip, frame = parsed.identity_of(parsed.file)
    except InputError as error:
        parsed.count_unnamed(error, "people", len(rows))
        return
    size = size_beside(parsed.file, _images(parsed.file, stem))
    image = Image(clip, frame, stem, size, fractions=size is None)
    for row in rows:
        parsed.add_pose(image, partial(_columns, row, data_set, size or (1.0, 1.0)))


def _images(file: str, stem: str) -> Iterator[str]:
    """Where the image of a label may lie: beside it, or in images/ for labels/."""
    folder = PurePath(file).parent
    parts = folder.parts
    places = [folder]
    for index, part in enumerate(parts):
        if part.lower() == "labels":
            places.append(PurePath(*parts[:index], "images", *parts[index + 1 :]))
    return (str(place / (stem + suffix)) for place in places for suffix in IMAGE_SUFFIXES)


def _columns(row: list[float], data_set: _DataSet, size: tuple[float, float]) -> Columns:
    values, step = row[_BOX:], data_set.values
    if len(values) != step * data_set.count:
        raise _miscounted(len(values), data_set)
    names = data_set.joints(int(row[0]))
    points: list[tuple[object, object, object]] = []
    for name, at in zip(names, range(0, len(values), step), strict=True):
        x, y, *rest = values[at : at + step]
        seen = rest[0] if rest else 2.0 * ((x, y) != (0, 0))
        if seen not in {0, 1, 2}:
            raise InputError(
                f"{shown(seen)} is a confidence, not a visibility: a model's predictions",
                joint=str(name),
                hint="Give poses of a model with --tracks",
            )
        if seen and not (-0.1 <= x <= 1.1 and -0.1 <= y <= 1.1):
            raise InputError(f"({x:g}, {y:g}) is not a fraction of the image", joint=str(name))
        points.append((number(x, "") * size[0], number(y, "") * size[1], int(seen)))
    return names, points


def _miscounted(found: int, data_set: _DataSet) -> InputError:
    """The error of a line with so many numbers of key points; one more is a confidence, mostly."""
    need, other = data_set.values * data_set.count, 5 - data_set.values
    points = f"{found // other} key points with{'out' if other == 2 else ''} visibility"
    if found == need + 1 and found % other:
        return InputError(
            "the line ends in a confidence: a model's predictions, not annotations",
            hint="Give poses of a model with --tracks",
        )
    message = f"{found} numbers of key points where the data set's YAML needs {need}"
    if found == need + 1:
        return InputError(
            f"{message}: they are {points}, or the line ends in a confidence, as a model's "
            "predictions do",
            hint="Mend kpt_shape in the YAML, or give poses of a model with --tracks",
        )
    likely = f": they are {points}, perhaps" if found % other == 0 else ""
    return InputError(message + likely, hint="Mend kpt_shape in the YAML" if likely else None)


def _data_set(file: str, rows: list[list[float]]) -> _DataSet:
    """The nearest YAML that describes key points, or COCO's 17 where there is none.

    Raises InputError when neither fits.
    """
    for name, data in read_above(file, _YAML, _LEVELS):
        described = _described_in(data, name)
        if described is not None:
            return described
    if all(len(row) == _BOX + 3 * len(COCO_17) for row in rows):
        return _DataSet(len(COCO_17), 3, {-1: list(COCO_17)})
    raise InputError(
        "no YAML with kpt_shape lies in its folder or above it, which says what the key points are",
        hint="Keep the data set's data.yaml above the labels",
    )


def is_description(data: bytes) -> bool:
    """Whether this is the YAML of a pose data set, which is read with its labels."""
    return re.search(rb"^kpt_shape\s*:", data, re.MULTILINE) is not None


@lru_cache(maxsize=8)
def _described_in(data: bytes, name: str) -> _DataSet | None:
    """What a YAML says; None for one of another kind. Raises InputError.

    The labels of a data set share it, so it is loaded once.
    """
    import yaml

    try:
        document = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{name} is not YAML ({type(error).__name__})") from error
    if isinstance(document, dict) and "kpt_shape" in document:
        return _described(document, name)
    return None


def _described(document: dict[Any, Any], name: str) -> _DataSet:
    shape = document["kpt_shape"]
    if not (
        isinstance(shape, list)
        and len(shape) == 2
        and all(isinstance(n, int) and not isinstance(n, bool) for n in shape)
        and shape[1] in {2, 3}
        and 1 <= shape[0] <= 1000
    ):
        raise InputError(f"kpt_shape of {name} is {shown(shape)}, not [joints, 2 or 3]")
    names = _joint_names(document)
    if not names and shape[0] == len(COCO_17):
        flip = document.get("flip_idx")
        if flip is not None and flip != _COCO_FLIP:
            raise InputError(
                f"flip_idx of {name} is not that of COCO's 17 key points, and nothing names them",
                hint=_NAMES,
            )
        names = {-1: list(COCO_17)}
    return _DataSet(shape[0], shape[1], names)


def _joint_names(document: dict[Any, Any]) -> dict[int, list[object]]:
    """Joint names by class; -1 for all classes."""
    value = next((document[key] for key in _NAME_KEYS if key in document), None)
    if isinstance(value, list):
        return {-1: value}
    if not isinstance(value, dict):
        return {}
    if all(isinstance(names, list) for names in value.values()):
        return {key: names for key, names in value.items() if isinstance(key, int)}
    if all(isinstance(key, int) for key in value):  # {0: nose, 1: left_eye, ...}
        return {-1: [value[key] for key in sorted(value)]}
    return {}
