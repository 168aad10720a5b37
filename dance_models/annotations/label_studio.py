"""Label Studio: key points in percent of the original image, joint names as labels."""

from functools import partial
from typing import Any

from dance_models.annotations.canonical import Columns, image_size, number, shown
from dance_models.annotations.image_names import UnnamedImageError
from dance_models.annotations.parsed_file import Image, ParsedFile
from dance_models.errors import InputError


def _is_task(value: Any) -> bool:
    kinds = {"annotations", "completions", "predictions"}  # completions: before version 1.0
    return isinstance(value, dict) and "data" in value and bool(kinds & value.keys())


def is_label_studio(data: Any) -> bool:
    """Whether loaded JSON is a Label Studio export: a list of tasks."""
    return isinstance(data, list) and any(map(_is_task, data))


def parse_label_studio(data: list[Any], parsed: ParsedFile) -> None:
    """Parse the first annotation of every task that has key points and was not cancelled."""
    for index, task in parsed.objects(data, "tasks"):
        try:
            name = _image_name(task)
            image = Image(*parsed.identity_of(name), name)
        except UnnamedImageError as error:
            parsed.count_unnamed(error, "tasks")
            continue
        except InputError as error:
            which = shown(task.get("id", f"number {index}"))
            parsed.add_problem(f"task {which} was left out: {error}")
            continue
        try:
            _parse_task(task, image, parsed)
        except InputError as error:
            parsed.add_problem(f"the task was left out: {error}", image)


def _image_name(task: dict[str, Any]) -> str:
    """The image's path or address."""
    data = task.get("data")
    values = [v for v in data.values() if isinstance(v, str)] if isinstance(data, dict) else []
    if not values:
        raise InputError("the task names no image")
    return values[0]


def _parse_task(task: dict[str, Any], image: Image, parsed: ParsedFile) -> None:
    kind = "annotations" if task.get("annotations") else "completions"
    usable = []
    for _, annotation in parsed.objects(task.get(kind) or [], kind):
        if annotation.get("was_cancelled"):
            parsed.count("annotations that were cancelled", image)
        elif points := _key_points(annotation, image, parsed):
            usable.append((points, annotation.get("completed_by", "")))
    predictions = task.get("predictions")
    if isinstance(predictions, list) and predictions:
        what = "predictions (submit the correct ones as annotations)"
        parsed.count(what, image, len(predictions))
    if not usable:
        parsed.count("tasks without a usable annotation", image, action="empty")
    if len(usable) > 1:
        parsed.add_problem(f"the task has {len(usable)} annotations; the first was read", image)
    if usable:
        points, who = usable[0]
        size = _size(points)
        image = Image(image.clip, image.frame, image.name, size)
        parsed.add_pose(image, partial(_columns, points, size), who)


def _key_points(
    annotation: dict[str, Any], image: Image, parsed: ParsedFile
) -> list[dict[str, Any]]:
    """The key points among an annotation's results; the others are counted."""
    points = []
    for _, result in parsed.objects(annotation.get("result") or [], "result"):
        if result.get("type") == "keypointlabels":
            points.append(result)
        else:
            kind = shown(result.get("type"))
            parsed.count(f"results that are not key points (but {kind})", image)
    return points


def _size(points: list[dict[str, Any]]) -> tuple[float, float]:
    """The original image's size, which all points of an annotation must share."""
    sizes = [image_size(p.get("original_width"), p.get("original_height")) for p in points]
    if sizes[0] is None or any(size != sizes[0] for size in sizes):
        raise InputError("its points do not give one original_width and original_height")
    return sizes[0]


def _columns(results: list[dict[str, Any]], size: tuple[float, float]) -> Columns:
    names, points = [], []
    for result in results:
        if result.get("image_rotation"):
            raise InputError("the image was rotated in the tool", hint="Turn it back and export")
        value = result.get("value")
        if not isinstance(value, dict):
            raise InputError(f"{shown(value)} is not a key point")
        labels = value.get("keypointlabels")
        if not isinstance(labels, list) or len(labels) != 1 or not isinstance(labels[0], str):
            raise InputError(f"a key point has the labels {shown(labels)} where one is needed")
        x, y = number(value.get("x"), labels[0]), number(value.get("y"), labels[0])
        if not (-10 <= x <= 110 and -10 <= y <= 110):
            raise InputError(f"({x}, {y}) is not a percentage", joint=labels[0])
        names.append(labels[0])
        points.append((x / 100 * size[0], y / 100 * size[1], 2))
    return names, points
