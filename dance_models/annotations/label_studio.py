"""Label Studio: key points in percent of the original image, joint names as labels."""

import re
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

from dance_models.annotations.canonical import (
    MALFORMED,
    Reading,
    identity_of,
    named_joints,
    number,
    stated_size,
)
from dance_models.errors import InputError


def is_label_studio(data: Any) -> bool:
    """Whether parsed JSON is a Label Studio export: a list of tasks."""
    return (
        isinstance(data, list)
        and bool(data)
        and isinstance(data[0], dict)
        and "data" in data[0]
        and ("annotations" in data[0] or "completions" in data[0])
    )


def _image_name(task: dict[str, Any]) -> str:
    """The image's path without the address or the prefix that an upload gets."""
    values = [v for v in task["data"].values() if isinstance(v, str)]
    if not values:
        raise InputError("the task names no image")
    url = urlparse(values[0])
    name = parse_qs(url.query).get("d", [unquote(url.path)])[0]
    folder, _, stem = name.rpartition("/")
    return f"{folder}/{re.sub(r'^[0-9a-f]{8}-', '', stem)}"


def read_label_studio(data: list[Any], reading: Reading) -> None:
    """Read the first annotation of every task that was not cancelled."""
    for number_of, task in enumerate(data):
        try:
            _read_task(task, reading)
        except (InputError, *MALFORMED) as error:
            name = task.get("id", number_of) if isinstance(task, dict) else number_of
            reading.problem(f"task {name} was left out: {error}")


def _read_task(task: dict[str, Any], reading: Reading) -> None:
    """Read one task. Raises InputError, or what a malformed one raises."""
    clip, frame = identity_of(_image_name(task))
    every = task.get("annotations") or task.get("completions") or []
    done = [a for a in every if not a.get("was_cancelled")]
    if len(done) < len(every):
        reading.skip("annotations that were cancelled", len(every) - len(done))
    if not done:
        reading.skip("tasks without an annotation that stands (predictions do not count)")
        return
    if len(done) > 1:
        reading.problem(
            f"the task has {len(done)} annotations; the first was read", clip=clip, frame=frame
        )
    results = done[0].get("result", [])
    points = [r for r in results if r.get("type") == "keypointlabels"]
    if len(points) < len(results):
        reading.skip("results that are not key points", len(results) - len(points))
    if points:
        size = stated_size(points[0].get("original_width"), points[0].get("original_height"))
        who = str(done[0].get("completed_by", ""))
        reading.add((clip, frame), partial(_joints, points), who, size)


def _joints(results: list[dict[str, Any]]) -> dict[str, tuple[float, float, int]]:
    names, points = [], []
    for result in results:
        if result.get("image_rotation"):
            raise InputError("the image was rotated in the tool", hint="Turn it back and export")
        value = result["value"]
        name = str((value.get("keypointlabels") or [""])[0])
        x, y = number(value.get("x"), name), number(value.get("y"), name)
        if not (-10 <= x <= 110 and -10 <= y <= 110):
            raise InputError(f"({x}, {y}) is not a percentage", joint=name)
        width = number(result.get("original_width"), name)
        height = number(result.get("original_height"), name)
        names.append(name)
        points.append((x / 100 * width, y / 100 * height, 2))
    return named_joints(names, points)
