"""Files that appear whole or not at all, and files that must not change while they are read."""

import hashlib
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dance_models.errors import ChangedError

LONGEST_NAME: Final = 255  # bytes of a file's name, on the usual file systems
# Also names of earlier versions: without a process, or with a suffix after "part".
_PART: Final = re.compile(r"\.(?P<name>.+?)(?:\.(?P<process>\d+))?\.part(?:\.\w{1,4})?")


# --- writing ----------------------------------------------------------------------------------


def part_of(path: Path) -> Path:
    """The temporary name under which this process writes ``path``: ``.<name>.<pid>.part``.

    Two processes that write the same file do not share it. A name that would be too long is
    replaced by its digest.
    """
    ending = f".{os.getpid()}.part"
    name = path.name
    if len(os.fsencode(name)) + len(ending) + 1 > LONGEST_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return path.with_name(f".{name}{ending}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The name to write ``path`` under; it takes its place at the end, unless there is an error.

    A killed process leaves the old file or the new one, never a part of one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def is_part(path: Path) -> bool:
    """Whether a file has a name that :func:`part_of` gives, today or in an earlier version."""
    return _PART.fullmatch(path.name) is not None


def writer_of(part: Path) -> int | None:
    """The id of the process that writes a part; None when the name does not tell."""
    found = _PART.fullmatch(part.name)
    return int(found["process"]) if found and found["process"] else None


# --- reading ----------------------------------------------------------------------------------


def archive_damage(path: Path) -> str | None:
    """What is wrong with a ``.pt`` or ``.npz`` file, None when its checksums hold.

    Both are ZIP archives, whose entries have a checksum each. Raises OSError when the file cannot
    be opened.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, ValueError) as error:
        return f"it cannot be read: {error}"
    return None if damaged is None else f"the checksum of {damaged} does not hold"


def _stamp(path: Path) -> tuple[object, ...]:
    """What changes whenever a file is written, replaced or renamed, also when it is put back."""
    found: list[object] = [str(path)]
    for follow in (True, False):  # the file, and the link that names it
        try:
            stat = path.stat(follow_symlinks=follow)
        except OSError as error:
            found.append(error.errno)
        else:
            found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    return tuple(found)


@contextmanager
def steady(files: Callable[[], Sequence[Path]]) -> Iterator[None]:
    """Raise ChangedError when one of the files changes within the context, even if it is put back.

    An error within the context gives way to that one: it may come from the change. ``files`` is
    called at both ends, so that a file more in a folder is a change.
    """
    before = [_stamp(path) for path in files()]

    def check() -> None:
        after = [_stamp(path) for path in files()]
        if after != before:
            changed = next(
                (b[0] for b, a in zip(before, after, strict=False) if b != a),
                (before or after)[0][0],
            )
            raise ChangedError(str(changed))

    try:
        yield
    except Exception:
        check()
        raise
    check()
