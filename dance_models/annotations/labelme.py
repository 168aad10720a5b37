"""labelme: one JSON an image, point shapes by label, people distinguished by ``group_id``."""

import json
from functools import partial
from typing import Any

from dance_models.annotations.canonical import Columns, image_size, shown
from dance_models.annotations.image_names import UnnamedImageError
from dance_models.annotations.parsed_file import Image, ParsedFile
from dance_models.errors import InputError


def is_labelme(data: Any) -> bool:
    """Whether loaded JSON is a labelme file."""
    return isinstance(data, dict) and "shapes" in data and "imagePath" in data


def parse_labelme(data: dict[str, Any], parsed: ParsedFile) -> None:
    """Parse the points of one image; the flag ``occluded`` makes a joint visibility 1.

    Raises InputError when the shapes are no list.
    """
    try:
        image = _image(data, parsed)
    except UnnamedImageError as error:
        parsed.count_unnamed(error, "annotations")
        return
    except InputError as error:
        shapes = data["shapes"]
        lost = len(shapes) if isinstance(shapes, list) else 0
        parsed.add_problem(f"{error}; its {lost} shapes were left out")
        return
    people: dict[str, list[dict[str, Any]]] = {}
    for _, shape in parsed.objects(data["shapes"], "shapes"):
        kind = shape.get("shape_type")
        if kind == "point":
            # Any JSON value can be a key as text.
            people.setdefault(json.dumps(shape.get("group_id")), []).append(shape)
        else:
            parsed.count(f"shapes that are not points (but {shown(kind)})", image)
    for points in people.values():
        parsed.add_pose(image, partial(_columns, points))


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
    return names, [_point(shape) for shape in shapes]


def _point(shape: dict[str, Any]) -> tuple[object, object, int]:
    joint, points, flags = str(shape.get("label", "")), shape.get("points"), shape.get("flags")
    if not isinstance(points, list) or len(points) != 1:
        raise InputError(f"{shown(points)} is not one point", joint=joint)
    if not isinstance(points[0], list) or len(points[0]) != 2:
        raise InputError(f"{shown(points[0])} is not a point", joint=joint)
    occluded = isinstance(flags, dict) and bool(flags.get("occluded"))
    return points[0][0], points[0][1], 1 if occluded else 2
