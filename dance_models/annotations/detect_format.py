"""Which format an annotation file has, recognised by its content; one line a format.

To add a format, write a file like ``labelme.py`` with a function that recognises the loaded
document and one that parses it, and add a line to ``FORMATS``.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final

from dance_models.annotations.coco import is_coco, parse_coco
from dance_models.annotations.cvat import is_cvat, parse_cvat
from dance_models.annotations.image_names import Reading
from dance_models.annotations.label_studio import is_label_studio, parse_label_studio
from dance_models.annotations.labelme import is_labelme, parse_labelme
from dance_models.annotations.parsed_file import ParsedFile
from dance_models.annotations.posetrack import is_posetrack, parse_posetrack
from dance_models.annotations.xml import load_xml
from dance_models.errors import AnnotationError, InputError


@dataclass(frozen=True)
class AnnotationFormat:
    """One format. ``parse`` raises InputError when the document as a whole cannot be used."""

    name: str
    suffix: str  # of its files; decides how the document is loaded
    recognises: Callable[[Any], bool]  # the loaded document
    parse: Callable[[Any, ParsedFile], None]  # the loaded document, into the file


# The first that recognises the document parses it: PoseTrack18 is COCO with more fields.
FORMATS: Final = (
    AnnotationFormat("PoseTrack18", ".json", is_posetrack, parse_posetrack),
    AnnotationFormat("COCO", ".json", is_coco, parse_coco),
    AnnotationFormat("Label Studio", ".json", is_label_studio, parse_label_studio),
    AnnotationFormat("labelme", ".json", is_labelme, parse_labelme),
    AnnotationFormat("CVAT", ".xml", is_cvat, parse_cvat),
)
SUFFIXES: Final = frozenset(known.suffix for known in FORMATS)

# Parsed JSON takes about ten times its size in memory.
SIZE_LIMIT: Final = 256 * 1024 * 1024


def parse_file(path: Path, reading: Reading | None = None) -> ParsedFile:
    """Parse one file. Raises AnnotationError when it cannot be used as a whole."""
    try:
        check_size(path.stat().st_size, str(path))
        data = path.read_bytes()
    except OSError as error:
        raise AnnotationError(f"cannot be read ({error.strerror})", file=path) from error
    return parse_content(data, str(path), reading)


def parse_content(data: bytes, file: str, reading: Reading | None = None) -> ParsedFile:
    """Parse the content of a file, on disk or in an archive.

    Raises AnnotationError when it cannot be used as a whole.
    """
    parsed = ParsedFile(file, reading or Reading())
    suffix = PurePath(file).suffix.lower()
    try:
        document = load_xml(data, file) if suffix == ".xml" else _load_json(data, file)
        _format_of(document, file).parse(document, parsed)
    except RecursionError as error:
        raise AnnotationError("is nested too deeply to be annotations", file=file) from error
    except AnnotationError:
        raise
    except InputError as error:
        raise AnnotationError(
            f"does not hold what its format requires ({error})",
            file=file,
            hint="Export it again from the annotation tool",
        ) from error
    parsed.finish()
    return parsed


def check_size(size: int, file: str) -> None:
    """Raise AnnotationError when a file has more than ``SIZE_LIMIT`` bytes."""
    if size > SIZE_LIMIT:
        raise AnnotationError(
            f"the file has {size / 1e6:.0f} MB, more than {SIZE_LIMIT / 1e6:.0f}",
            file=file,
            hint="Split it into one file a clip",
        )


def _load_json(data: bytes, file: str) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise AnnotationError("is not UTF-8 text", file=file, hint="Save it as UTF-8") from error
    except json.JSONDecodeError as error:
        raise AnnotationError(
            f"is not JSON (line {error.lineno}: {error.msg})",
            file=file,
            hint="Export it again from the annotation tool",
        ) from error
    except ValueError as error:  # an integer of more digits than Python converts
        raise AnnotationError(f"is not JSON ({error})", file=file) from error


def _format_of(document: Any, file: str) -> AnnotationFormat:
    suffix = ".xml" if PurePath(file).suffix.lower() == ".xml" else ".json"
    candidates = [known for known in FORMATS if known.suffix == suffix]
    for known in candidates:
        if known.recognises(document):
            return known
    names = ", ".join(known.name for known in candidates)
    raise AnnotationError(
        f"is in none of the known formats ({names})",
        file=file,
        hint="Export keypoints in one of these formats",
    )
