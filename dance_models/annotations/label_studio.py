"""Label Studio: key points in percent of the original image, joint names as labels.

JSON holds tasks with annotations, JSON_MIN one flat object an annotation; both are read as the same
results.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from dance_models.annotations.canonical import shown
from dance_models.annotations.label_studio_images import image_names, video_names
from dance_models.annotations.label_studio_points import columns, key_points, people, size_of
from dance_models.annotations.parsed_file import Image, ParsedFile
from dance_models.errors import InputError

_KINDS: Final = ("annotations", "completions", "predictions")  # completions: before version 1.0


def _is_task(value: Any) -> bool:
    return isinstance(value, dict) and "data" in value and any(kind in value for kind in _KINDS)


def _is_stored(value: Any) -> bool:
    """Whether this is an annotation with its task, as a target storage receives it."""
    return isinstance(value, dict) and "result" in value and isinstance(value.get("task"), dict)


def is_label_studio(data: Any) -> bool:
    """Whether loaded JSON is a Label Studio export in JSON: a list of tasks, or one of them."""
    many = data if isinstance(data, list) else [data]
    return any(_is_task(one) or _is_stored(one) for one in many)


def is_label_studio_min(data: Any) -> bool:
    """Whether loaded JSON is a Label Studio export in JSON_MIN."""
    return isinstance(data, list) and any(map(_has_regions, data))


def _has_regions(item: Any) -> bool:
    return isinstance(item, dict) and "data" not in item and any(_regions(item))


def _regions(item: dict[str, Any]) -> Iterator[list[Any]]:
    """The lists of marked regions in one object of JSON_MIN."""
    for value in item.values():
        if isinstance(value, list) and any(
            isinstance(one, dict) and any(key.endswith("labels") for key in one) for one in value
        ):
            yield value


def parse_label_studio(data: Any, parsed: ParsedFile) -> None:
    """Parse the first annotation of every task that has key points and was not cancelled."""
    many = data if isinstance(data, list) else [data]
    for index, found in parsed.objects(many, "tasks"):
        stored = _is_stored(found)
        task = {**found["task"], "annotations": [found]} if stored else found
        _parse(task, f"task {shown(task.get('id', f'number {index}'))}", parsed)


def parse_label_studio_min(data: list[Any], parsed: ParsedFile) -> None:
    """Parse JSON_MIN: the first annotation of every task, as from JSON."""
    tasks: dict[str, dict[str, Any]] = {}
    for index, item in parsed.objects(data, "tasks"):
        # Several annotations of a task follow each other with its number.
        name = shown(item.get("id", f"number {index}"))
        texts = {key: value for key, value in item.items() if isinstance(value, str)}
        task = tasks.setdefault(name, {"data": texts, "annotations": []})
        results = [_result(region) for regions in _regions(item) for region in regions]
        done = {"result": results, "completed_by": item.get("annotator")}
        task["annotations"].append(done)
    for name, task in tasks.items():
        _parse(task, f"task {name}", parsed)


def _result(region: Any) -> Any:
    """A region of JSON_MIN as a result of JSON."""
    if not isinstance(region, dict):
        return region
    kind = next((key for key in region if key.endswith("labels")), None)
    sides = {key: region[key] for key in ("original_width", "original_height") if key in region}
    return {"type": kind, "value": region, **sides}


def _parse(task: dict[str, Any], what: str, parsed: ParsedFile) -> None:
    """Parse one task; whatever is wrong with it is reported."""
    try:
        names = image_names(task)
    except InputError as error:
        parsed.add_problem(f"{what} was left out: {error}")
        return
    try:
        clip, frame = parsed.identity_of(names[0], others=names[1:], videos=video_names(task))
    except InputError as error:
        parsed.count_unnamed(error, "tasks")
        return
    image = Image(clip, frame, names[0])
    try:
        _parse_annotations(task, image, parsed)
    except InputError as error:
        parsed.add_problem(f"the task was left out: {error}", image)


def _parse_annotations(task: dict[str, Any], image: Image, parsed: ParsedFile) -> None:
    kind = "annotations" if task.get("annotations") else "completions"
    usable = []
    for _, annotation in parsed.objects(task.get(kind) or [], kind):
        if annotation.get("was_cancelled"):
            parsed.count("annotations that were cancelled", image)
        elif points := key_points(annotation, image, parsed):
            usable.append((points, annotation))
    predictions = task.get("predictions")
    if isinstance(predictions, list) and predictions:
        # An export keeps the predictions that an annotation was made from.
        what = "predictions (submit the correct ones as annotations)"
        parsed.count(what, image, len(predictions), "noted" if usable else "dropped")
    if not usable:
        parsed.count("tasks without a usable annotation", image, action="empty")
        return
    if len(usable) > 1:
        parsed.add_problem(f"the task has {len(usable)} annotations; the first was read", image)
    points, annotation = usable[0]
    size = size_of(points)
    image = Image(image.clip, image.frame, image.name, size, fractions=size is None)
    for person in people(points, annotation["result"]):
        parsed.add_pose(image, partial(columns, person, size), _who(annotation))


def _who(annotation: dict[str, Any]) -> object:
    """The annotator: a number, or in exports with users an object."""
    by = annotation.get("completed_by", "")
    if isinstance(by, dict):
        return by.get("email") or by.get("id", "")
    return "" if by is None else by
