"""CVAT XML (images 1.1 and video 1.1): skeletons whose points carry joint names."""

from functools import partial
from typing import Final
from xml.etree.ElementTree import Element

from dance_models.annotations.canonical import Columns, identity_of, image_size, shown
from dance_models.annotations.parsed_file import Image, ParsedFile
from dance_models.errors import InputError
from dance_models.video.names import clip_slug

OTHER: Final = "shapes that are neither skeletons nor points"
OUTSIDE: Final = "skeletons that are outside the picture"


def is_cvat(root: Element) -> bool:
    """Whether loaded XML is a CVAT export."""
    return root.tag == "annotations"


def parse_cvat(root: Element, parsed: ParsedFile) -> None:
    """Parse images and tracks; ``outside`` is absent, ``occluded`` is visibility 1."""
    for element in root:
        if element.tag == "image":
            _parse_image(element, parsed)
        elif element.tag == "track":
            _parse_track(root, element, parsed)
        elif element.tag not in {"version", "meta", "source", "dumped"}:
            parsed.count(f"elements <{element.tag}>")


def _parse_image(element: Element, parsed: ParsedFile) -> None:
    name = element.get("name", "")
    try:
        image = Image(*identity_of(name), name, _size(element.get("width"), element.get("height")))
    except InputError as error:
        parsed.add_problem(f"image {shown(name)} was left out with {len(element)} shapes: {error}")
        return
    for shape in element:
        if shape.tag == "skeleton":
            _parse_skeleton(shape, image, parsed)
        elif shape.tag != "points":
            parsed.count(f"{OTHER} (but <{shape.tag}>)", image)
    loose = element.findall("points")
    if loose:
        parsed.add_pose(image, partial(_columns, loose))


def _parse_track(root: Element, track: Element, parsed: ParsedFile) -> None:
    what = f"track {shown(track.get('id'))}"
    try:
        task = _task(root, track)
        source = task.findtext(".//source") or task.findtext(".//name") or ""
        clip = clip_slug(source)
        sides = (task.findtext(f".//original_size/{side}") for side in ("width", "height"))
        size = _size(*sides)
    except InputError as error:
        parsed.add_problem(f"{what} was left out with {len(track)} shapes: {error}")
        return
    for shape in track:
        frame = shape.get("frame", "")
        if not (frame.isdecimal() and len(frame) <= 18):
            of = shown(shape.get("frame"))
            parsed.add_problem(f"{what}: a <{shape.tag}> of frame {of} of clip {clip} was left out")
            continue
        image = Image(clip, int(frame), source, size)
        if shape.tag == "skeleton":
            _parse_skeleton(shape, image, parsed)
        elif shape.tag == "points":
            parsed.count(f"points of {what}, which belong to no skeleton", image)
        else:
            parsed.count(f"{OTHER} (but <{shape.tag}> of {what})", image)


def _task(root: Element, track: Element) -> Element:
    """The element that names a track's video: the root, or one of several tasks.

    Raises InputError when the track does not name its task.
    """
    tasks = root.findall("meta//task")
    if len(tasks) < 2:
        return root
    own = [task for task in tasks if task.findtext("id", "") == track.get("task_id")]
    if len(own) != 1:
        raise InputError("the file has several tasks, and the track does not name its own")
    return own[0]


def _size(width: str | None, height: str | None) -> tuple[float, float] | None:
    try:
        return image_size(*(None if side is None else float(side) for side in (width, height)))
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{shown(width)} x {shown(height)} is not a size") from error


def _parse_skeleton(skeleton: Element, image: Image, parsed: ParsedFile) -> None:
    if skeleton.get("outside") == "1":
        parsed.count(OUTSIDE, image, action="empty")
        return
    for child in skeleton:
        if child.tag not in {"points", "attribute"}:
            parsed.count(f"parts <{child.tag}> of skeletons, which are no points", image)
    points = skeleton.findall("points")
    if points:
        parsed.add_pose(image, partial(_columns, points))
    else:
        parsed.count("skeletons without points", image, action="empty")


def _columns(elements: list[Element]) -> Columns:
    return [element.get("label", "") for element in elements], [_point(e) for e in elements]


def _point(element: Element) -> tuple[float, float, int]:
    if element.get("outside") == "1":
        return 0.0, 0.0, 0
    text, joint = element.get("points", ""), element.get("label", "")
    try:
        x, y = (float(value) for value in text.split(","))
    except ValueError as error:
        raise InputError(f"{shown(text)} is not one point", joint=joint) from error
    return x, y, 1 if element.get("occluded") == "1" else 2
