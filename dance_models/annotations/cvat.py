"""CVAT XML (images 1.1, video 1.1): skeletons whose points carry joint names, or single points.

Points without a skeleton belong to one person, or to one for each value of ``group_id``. In a video
each has a track of its own, labelled with its joint.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final
from xml.etree.ElementTree import Element

from dance_models.annotations.canonical import (
    Columns,
    canonical_joint,
    face_joint,
    image_size,
    shown,
)
from dance_models.annotations.image_names import UnnamedImageError
from dance_models.annotations.parsed_file import Image, ParsedFile
from dance_models.errors import InputError

OTHER: Final = "shapes that are neither skeletons nor points"
OUTSIDE: Final = "skeletons that are outside the picture"

# Points of tracks by frame and person.
_Loose = dict[tuple[Image, str], list[Element]]


def is_cvat(root: Element) -> bool:
    """Whether loaded XML is a CVAT export."""
    return root.tag == "annotations"


def parse_cvat(root: Element, parsed: ParsedFile) -> None:
    """Parse images and tracks; ``outside`` is absent, ``occluded`` is visibility 1."""
    loose: _Loose = {}
    tasks = _Tasks(root)
    for element in root:
        if element.tag == "image":
            _parse_image(tasks, element, parsed)
        elif element.tag == "track":
            _parse_track(tasks, element, parsed, loose)
        elif element.tag not in {"version", "meta", "source", "dumped"}:
            parsed.count(f"elements <{element.tag}>")
    for (image, _), points in loose.items():
        parsed.add_pose(image, partial(_columns, points))


def _parse_image(tasks: "_Tasks", element: Element, parsed: ParsedFile) -> None:
    name = element.get("name", "")
    try:
        videos = tasks.of(element).videos
    except InputError:
        videos = ("", "")  # then the image's own name has to do
    try:
        clip, frame = parsed.identity_of(name, videos=videos)
        image = Image(clip, frame, name, _size(element.get("width"), element.get("height")))
    except UnnamedImageError as error:
        if len(element):
            parsed.count_unnamed(error, "annotations", _people(element))
        return
    except InputError as error:
        what = f"image {shown(name)} was left out with {len(element)} shapes: {error}"
        parsed.add_problem(what, rows=_people(element))
        return
    people: dict[str, list[Element]] = {}
    for shape in element:
        if shape.tag == "skeleton":
            _parse_skeleton(shape, image, parsed)
        elif shape.tag == "points":
            people.setdefault(_group(shape), []).append(shape)
        else:
            parsed.count(f"{OTHER} (but <{shape.tag}>)", image)
    for points in people.values():
        parsed.add_pose(image, partial(_columns, points))


def _people(image: Element) -> int:
    """How many annotations the shapes of an image are, at least one."""
    groups = {_group(shape) for shape in image if shape.tag == "points"}
    return max(len(image.findall("skeleton")) + len(groups), 1)


def _group(element: Element) -> str:
    """The number that CVAT gives to the shapes of one person; "0" where none was grouped."""
    return element.get("group_id") or "0"


def _parse_track(tasks: "_Tasks", track: Element, parsed: ParsedFile, loose: _Loose) -> None:
    what = f"track {shown(track.get('id'))}"
    try:
        task = tasks.of(track)
        videos = task.videos
        clip = parsed.clip_of(*videos)
        size = _size(*task.sides)
    except UnnamedImageError as error:
        parsed.count_unnamed(error, "shapes", len(track))
        return
    except InputError as error:
        left = f"{what} was left out with {len(track)} shapes: {error}"
        parsed.add_problem(left, rows=len(track))
        return
    for shape in track:
        frame = shape.get("frame", "")
        if not (frame.isdecimal() and len(frame) <= 18):
            of = shown(shape.get("frame"))
            parsed.add_problem(f"{what}: a <{shape.tag}> of frame {of} of clip {clip} was left out")
            continue
        image = Image(clip, int(frame), next(filter(None, videos), ""), size)
        parsed.frames.setdefault(clip, set()).add(image.frame)
        if shape.tag == "skeleton":
            _parse_skeleton(shape, image, parsed)
        elif shape.tag == "points":
            _add_loose(shape, track, image, parsed, loose)
        else:
            parsed.count(f"{OTHER} (but <{shape.tag}> of {what})", image)


def _add_loose(
    shape: Element, track: Element, image: Image, parsed: ParsedFile, loose: _Loose
) -> None:
    """Collect a point whose track is called like its joint, by frame and person."""
    label = track.get("label", "")
    if canonical_joint(label) is None and face_joint(label) is None:
        what = f"points of track {shown(track.get('id'))} labelled {shown(label)}, which is none of"
        parsed.count(f"{what} our joints", image)
        return
    shape.set("label", label)
    loose.setdefault((image, _group(track)), []).append(shape)


@dataclass(frozen=True)
class _Task:
    """What a task says of its video."""

    videos: tuple[str, str]  # the file that it was made of, "" where it does not say, and its name
    sides: tuple[str | None, str | None]  # width and height of the video

    @classmethod
    def of(cls, element: Element) -> "_Task":
        sides = [element.findtext(f".//original_size/{side}") for side in ("width", "height")]
        videos = element.findtext(".//source") or "", element.findtext(".//name") or ""
        return cls(videos, (sides[0], sides[1]))


class _Tasks:
    """The tasks of a file, looked up once: there may be as many of them as images or tracks."""

    def __init__(self, root: Element) -> None:
        tasks = root.findall("meta//task")
        self._only = _Task.of(root) if len(tasks) < 2 else None
        self._named: dict[str, list[Element]] = {}
        for task in tasks:
            self._named.setdefault(task.findtext("id", ""), []).append(task)
        self._known: dict[str, _Task] = {}

    def of(self, element: Element) -> _Task:
        """The task of a track or image. Raises InputError when it does not name it."""
        if self._only is not None:
            return self._only
        key = element.get("task_id")
        own = self._named.get(key, []) if key is not None else []
        if key is None or len(own) != 1:
            raise InputError(
                f"the file has several tasks, and the {element.tag} does not name its own"
            )
        if key not in self._known:
            self._known[key] = _Task.of(own[0])
        return self._known[key]


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
