"""Files that lie beside an annotation file, on disk or in its archive."""

import struct
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Final

from dance_models.errors import InputError
from dance_models.files import open_file, read_file
from dance_models.text import brief

ARCHIVE_MARK: Final = "!"  # archive.zip!folder/file, as archives name their files
IMAGE_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_DESCRIPTION_LIMIT: Final = 1024 * 1024


def read_above(file: str, suffixes: tuple[str, ...], levels: int) -> Iterator[tuple[str, bytes]]:
    """Small files of these suffixes in the folder of ``file`` and up to ``levels`` above it.

    Yields names and contents, the nearest first. Raises InputError when one cannot be read.
    """
    archive, mark, inside = file.partition(ARCHIVE_MARK)
    try:
        if mark and Path(archive).is_file():
            of = _in_archive(Path(archive), Path(archive).stat().st_mtime_ns, suffixes)
            for inner in list(PurePosixPath(inside).parents)[: levels + 1]:
                yield from of.get(inner, ())
            return
        for folder in list(Path(file).parents)[: levels + 1]:
            for path in _in_folder(folder, folder.stat().st_mtime_ns, suffixes):
                if path.stat().st_size <= _DESCRIPTION_LIMIT:
                    yield path.name, read_file(path, _DESCRIPTION_LIMIT)
    except (OSError, RuntimeError, zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise InputError(f"the files beside it cannot be read ({brief(error)})") from error


# A data set has a label file an image: its folders and its archive are listed once, not for each.
@lru_cache(maxsize=32)
def _in_folder(folder: Path, changed: int, suffixes: tuple[str, ...]) -> list[Path]:
    """Files of these suffixes in a folder that was last changed then."""
    del changed
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in suffixes and p.is_file())


@lru_cache(maxsize=2)
def _in_archive(
    archive: Path, changed: int, suffixes: tuple[str, ...]
) -> dict[PurePosixPath, list[tuple[str, bytes]]]:
    """By folder, the small files of these suffixes in an archive that was last changed then."""
    del changed
    found: dict[PurePosixPath, list[tuple[str, bytes]]] = {}
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            path = PurePosixPath(info.filename)
            if path.suffix.lower() in suffixes and info.file_size <= _DESCRIPTION_LIMIT:
                found.setdefault(path.parent, []).append((path.name, opened.read(info)))
    return found


def size_beside(file: str, names: Iterator[str]) -> tuple[float, float] | None:
    """Width and height of the first of these images that exists; None when none does.

    Names are relative to the folder of ``file``.
    """
    from PIL import Image, UnidentifiedImageError

    folder = Path(file).parent
    for name in names:
        path = folder / name
        try:
            if path.is_file():
                with open_file(path) as opened, Image.open(opened) as image:
                    return float(image.width), float(image.height)
        # What a damaged header makes Pillow raise, and a picture that it takes for a bomb.
        except (
            OSError, UnidentifiedImageError, ValueError, SyntaxError, TypeError, LookupError,
            OverflowError, struct.error, Image.DecompressionBombError,
        ):  # fmt: skip
            continue
    return None
