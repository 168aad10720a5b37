"""The files of one video, by the names of their formats."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dance_models.analysis.files.c3d import check_c3d, write_c3d
from dance_models.analysis.files.coco import write_coco
from dance_models.analysis.files.measured import Measured
from dance_models.analysis.files.mot import write_mot
from dance_models.analysis.files.openpose import frame_name, write_openpose
from dance_models.analysis.files.table import write_csv, write_parquet
from dance_models.analysis.files.trc import write_trc
from dance_models.errors import InputError


@dataclass(frozen=True)
class FileFormat:
    """One format that is written."""

    ending: str  # of the file's or the folder's name, after that of the video
    content: str
    for_tools: str
    write: Callable[[Measured, Path], None]
    check: Callable[[], None] | None = None  # raises InputError where it cannot be written


FILE_FORMATS: Final[Mapping[str, FileFormat]] = {
    "csv": FileFormat(
        ".csv", "joints in pixels, confidence, angles in degrees", "spreadsheets, R", write_csv
    ),
    "parquet": FileFormat(
        ".parquet", "the same columns, with units in the metadata", "pandas, polars", write_parquet
    ),
    "coco": FileFormat(
        ".coco.json", "keypoints in pixels with confidence", "CVAT, FiftyOne, COCO's API",
        write_coco,
    ),
    "openpose": FileFormat(
        "_openpose", "a folder, BODY_25 in pixels, one JSON a frame", "Pose2Sim, Kinovea",
        write_openpose,
    ),
    "trc": FileFormat(".trc", "markers in pixels; in metres with a scale", "OpenSim", write_trc),
    "mot": FileFormat(".mot", "angles in degrees", "OpenSim", write_mot),
    "c3d": FileFormat(
        ".c3d", "markers in pixels; in millimetres with a scale", "Mokka, Visual3D", write_c3d,
        check_c3d,
    ),
}  # fmt: skip
# What is written unless something else is asked for: all that needs no extra.
DEFAULT_FORMATS: Final = tuple(name for name, known in FILE_FORMATS.items() if known.check is None)


def check_formats(formats: Sequence[str]) -> None:
    """Raise InputError for a format that is not known, or whose extra is not installed."""
    for name in formats:
        if name not in FILE_FORMATS:
            raise InputError(
                f"there is no file format {name!r}", hint=f"Known: {', '.join(FILE_FORMATS)}"
            )
        check = FILE_FORMATS[name].check
        if check is not None:
            check()


def write_files(
    folder: Path, stem: str, measured: Measured, formats: Sequence[str] = DEFAULT_FORMATS
) -> list[Path]:
    """Write ``FOLDER/STEM`` and each format's ending; returns the paths, in that order.

    Each file takes the place of an older one whole or not at all. Raises InputError as
    :func:`check_formats` does, before anything is written, and OSError.
    """
    check_formats(formats)
    written = file_paths(folder, stem, formats)
    for name, path in zip(dict.fromkeys(formats), written, strict=True):
        FILE_FORMATS[name].write(measured, path)
    return written


def is_folder(result: Path) -> bool:
    """Whether a result is a folder of files, and not a file."""
    return result.name.endswith(FILE_FORMATS["openpose"].ending)


def longest_name(result: Path) -> str:
    """The longest name that is written for a result: its own, or that of the files in it."""
    return frame_name(result.name, 0) if is_folder(result) else result.name


def file_paths(folder: Path, stem: str, formats: Sequence[str]) -> list[Path]:
    """Where each format is written, once each, in their order."""
    return [folder / f"{stem}{FILE_FORMATS[name].ending}" for name in dict.fromkeys(formats)]
