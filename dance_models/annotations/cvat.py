"""CVAT XML (images 1.1 and video 1.1): skeletons whose points carry joint names."""

from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from dance_models.annotations.canonical import Reading, identity_of, named_joints
from dance_models.errors import AnnotationError, InputError
from dance_models.video.scan import clip_slug


def parse_xml(path: Path) -> ElementTree.Element:
    """Parse a file that declares no entities: an entity can expand to gigabytes."""
    text = path.read_bytes()
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise AnnotationError(
            "XML with a document type is refused", file=path, hint="Export it again from CVAT"
        )
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise AnnotationError(f"this is not XML ({error})", file=path) from error


def read_cvat(root: ElementTree.Element, reading: Reading) -> None:
    """Read images and tracks; ``outside`` is absent, ``occluded`` is visibility 1."""
    for image in root.iter("image"):
        try:
            identity = identity_of(image.get("name", ""))
        except InputError as error:
            reading.problem(f"an image was left out: {error}")
            continue
        for skeleton in image.iter("skeleton"):
            reading.add(identity, partial(_joints, skeleton))
        loose = list(image.findall("points"))
        if loose:
            reading.add(identity, partial(_named, loose))
    source = root.findtext(".//source") or root.findtext(".//name") or ""
    for track in root.iter("track"):
        for skeleton in track.findall("skeleton"):
            try:
                identity = (clip_slug(source), int(skeleton.get("frame", "")))
            except (InputError, ValueError):
                reading.problem("a track names neither its video nor its frame; it was left out")
                break
            if skeleton.get("outside") != "1":
                reading.add(identity, partial(_joints, skeleton))


def _joints(skeleton: ElementTree.Element) -> dict[str, tuple[float, float, int]]:
    return _named(list(skeleton.findall("points")))


def _named(elements: list[ElementTree.Element]) -> dict[str, tuple[float, float, int]]:
    names = [element.get("label", "") for element in elements]
    return named_joints(names, [_point(element) for element in elements])


def _point(element: ElementTree.Element) -> tuple[Any, Any, int]:
    visibility = 2
    if element.get("occluded") == "1":
        visibility = 1
    if element.get("outside") == "1":
        visibility = 0
    joint = element.get("label", "")
    try:
        x, y = (float(v) for v in element.get("points", "").split(";")[0].split(","))
    except ValueError as error:
        raise InputError(f"{element.get('points')!r} is not a point", joint=joint) from error
    return x, y, visibility
