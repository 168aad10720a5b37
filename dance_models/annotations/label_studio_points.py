"""The key points of one Label Studio annotation, and whose they are."""

from typing import Any, Final

from dance_models.annotations.canonical import Columns, image_size, number, shown
from dance_models.annotations.parsed_file import Image, ParsedFile
from dance_models.annotations.people import told_apart
from dance_models.errors import InputError

_GROUPS: Final = (
    "Draw a box for each person and put the key points into it (or relate them to it) in Label "
    "Studio, and export JSON"
)


def key_points(
    annotation: dict[str, Any], image: Image, parsed: ParsedFile
) -> list[dict[str, Any]]:
    """The key points among an annotation's results; what else was marked is counted."""
    points = []
    labelled = set()
    others: list[tuple[str, object]] = []
    for _, result in parsed.objects(annotation.get("result") or [], "result"):
        kind = result.get("type")
        if kind == "keypointlabels" or (kind == "labels" and _is_point(result.get("value"))):
            points.append(result)
            labelled.add(_key(result.get("id")))
        elif kind != "relation":  # relations say whose the points are
            others.append((shown(kind), result.get("id")))
    for kind, key in others:
        # <KeyPoint> with <Labels>: the place and the label of a point are two results.
        if not (kind == "'keypoint'" and _key(key) in labelled):
            parsed.count(f"results that are not key points (but {kind})", image)
    return points


def _is_point(value: Any) -> bool:
    return isinstance(value, dict) and {"x", "y"} <= value.keys() and "height" not in value


def people(points: list[dict[str, Any]], results: list[Any]) -> list[list[dict[str, Any]]]:
    """The points of each person: those of one parent region, or related to each other.

    Points that belong to nothing are one person.
    """
    linked = _Linked()
    for result in results:
        if not isinstance(result, dict):
            continue
        if result.get("type") == "relation":
            linked.join(result.get("from_id"), result.get("to_id"))
        elif result.get("parentID") is not None:
            linked.join(result["parentID"], result.get("id"))
    groups: dict[str, list[dict[str, Any]]] = {}
    for point in points:
        groups.setdefault(linked.group(point.get("id")), []).append(point)
    return list(groups.values())


class _Linked:
    """Which regions belong together."""

    def __init__(self) -> None:
        self.parent: dict[str, str] = {}

    def _root(self, key: str) -> str:
        while self.parent.get(key, key) != key:
            key = self.parent[key]
        return key

    def join(self, one: object, other: object) -> None:
        """Note that two regions belong together."""
        first, second = self._root(_key(one)), self._root(_key(other))
        self.parent[second] = self.parent[first] = first

    def group(self, key: object) -> str:
        """The group of a region; "" for one that belongs to nothing."""
        return self._root(_key(key)) if _key(key) in self.parent else ""


def _key(value: object) -> str:
    """An id as a key; ids are texts, but JSON may hold anything."""
    return value if isinstance(value, str) else shown(value)


def size_of(points: list[dict[str, Any]]) -> tuple[float, float] | None:
    """The original image's size, which all points of an annotation must share; None where no
    point states it.

    Raises InputError when they differ.
    """
    sizes = [image_size(p.get("original_width"), p.get("original_height")) for p in points]
    if any(size != sizes[0] for size in sizes):
        raise InputError("its points do not give one original_width and original_height")
    return sizes[0]


def columns(results: list[dict[str, Any]], size: tuple[float, float] | None) -> Columns:
    """Names and points of one person in pixels, in fractions of the image without a size.

    Raises InputError.
    """
    names, points = [], []
    width, height = size or (1.0, 1.0)
    for result in results:
        if result.get("image_rotation"):
            raise InputError("the image was rotated in the tool", hint="Turn it back and export")
        value = result.get("value")
        if not isinstance(value, dict):
            raise InputError(f"{shown(value)} is not a key point")
        labels = value.get("keypointlabels", value.get("labels"))
        if not isinstance(labels, list) or len(labels) != 1 or not isinstance(labels[0], str):
            raise InputError(f"a key point has the labels {shown(labels)} where one is needed")
        x, y = number(value.get("x"), labels[0]), number(value.get("y"), labels[0])
        if not (-10 <= x <= 110 and -10 <= y <= 110):
            raise InputError(f"({x}, {y}) is not a percentage", joint=labels[0])
        names.append(labels[0])
        points.append((x / 100 * width, y / 100 * height, 2))
    told_apart(names, _GROUPS)
    return names, points
