"""Loading NumPy and HDF5 files that others wrote: declared sizes are checked before memory is used.

Arrays of Python objects are pickles, which run code when they are loaded: they are refused.
"""

import io
import re
import tokenize
import zipfile
import zlib
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
_SUFFIX: Final = ".npy"
_PICTURES: Final = re.compile(r"video\d+/")
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
            if not isinstance(found, h5py.Dataset) or is_picture(name):
                return None
            elsewhere = bool(found.external) or found.is_virtual
            declared = max(_bytes(found.shape or (), found), _bytes(found.chunks or (), found))
            stored = int(found.id.get_storage_size())
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


def is_picture(name: str) -> bool:
    """Whether a data set is of the pictures in SLEAP's packages, which are not read."""
    return _PICTURES.match(name) is not None


def _bytes(shape: tuple[int, ...], dataset: "h5py.Dataset") -> int:
    total = int(dataset.dtype.itemsize)
    for side in shape:
        total *= int(side)
    return total
