"""Loading NumPy and HDF5 files that others wrote: declared sizes are checked before memory is used.

Arrays of Python objects are pickles, which run code when they are loaded: they are refused.
"""

import io
import mmap
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from dance_models.errors import InputError
from dance_models.files import open_file
from dance_models.text import brief

if TYPE_CHECKING:
    import h5py

MOST_BYTES: Final = 500_000_000  # of all arrays of a file together
MOST_ARRAYS: Final = 10_000
_PREFIX: Final = b"\x93NUMPY"
_HEAP: Final = b"GCOL\x01\0\0\0"  # begins what an HDF5 file keeps of variable length
_SUFFIX: Final = ".npy"
# Small fields and the texts that label an axis; a compressed one may be larger than its bytes.
_PLAIN: Final = 16_000_000
_MOST_RATIO: Final = 200  # declared to stored bytes; repeated frames reach some tens


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npy`` (under the name "") or ``.npz`` file.

    Raises InputError when it is damaged, holds Python objects, or declares more than it holds.
    """
    try:
        with open_file(path) as file:
            if file.read(len(_PREFIX)) == _PREFIX:
                file.seek(0, io.SEEK_END)
                size = file.tell()
                file.seek(0)
                return {"": _array(file, size, path)}
            file.seek(0)
            with zipfile.ZipFile(file) as archive:
                return _members(archive, path)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or brief(error)})", file=path) from error
    except (
        zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError,
        OverflowError, SyntaxError, TypeError, tokenize.TokenError,
    ) as error:  # fmt: skip
        raise InputError(f"is not a readable array ({brief(error)})", file=path) from error


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, NDArray[Any]]:
    entries = [e for e in archive.infolist() if e.filename.endswith(_SUFFIX)]
    total = sum(entry.file_size for entry in entries)
    if total > MOST_BYTES or len(entries) > MOST_ARRAYS:
        raise _too_large(f"{len(entries)} arrays of {total / 1e9:.1f} GB", path)
    arrays = {}
    for entry in entries:
        with archive.open(entry) as member:
            # No more is unpacked than the list of contents says, whose sum was checked.
            data = member.read(entry.file_size + 1)
        name = entry.filename.removesuffix(_SUFFIX)
        arrays[name] = _array(io.BytesIO(data), len(data), path)
    return arrays


def _array(file: BinaryIO | io.BytesIO, size: int, path: Path) -> NDArray[Any]:
    """One array; its header may not declare more than the file has."""
    version = npy.read_magic(file)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of the format")
    shape, _, dtype = readers[version](file)
    if dtype.hasobject:
        raise InputError(
            "it holds Python objects as a pickle, which is never opened",
            file=path,
            hint="Save arrays of numbers",
        )
    declared = dtype.itemsize
    for side in shape:  # of any number of digits
        declared *= int(side)
    there = size - file.tell()
    if min(shape, default=0) < 0 or declared > there:
        raise InputError(
            f"it declares an array of shape {str(shape)[:60]}, and {there} bytes follow",
            file=path,
            hint="Copy or export it again",
        )
    if declared > MOST_BYTES:
        raise _too_large(f"an array of {declared / 1e9:.1f} GB", path)
    file.seek(0)
    return np.asarray(npy.read_array(file, allow_pickle=False))


def _too_large(what: str, path: Path) -> InputError:
    most = f"{MOST_BYTES / 1e9:.1f} GB"
    return InputError(f"it holds {what}, more than {most}", file=path, hint="Split the file")


def check_hdf(file: "h5py.File", path: str | Path) -> None:
    """Refuse an HDF5 file whose data lie elsewhere, or that declares far more than it holds.

    Raises InputError; what a damaged file makes h5py raise goes through.
    """
    import h5py

    _check_heaps(file, path)
    total = 0

    # An exception may not leave this function, which HDF5 calls: what it returns ends the visit.
    def look(name: str, link: Any) -> InputError | None:
        nonlocal total
        if isinstance(link, h5py.ExternalLink):
            return InputError(f"its {name[:60]!r} lies in another file", file=path)
        if not isinstance(link, h5py.HardLink):
            return None
        try:
            found = file[name]
            if not isinstance(found, h5py.Dataset) or name.startswith("video"):
                return None  # pictures in SLEAP's packages are not read
            elsewhere = bool(found.external) or found.is_virtual
            texts = _text_bytes(found)
            shapes = found.shape or (), found.chunks or ()
            declared = texts + max(_bytes(shape, found) for shape in shapes)
            stored = int(found.id.get_storage_size()) + min(texts, file.id.get_filesize())
        except (OSError, RuntimeError, LookupError, TypeError, ValueError) as error:
            return InputError(f"its {name[:60]!r} is damaged ({brief(error)})", file=path)
        total += declared
        too_large = declared > max(_PLAIN, _MOST_RATIO * stored) or total > MOST_BYTES
        sizes = f"declares {declared / 1e6:.0f} MB and holds {stored / 1e6:.3f} MB"
        why = "lies in another file" if elsewhere else sizes
        wrong = elsewhere or too_large
        return InputError(f"its {name[:60]!r} {why}", file=path) if wrong else None

    try:
        fault = file.visititems_links(look)
    except SystemError as error:  # a damaged name, which h5py cannot decode within the visit
        raise InputError("it is a damaged HDF5 file", file=path) from error
    if isinstance(fault, InputError):
        raise fault


def _bytes(shape: tuple[int, ...], dataset: "h5py.Dataset") -> int:
    total = int(dataset.dtype.itemsize)
    for side in shape:
        total *= int(side)
    return total


def _text_bytes(dataset: "h5py.Dataset") -> int:
    """Sum of the lengths that the elements of variable length of a dataset declare.

    HDF5 takes memory for a length before it finds out that the file does not hold as much. A
    dataset with filters counts as nothing: their checksums would not fit changed lengths.
    """
    import h5py

    of = h5py.check_vlen_dtype(dataset.dtype)
    if of is None or not dataset.size or dataset.id.get_create_plist().get_nfilters():
        return 0
    chunks = dataset.id.get_num_chunks() if dataset.chunks else 0
    info = [dataset.id.get_chunk_info(number) for number in range(chunks)]
    places = [(chunk.byte_offset, chunk.size) for chunk in info]
    if dataset.id.get_offset() is not None:
        places = [(dataset.id.get_offset(), dataset.id.get_storage_size())]
    elements = int(np.prod(dataset.chunks)) if dataset.chunks else dataset.size
    # An element is the length, in four bytes, and where it lies in the file.
    with _bytes_of(dataset.file) as data:
        stored = [data[offset : offset + size] for offset, size in places]
    lengths = [
        np.frombuffer(raw, np.uint8).reshape(elements, -1)[:, :4].copy().view("<u4").sum()
        for raw in stored
    ]
    each = 1 if of in (str, bytes) else int(np.dtype(of).itemsize)
    return each * sum(map(int, lengths))


def _check_heaps(file: "h5py.File", path: str | Path) -> None:
    """Raise InputError unless what the file keeps of variable length is one piece after the other.

    HDF5 goes round for ever in a heap whose sizes do not lead to its end. Format: HDF5 File Format
    Specification 3.0, III.E.
    """
    with _bytes_of(file) as data:
        start = data.find(_HEAP)
        while start >= 0:
            if not _leads_to_its_end(data, start):
                raise InputError("it is a damaged HDF5 file: a heap of texts", file=path)
            start = data.find(_HEAP, start + len(_HEAP))


def _leads_to_its_end(data: "mmap.mmap | bytes", start: int) -> bool:
    """Whether each object of the heap at ``start`` ends where the next one or the heap does."""
    head = 16
    stop = start + int.from_bytes(data[start + 8 : start + head], "little")
    if stop > len(data):
        return False
    at = start + head
    while stop - at >= head:
        number = int.from_bytes(data[at : at + 2], "little")
        size = int.from_bytes(data[at + 8 : at + head], "little")
        # What is free is the object 0, and its size is with its head.
        size = head + (size + 7) // 8 * 8 if number else size
        if not head <= size <= stop - at:
            return False
        at += size
    return True


@contextmanager
def _bytes_of(file: "h5py.File") -> "Iterator[mmap.mmap | bytes]":
    """The bytes of an open file, which may be one in memory."""
    if file.driver == "fileobj":
        yield file.id.get_file_image()
        return
    with (
        open_file(Path(file.filename)) as opened,
        mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        yield data
