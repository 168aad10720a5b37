"""Which format an annotation file has, recognised by its content; one line a format.

To add a format, write a file like ``labelme.py`` with a function that recognises the loaded content
and one that parses it, declare it in ``formats.py`` and add a line to ``READERS``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final

from dance_models.annotations.beside import IMAGE_SUFFIXES
from dance_models.annotations.coco import is_coco, parse_coco
from dance_models.annotations.content import (
    Content,
    Kind,
    decoded,
    load_content,
    read_content,
)
from dance_models.annotations.cvat import is_cvat, parse_cvat
from dance_models.annotations.deeplabcut import (
    is_deeplabcut,
    is_deeplabcut_hdf,
    is_deeplabcut_multi,
    is_deeplabcut_project,
    parse_deeplabcut,
    parse_deeplabcut_hdf,
)
from dance_models.annotations.formats import ANNOTATION_FORMATS
from dance_models.annotations.image_names import Reading
from dance_models.annotations.label_studio import (
    is_label_studio,
    is_label_studio_min,
    parse_label_studio,
    parse_label_studio_min,
)
from dance_models.annotations.labelme import is_labelme, parse_labelme
from dance_models.annotations.other_tools import OTHER_TOOLS
from dance_models.annotations.parsed_file import ParsedFile
from dance_models.annotations.posetrack import is_posetrack, parse_posetrack
from dance_models.annotations.sleap import is_sleap, parse_sleap
from dance_models.annotations.ultralytics import is_description, is_yolo_pose, parse_ultralytics
from dance_models.annotations.variants import (
    is_coco_17,
    is_cvat_images,
    is_cvat_point_tracks,
    is_label_studio_coco,
    is_roboflow,
)
from dance_models.errors import AnnotationError, InputError, guarded
from dance_models.files import open_file, read_file
from dance_models.formats import Format, not_read
from dance_models.video.scan import VIDEO_SUFFIXES


@dataclass(frozen=True)
class Reader:
    """How one format is read. ``parse`` raises InputError when a file cannot be used as a whole."""

    format: str  # its id in ``formats.py``
    kind: Kind
    recognises: Callable[[Any], bool]  # the loaded content
    parse: Callable[[Any, ParsedFile], None]  # the loaded content, into the file


# The first that recognises the content parses it: PoseTrack18 is COCO with more fields.
READERS: Final = (
    Reader("posetrack18", "json", is_posetrack, parse_posetrack),
    Reader("label-studio-coco", "json", is_label_studio_coco, parse_coco),
    Reader("roboflow-coco", "json", is_roboflow, parse_coco),
    Reader("coco-17", "json", is_coco_17, parse_coco),
    Reader("coco-keypoints", "json", is_coco, parse_coco),
    Reader("label-studio-json", "json", is_label_studio, parse_label_studio),
    Reader("label-studio-json-min", "json", is_label_studio_min, parse_label_studio_min),
    Reader("labelme", "json", is_labelme, parse_labelme),
    Reader("cvat-images", "xml", is_cvat_images, parse_cvat),
    Reader("cvat-point-tracks", "xml", is_cvat_point_tracks, parse_cvat),
    Reader("cvat-video", "xml", is_cvat, parse_cvat),
    Reader("deeplabcut-csv", "text", is_deeplabcut, parse_deeplabcut),
    Reader("deeplabcut-multi-csv", "text", is_deeplabcut_multi, parse_deeplabcut),
    Reader("deeplabcut-h5", "hdf", is_deeplabcut_hdf, parse_deeplabcut_hdf),
    Reader("sleap", "hdf", is_sleap, parse_sleap),
    Reader("ultralytics-pose", "text", is_yolo_pose, parse_ultralytics),
)
_BY_ID: Final = {known.id: known for known in ANNOTATION_FORMATS}
# Files of these suffixes are meant to be annotations: what is wrong with them is reported.
_MEANT: Final = frozenset({".json", ".xml", ".slp"})
# Read with other files: clips, corpus names, and what data sets and Label Studio add to labels.
COMPANIONS: Final = frozenset(
    [
        *("clips.csv", "corpus", "fps", "fps.txt", "classes.txt", "notes.json"),
        *("train.txt", "val.txt", "valid.txt", "test.txt"),  # lists of a data set's images
        *("labels.txt", "flags.txt", "labelmap.txt"),  # names of labels: labelme, CVAT
    ]
)
SUFFIXES: Final = frozenset(s for known in ANNOTATION_FORMATS if known.read for s in known.suffixes)
KNOWN_SUFFIXES: Final = frozenset(s for known in ANNOTATION_FORMATS for s in known.suffixes)
_DESCRIPTION_LIMIT: Final = 1024 * 1024  # bytes of a YAML
_FIRST_LINE: Final = 1024 * 1024
_SKIPPED: Final = frozenset({*IMAGE_SUFFIXES, *VIDEO_SUFFIXES})


def parse_file(path: Path, reading: Reading | None = None) -> ParsedFile:
    """Parse one file. Raises AnnotationError when it cannot be used as a whole."""
    return _parse(read_content(path), str(path), reading)


def parse_content(data: bytes, file: str, reading: Reading | None = None) -> ParsedFile:
    """Parse the content of a file, on disk or in an archive.

    Raises AnnotationError when it cannot be used as a whole.
    """
    return _parse(load_content(data, file), file, reading)


def _parse(content: Content, file: str, reading: Reading | None) -> ParsedFile:
    parsed = ParsedFile(file, reading or Reading())
    try:
        with guarded("annotations", file, AnnotationError):
            reader = _reader_of(content, file)
            parsed.format = reader.format
            reader.parse(content.value, parsed)
    except AnnotationError:
        raise
    except InputError as error:
        raise AnnotationError(
            f"does not hold what its format requires ({error.message})",
            file=file,
            hint=error.hint or "Export it again from the annotation tool",
        ) from error
    if content.said:
        parsed.add_problem(content.said, action="noted")
    parsed.finish()
    return parsed


def format_of(content: Content) -> Format | None:
    """The format of a content, read or not; None for one that is not known."""
    reader = _reader(content)
    if reader is not None:
        return _BY_ID[reader.format]
    return next(
        (
            _BY_ID[name]
            for name, ways in OTHER_TOOLS.items()
            if any(kind == content.kind and recognises(content.value) for kind, recognises in ways)
        ),
        None,
    )


def is_candidate(path: Path) -> bool:
    """Whether a file is to be parsed: it has a format that is read, or its name promises one."""
    if is_companion(path) or copy_of(path) is not None or path.suffix.lower() in _SKIPPED:
        return False
    if path.suffix.lower() in _MEANT:
        return True
    try:
        with guarded("annotations", path, AnnotationError):
            return _reader(read_content(path)) is not None
    except AnnotationError:
        return False


def holds_annotations(data: bytes, file: str) -> bool:
    """Whether a content is to be parsed: it has a known format, read or not, or its name promises
    one.
    """
    if PurePath(file).suffix.lower() in _MEANT:
        return True
    try:
        with guarded("annotations", file, AnnotationError):
            return format_of(load_content(data, file)) is not None
    except AnnotationError:
        return False


def is_companion(path: Path) -> bool:
    """Whether a file is read with others, and by itself says nothing."""
    if path.suffix.lower() in {".yaml", ".yml"}:
        try:
            data = read_file(path, _DESCRIPTION_LIMIT)
        except (OSError, InputError):
            return False
        return is_description(data) or is_deeplabcut_project(data)
    return path.name.lower() in COMPANIONS


def copy_of(path: Path) -> Path | None:
    """The CSV that holds the same table: DeepLabCut writes each twice."""
    if path.suffix.lower() not in {".h5", ".hdf5"}:
        return None
    table = path.with_suffix(".csv")
    try:
        with open_file(table) as file:
            text = decoded(file.readline(_FIRST_LINE))
    except OSError:
        return None
    return table if text is not None and text.startswith("scorer") else None


def _reader(content: Content) -> Reader | None:
    return next(
        (r for r in READERS if r.kind == content.kind and r.recognises(content.value)), None
    )


def _reader_of(content: Content, file: str) -> Reader:
    reader = _reader(content)
    if reader is not None:
        return reader
    other = format_of(content)
    if other is not None:
        raise AnnotationError(not_read(other), file=file)
    tools = [tool for known in ANNOTATION_FORMATS if known.read for tool in known.tool.split(", ")]
    raise AnnotationError(
        f"is in none of the known formats (of {', '.join(dict.fromkeys(tools))})",
        file=file,
        hint="Export keypoints in one of these formats, which `dance formats` lists",
    )
