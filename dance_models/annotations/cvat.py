"""CVAT XML (images 1.1 and video 1.1): skeletons whose points carry joint names."""

from functools import partial
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree
from xml.parsers import expat

from dance_models.annotations.canonical import (
    MALFORMED,
    Reading,
    identity_of,
    named_joints,
    stated_size,
)
from dance_models.errors import AnnotationError, InputError
from dance_models.video.scan import clip_slug

OTHER_SHAPES: Final = frozenset({"box", "cuboid", "ellipse", "mask", "polygon", "polyline", "tag"})


def parse_xml(path: Path) -> ElementTree.Element:
    """Parse a file that declares no document type: its entities can expand to gigabytes.

    The parser itself is asked, which knows the file's encoding. Raises AnnotationError.
    """

    def refuse(*_: object) -> None:
        raise AnnotationError(
            "XML with a document type is refused", file=path, hint="Export it again from CVAT"
        )

    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(path.read_bytes(), True)
        return builder.close()
    except (expat.ExpatError, LookupError, ValueError) as error:
        if isinstance(error, AnnotationError):
            raise
        raise AnnotationError(f"this is not XML ({error})", file=path) from error


def read_cvat(root: ElementTree.Element, reading: Reading) -> None:
    """Read images and tracks; ``outside`` is absent, ``occluded`` is visibility 1."""
    for image in root.iter("image"):
        try:
            identity = identity_of(image.get("name", ""))
        except (InputError, *MALFORMED) as error:
            reading.problem(f"an image was left out: {error}")
            continue
        size = stated_size(image.get("width"), image.get("height"))
        for skeleton in image.iter("skeleton"):
            reading.add(identity, partial(_joints, skeleton), size=size)
        loose = list(image.findall("points"))
        if loose:
            reading.add(identity, partial(_named, loose), size=size)
        _skip_other_shapes(image, reading)
    source = root.findtext(".//source") or root.findtext(".//name") or ""
    original = root.find(".//original_size")
    size = (
        None
        if original is None
        else stated_size(original.findtext("width"), original.findtext("height"))
    )
    for track in root.iter("track"):
        _read_track(track, source, size, reading)


def _read_track(
    track: ElementTree.Element, source: str, size: tuple[float, float] | None, reading: Reading
) -> None:
    for skeleton in track.findall("skeleton"):
        try:
            identity = (clip_slug(source), int(skeleton.get("frame", "")))
        except (InputError, *MALFORMED):
            reading.problem("a track names neither its video nor its frame; it was left out")
            return
        if skeleton.get("outside") == "1":
            reading.skip("skeletons that are outside the picture")
        else:
            reading.add(identity, partial(_joints, skeleton), size=size)
    if track.find("points") is not None:
        reading.skip("tracks of points that belong to no skeleton")
    _skip_other_shapes(track, reading)


def _skip_other_shapes(parent: ElementTree.Element, reading: Reading) -> None:
    other = sum(child.tag in OTHER_SHAPES for child in parent)
    if other:
        reading.skip("shapes that are neither skeletons nor points", other)


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
