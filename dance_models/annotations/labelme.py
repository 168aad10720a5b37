"""labelme: one JSON an image, point shapes by label, people distinguished by ``group_id``."""

import json
from functools import partial
from typing import Any, Final

from dance_models.annotations.canonical import Columns, image_size, shown
from dance_models.annotations.parsed_file import Image, ParsedFile
from dance_models.annotations.people import told_apart
from dance_models.errors import InputError

_GROUPS: Final = "Give the points of each person a group_id of their own in labelme"


def is_labelme(data: Any) -> bool:
    """Whether loaded JSON is a labelme file."""
    return isinstance(data, dict) and "shapes" in data and "imagePath" in data


def parse_labelme(data: dict[str, Any], parsed: ParsedFile) -> None:
    """Parse the points of one image; a person is the points of one ``group_id``.

    The flag ``occluded`` (in X-AnyLabeling ``difficult``) makes a joint visibility 1. Several
    people without ``group_id`` cannot be told apart and are reported. Raises InputError when the
    shapes are no list.
    """
    try:
        image = _image(data, parsed)
    except InputError as error:
        shapes = data["shapes"]
        parsed.count_unnamed(error, "shapes", len(shapes) if isinstance(shapes, list) else 0)
        return
    people: dict[str, list[dict[str, Any]]] = {}
    for _, shape in parsed.objects(data["shapes"], "shapes"):
        if _is_point(shape):
            # Any JSON value can be a key as text.
            people.setdefault(json.dumps(shape.get("group_id")), []).append(shape)
        else:
            kind = shown(shape.get("shape_type"))
            parsed.count(f"shapes that are not points (but {kind})", image)
    for points in people.values():
        parsed.add_pose(image, partial(_columns, points))


def _is_point(shape: dict[str, Any]) -> bool:
    kind, points = shape.get("shape_type"), shape.get("points")
    # Before version 3.16 a shape had no type.
    return kind == "point" or (kind is None and isinstance(points, list) and len(points) == 1)


def _image(data: dict[str, Any], parsed: ParsedFile) -> Image:
    size = image_size(data.get("imageWidth"), data.get("imageHeight"))
    name = data["imagePath"]
    # labelme keeps the bare name; its own file is in the clip's folder. Among registered clips that
    # is found in any format.
    others = [parsed.file] if parsed.reading.clips is None else []
    clip, frame = parsed.identity_of(name, others=others)
    return Image(clip, frame, name if isinstance(name, str) else "", size)


def _columns(shapes: list[dict[str, Any]]) -> Columns:
    names = [shape.get("label", "") for shape in shapes]
    told_apart(names, _GROUPS)
    return names, [_point(shape) for shape in shapes]


def _point(shape: dict[str, Any]) -> tuple[object, object, int]:
    joint, points, flags = str(shape.get("label", "")), shape.get("points"), shape.get("flags")
    if not isinstance(points, list) or len(points) != 1:
        raise InputError(f"{shown(points)} is not one point", joint=joint)
    if not isinstance(points[0], list) or len(points[0]) != 2:
        raise InputError(f"{shown(points[0])} is not a point", joint=joint)
    occluded = isinstance(flags, dict) and bool(flags.get("occluded"))
    return points[0][0], points[0][1], 1 if occluded or shape.get("difficult") is True else 2
