"""One annotation file, whatever its format: recognised by its content."""

import json
from pathlib import Path
from typing import Any, Final

from dance_models.annotations.coco import is_coco, read_coco
from dance_models.annotations.cvat import read_cvat
from dance_models.annotations.label_studio import is_label_studio, read_label_studio
from dance_models.annotations.labelme import is_labelme, read_labelme
from dance_models.annotations.parsed_file import Reading
from dance_models.annotations.posetrack import is_posetrack, read_posetrack
from dance_models.annotations.xml import parse_xml
from dance_models.errors import AnnotationError, InputError

# Parsed JSON takes about ten times its size in memory.
SIZE_LIMIT: Final = 256 * 1024 * 1024
SUFFIXES: Final = frozenset({".json", ".xml"})


def read_file(path: Path) -> Reading:
    """Read one file. Raises AnnotationError when it cannot be read as a whole."""
    reading = Reading(str(path))
    try:
        size = path.stat().st_size
        if size > SIZE_LIMIT:
            raise AnnotationError(
                f"the file has {size / 1e6:.0f} MB, more than {SIZE_LIMIT / 1e6:.0f}",
                file=path,
                hint="Split it into one file a clip",
            )
        if path.suffix.lower() == ".xml":
            read_cvat(parse_xml(path), reading)
        else:
            _read_json(path, reading)
    except OSError as error:
        raise AnnotationError(f"cannot be read ({error.strerror})", file=path) from error
    except RecursionError as error:
        raise AnnotationError("is nested too deeply to be annotations", file=path) from error
    except AnnotationError:
        raise
    except InputError as error:
        raise AnnotationError(
            f"does not hold what its format asks for ({error})",
            file=path,
            hint="Export it again from the annotation tool",
        ) from error
    reading.finish()
    return reading


def _read_json(path: Path, reading: Reading) -> None:
    try:
        data: Any = json.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise AnnotationError("is not UTF-8 text", file=path, hint="Save it as UTF-8") from error
    except json.JSONDecodeError as error:
        raise AnnotationError(
            f"is not JSON (line {error.lineno}: {error.msg})",
            file=path,
            hint="Export it again from the annotation tool",
        ) from error
    except ValueError as error:  # an integer of more digits than Python converts
        raise AnnotationError(f"is not JSON ({error})", file=path) from error
    if is_posetrack(data):
        read_posetrack(data, reading)
    elif is_coco(data):
        read_coco(data, reading)
    elif is_label_studio(data):
        read_label_studio(data, reading)
    elif is_labelme(data):
        read_labelme(data, reading)
    else:
        raise AnnotationError(
            "is none of COCO, PoseTrack18, Label Studio and labelme",
            file=path,
            hint="Export keypoints in one of these formats",
        )
