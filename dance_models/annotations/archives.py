"""Annotation files in archives, as tools hand them out: read without unpacking to disk."""

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from dance_models.annotations.content import check_size
from dance_models.annotations.detect_format import (
    COMPANIONS,
    KNOWN_SUFFIXES,
    SUFFIXES,
    holds_annotations,
    parse_content,
    parse_file,
)
from dance_models.annotations.image_names import Reading
from dance_models.annotations.parsed_file import ParsedFile
from dance_models.errors import AnnotationError
from dance_models.files import is_hidden, open_file
from dance_models.text import brief

ARCHIVE: Final = ".zip"
# Named, and not read.
OTHER_ARCHIVES: Final = frozenset(
    [".tar", ".tgz", ".gz", ".tbz2", ".bz2", ".txz", ".xz", ".zst", ".rar", ".7z"]
)
_PICTURES: Final = frozenset(
    [".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".avif", ".heic"]
)
MOST_ENTRIES: Final = 500_000
# Of all annotation files in an archive together, uncompressed.
MOST_BYTES: Final = 1024**3
_OTHERS: Final = "files that hold no annotations"
# What an entry raises that is damaged or compressed in an unknown way; of bzip2 it is an OSError.
_NOT_UNPACKED: Final = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    zlib.error,
    lzma.LZMAError,
)
ENCRYPTED: Final = 0x1  # bit of an entry's flags


def is_archive(path: Path) -> bool:
    """Whether a file's name is that of an archive, read or not."""
    return path.suffix.lower() == ARCHIVE or _is_other(path)


def _is_other(path: Path) -> bool:
    """Whether this is an archive of another kind; ``a.json.gz`` is one file and no archive."""
    inner = PurePosixPath(path.stem).suffix.lower()
    single = path.suffix.lower() == ".gz" and inner in SUFFIXES
    return path.suffix.lower() in OTHER_ARCHIVES and not single


def parse_files(path: Path, reading: Reading | None = None) -> list[ParsedFile]:
    """Parse a file, or each annotation file of a ``.zip``, named ``a.zip!inner.json``.

    Bad files in an archive are problems. Raises AnnotationError when the file or the archive cannot
    be used as a whole.
    """
    if _is_other(path):
        raise AnnotationError(
            "an archive of this kind is not read", file=path, hint="Unpack it, or pack it as .zip"
        )
    if path.suffix.lower() != ARCHIVE:
        return [parse_file(path, reading)]
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            return list(_parsed(path, archive, reading or Reading()))
    except OSError as error:
        raise AnnotationError(f"cannot be read ({error.strerror})", file=path) from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        if isinstance(error, AnnotationError):
            raise
        raise AnnotationError(f"is not a .zip archive ({brief(error)})", file=path) from error


def _parsed(path: Path, archive: zipfile.ZipFile, reading: Reading) -> Iterator[ParsedFile]:
    whole = ParsedFile(str(path), reading)  # what is said of the archive itself
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise AnnotationError(
            f"the archive has {len(entries)} entries, more than {MOST_ENTRIES}",
            file=path,
            hint="Pack the annotation files alone",
        )
    wanted = [entry for entry in entries if _is_wanted(entry, whole)]
    total = sum(entry.file_size for entry in wanted)
    if total > MOST_BYTES:
        raise AnnotationError(
            f"its annotation files have {total / 1e6:.0f} MB unpacked, more than "
            f"{MOST_BYTES / 1e6:.0f}",
            file=path,
            hint="Split it into an archive a clip",
        )
    if not wanted and not whole.tallies:
        raise AnnotationError("has no annotation file in it", file=path)
    for entry in sorted(wanted, key=lambda entry: entry.filename):
        parsed = _entry(path, archive, entry, reading)
        if parsed is None:
            whole.count(f"{_OTHERS}, such as {entry.filename}", action="noted")
        else:
            yield parsed
    whole.finish()
    if whole.problems:
        yield whole


def _is_wanted(entry: zipfile.ZipInfo, whole: ParsedFile) -> bool:
    """Whether an entry may be an annotation file; what else is no picture is counted."""
    if not entry.filename:  # zipfile cuts a name at its first NUL
        whole.count("entries without a name")
        return False
    name = PurePosixPath(entry.filename.replace("\\", "/"))
    suffix = name.suffix.lower()
    if entry.is_dir() or any(is_hidden(part) for part in name.parts if part != ".."):
        return False
    if suffix in {".yaml", ".yml"} or name.name.lower() in COMPANIONS:
        return False  # they are read with others
    if suffix in KNOWN_SUFFIXES:
        return True
    if suffix == ARCHIVE or suffix in OTHER_ARCHIVES:
        whole.count(f"archives inside the archive, such as {name}: unpack them")
    elif suffix not in _PICTURES:
        whole.count(f"{_OTHERS}, such as {name}", action="noted")
    return False


def _entry(
    path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, reading: Reading
) -> ParsedFile | None:
    """What an entry holds; None for one without annotations whose name promises none."""
    file = f"{path}!{entry.filename}"
    try:
        if entry.flag_bits & ENCRYPTED:
            raise AnnotationError("is encrypted", file=file, hint="Export it without a password")
        check_size(entry.file_size, file)
        with archive.open(entry) as handle:
            # With a limit, no more is unpacked than the list of contents says, which was checked.
            data = handle.read(entry.file_size + 1)
        if not holds_annotations(data, file):
            return None
        return parse_content(data, file, reading)
    except AnnotationError as error:
        failed = ParsedFile(file, reading)
        failed.add_problem(error.advice)
        return failed
    except _NOT_UNPACKED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the archive's file, not of what is in it
        failed = ParsedFile(file, reading)
        failed.add_problem(f"cannot be unpacked ({brief(error)})")
        return failed
