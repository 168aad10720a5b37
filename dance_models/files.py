"""Opening files that others put there: only regular ones, without waiting, of bounded size."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Final

from dance_models.errors import InputError

_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# Parsed JSON and XML take many times their size in memory.
SIZE_LIMIT: Final = 256 * 1024 * 1024


class NotAFileError(OSError):
    """A name leads to something that is no regular file; ``strerror`` says what it is."""


def open_file(path: Path) -> BufferedReader:
    """Open a regular file for reading, also through links; never waits for a pipe's other end.

    Raises OSError; NotAFileError for a folder, a pipe, a socket or a device.
    """
    # Without waiting: opening a pipe that nobody writes to would last for ever.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise NotAFileError(errno.EINVAL, f"it is {_kind(mode)}, not a file", str(path))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_file(path: Path, most: int = SIZE_LIMIT) -> bytes:
    """The content of a regular file. Raises OSError, and InputError for one of over ``most`` bytes.

    A file that grows while it is read is read to that limit at most.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(most + 1) if size <= most else b""
    if max(size, len(data)) > most:
        raise InputError(
            f"the file has {max(size, len(data)) / 1e6:.0f} MB, more than {most / 1e6:.0f}",
            file=path,
            hint="Split it into one file a clip",
        )
    return data


def read_text(path: Path, errors: str = "strict") -> str:
    """The text of a regular file in UTF-8, with or without a byte order mark.

    Raises OSError, UnicodeDecodeError, and InputError for one of over ``SIZE_LIMIT`` bytes.
    """
    text = read_file(path).decode("utf-8-sig", errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def why_unusable(path: Path) -> str | None:
    """Why a path cannot be a file of a clip, of annotations or of motion; None for one that can.

    Its name has to be UTF-8, since tables and messages hold it, and it must lead to a regular file.
    """
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return "its name is not UTF-8, and tables cannot hold it; rename it"
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "the link leads back to itself"
        gone = path.is_symlink() and error.errno == errno.ENOENT
        return "the link leads nowhere" if gone else f"cannot be read ({error.strerror})"
    return None if stat.S_ISREG(mode) else f"it is {_kind(mode)}, not a file"


def _kind(mode: int) -> str:
    return next((name for test, name in _KINDS if test(mode)), "something else")
