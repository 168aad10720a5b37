"""labelme: one JSON an image, point shapes by label, people told apart by ``group_id``."""

from functools import partial
from typing import Any

from dance_models.annotations.canonical import (
    MALFORMED,
    Reading,
    identity_of,
    named_joints,
    stated_size,
)
from dance_models.errors import InputError


def is_labelme(data: Any) -> bool:
    """Whether parsed JSON is a labelme file."""
    return isinstance(data, dict) and "shapes" in data and "imagePath" in data


def read_labelme(data: dict[str, Any], reading: Reading) -> None:
    """Read the points of one image; the flag ``occluded`` makes a joint visibility 1."""
    try:
        identity = identity_of(data["imagePath"])
    except (InputError, *MALFORMED):
        try:  # labelme keeps the bare name; its own file lies in the clip's folder
            identity = identity_of(f"{reading.file}".rsplit(".", 1)[0] + ".jpg")
        except (InputError, *MALFORMED) as error:
            reading.problem(str(error))
            return
    size = stated_size(data.get("imageWidth"), data.get("imageHeight"))
    people: dict[str, list[dict[str, Any]]] = {}
    for shape in data["shapes"]:
        if isinstance(shape, dict) and shape.get("shape_type") == "point":
            people.setdefault(repr(shape.get("group_id")), []).append(shape)
        else:
            reading.skip("shapes that are not points")
    for shapes in people.values():
        reading.add(identity, partial(_joints, shapes), size=size)


def _joints(shapes: list[dict[str, Any]]) -> dict[str, tuple[float, float, int]]:
    points = []
    for shape in shapes:
        (x, y), *_ = shape["points"]
        occluded = bool((shape.get("flags") or {}).get("occluded"))
        points.append((x, y, 1 if occluded else 2))
    return named_joints([shape.get("label", "") for shape in shapes], points)
