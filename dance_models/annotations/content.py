"""What an annotation file holds, loaded by its content; the suffix only words the errors."""

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final, Literal

from dance_models.annotations.xml import load_xml
from dance_models.arrays import check_hdf
from dance_models.documents import load_json
from dance_models.errors import AnnotationError, InputError
from dance_models.files import SIZE_LIMIT, open_file
from dance_models.hdf_trial import try_hdf
from dance_models.text import brief

if TYPE_CHECKING:
    import h5py

Kind = Literal["json", "xml", "text", "hdf", "binary"]

HDF_MAGIC: Final = b"\x89HDF\r\n\x1a\n"
_GZIP_MAGIC: Final = b"\x1f\x8b"
_TEXT: Final = frozenset({".json", ".xml", ".csv", ".txt", ".tsv", ".gz"})
_HEAD: Final = 4096
# What h5py raises, and what follows from values that are not as they should be.
_DAMAGE: Final = (OSError, RuntimeError, LookupError, TypeError, AttributeError, ValueError)
# Of text without a byte order mark so much is looked at for the zeros of UTF-16.
_LOOKED_AT: Final = 256


@dataclass(frozen=True)
class Hdf:
    """An HDF5 file, on disk or in memory."""

    file: str
    data: bytes | None  # None: it is read from the disk

    @contextmanager
    def opened(self) -> Iterator["h5py.File"]:
        """The open file. Raises AnnotationError when it is damaged."""
        import h5py

        try:
            with h5py.File(self.file if self.data is None else io.BytesIO(self.data), "r") as file:
                check_hdf(file, self.file)
                yield file
        except AnnotationError:
            raise
        except InputError as error:
            raise AnnotationError(error.message, file=self.file, hint=error.hint) from error
        except _DAMAGE as error:
            why = brief(error)
            raise AnnotationError(f"is a damaged HDF5 file ({why})", file=self.file) from error


@dataclass(frozen=True)
class Content:
    """A file's content: a JSON document, an XML root, text, :class:`Hdf` or other bytes."""

    kind: Kind
    value: Any
    said: str | None = None  # what a person should know of a JSON document's keys


def check_size(size: int, file: str) -> None:
    """Raise AnnotationError when a file has more than ``SIZE_LIMIT`` bytes."""
    if size > SIZE_LIMIT:
        raise AnnotationError(
            f"the file has {size / 1e6:.0f} MB, more than {SIZE_LIMIT / 1e6:.0f}",
            file=file,
            hint="Split it into one file a clip",
        )


def read_content(path: Path) -> Content:
    """The content of a file on disk, of binary data the head. Raises AnnotationError."""
    try:
        with open_file(path) as file:
            head = file.read(_HEAD)
            if head.startswith(HDF_MAGIC):
                return Content("hdf", _tried(Hdf(str(path), None)))
            if _is_binary(head) and path.suffix.lower() not in _TEXT:
                return Content("binary", head)
            check_size(os.fstat(file.fileno()).st_size, str(path))
            data = head + file.read(SIZE_LIMIT + 1)
            check_size(len(data), str(path))
    except OSError as error:
        raise AnnotationError(f"cannot be read ({error.strerror})", file=path) from error
    return load_content(data, str(path))


def _tried(source: Hdf) -> Hdf:
    """The same. Raises AnnotationError when reading it would harm this process."""
    try:
        try_hdf(source.file, source.data)
    except InputError as error:
        raise AnnotationError(error.message, file=source.file, hint=error.hint) from error
    return source


def _is_binary(head: bytes) -> bool:
    """Whether the first bytes are no text; a letter of several bytes may be cut at their end."""
    return not head.startswith(_GZIP_MAGIC) and all(
        decoded(head[: len(head) - cut]) is None for cut in range(4)
    )


def load_content(data: bytes, file: str) -> Content:
    """The content of a file, on disk or in an archive, also compressed with gzip.

    Raises AnnotationError when it is damaged, or when its name promises JSON or XML and it is not.
    """
    suffix = PurePath(file).suffix.lower()
    if data.startswith(_GZIP_MAGIC):
        data, suffix = _unzipped(data, file), PurePath(PurePath(file).stem).suffix.lower()
    if data.startswith(HDF_MAGIC):
        return Content("hdf", _tried(Hdf(file, data)))
    if suffix == ".xml" and data.lstrip()[:1] not in {b"{", b"["}:
        return Content("xml", load_xml(data, file))
    text = decoded(data)
    if text is None:
        if suffix == ".json":
            raise AnnotationError("is not UTF-8 text", file=file, hint="Save it as UTF-8")
        return Content("binary", data)
    if text.lstrip().startswith("<"):
        return Content("xml", load_xml(data, file))
    if suffix == ".json" or text.lstrip()[:1] in {"{", "["}:
        try:
            document = load_json(text, file, AnnotationError)
            return Content("json", document.value, document.said)
        except AnnotationError:
            if suffix == ".json":
                raise
    return Content("text", text)


def decoded(data: bytes) -> str | None:
    """Text in UTF-8 or UTF-16, with or without a byte order mark; None when it is neither."""
    encoding = "utf-8-sig"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\0" in data[:_LOOKED_AT]:
        # Every other byte of Latin letters in UTF-16 is zero.
        even, odd = data[:_LOOKED_AT:2].count(0), data[1:_LOOKED_AT:2].count(0)
        if max(even, odd) < min(len(data), _LOOKED_AT) // 3 or min(even, odd) > 0:
            return None
        encoding = "utf-16-be" if even else "utf-16-le"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _unzipped(data: bytes, file: str) -> bytes:
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            plain = stream.read(SIZE_LIMIT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise AnnotationError(f"is a damaged gzip file ({brief(error)})", file=file) from error
    check_size(len(plain), file)
    return plain
