"""Writing files whole or not at all, opening what others put there, and noticing changes."""

import errno
import fcntl
import filecmp
import hashlib
import os
import re
import shutil
import socket
import stat
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from io import BufferedReader
from pathlib import Path
from typing import Final, NamedTuple

from dance_models.errors import ChangedError, InputError

LONGEST_NAME: Final = 255  # bytes of a file's name, on the usual file systems
# Also names of earlier versions: without a machine or a process, or with a suffix after "part".
_WRITER: Final = r"(?P<process>\d+)(?:-(?P<machine>[0-9a-f]{8}))?"
_PART: Final = re.compile(rf"\.(?P<name>.+?)(?:\.{_WRITER})?\.part(?:\.\w{{1,4}})?")

_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_MOVES: Final = 10  # of a folder into a place that another process fills at the same time
# Parsed JSON and XML take many times their size in memory.
SIZE_LIMIT: Final = 256 * 1024 * 1024


# --- writing ----------------------------------------------------------------------------------


class Writer(NamedTuple):
    """Who writes a part: the id of a process, and :func:`this_machine` of it, "" if not known."""

    process: int
    machine: str


@cache
def this_machine() -> str:
    """Eight digits that tell apart where ids of processes count: hosts, their starts, containers.

    Two containers that share a folder have processes of equal ids.
    """
    found = [socket.gethostname()]
    with suppress(OSError):
        found.append(Path("/proc/sys/kernel/random/boot_id").read_text("utf-8"))
    with suppress(OSError):
        found.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return hashlib.sha256(repr(found).encode("utf-8", "surrogateescape")).hexdigest()[:8]


def part_of(path: Path) -> Path:
    """The temporary name under which this process writes ``path``.

    ``.<name>.<pid>-<machine>.part``: two processes that write the same file do not share it. A name
    that would be too long is replaced by its digest.
    """
    ending = f".{os.getpid()}-{this_machine()}.part"
    name = path.name
    if len(os.fsencode(name)) + len(ending) + 1 > LONGEST_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return path.with_name(f".{name}{ending}")


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """The name to write ``path`` under; it takes its place at the end, unless there is an error.

    A killed process leaves the old file or the new one, never a part of one. After a power cut
    that holds for a ``durable`` one alone, which is on the disk when this ends: for what nothing
    can make again, since it takes longer. An error of a full disk names ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    try:
        yield part
        if durable:
            flush(part)
        part.replace(path)
        if durable:
            flush(path.parent)
    except OSError as error:
        if error.errno in FULL:  # it names no file, the part, or what was copied
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        part.unlink(missing_ok=True)


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file unless its content is there: of that name may be half of it, or an older one."""
    if not (target.is_file() and filecmp.cmp(source, target, shallow=False)):
        with replacing(target) as part:
            shutil.copyfile(source, part)


@contextmanager
def replacing_together(folder: Path, name: str, index: str) -> Iterator[Path]:
    """A folder for new files, which all take their places in ``folder`` at the end.

    ``index`` names the file that leads to the others. The old one goes before anything is replaced
    and the new one comes last: whenever this process is killed, and whichever others write there,
    it stands beside the files that it was written with, or there is none. Until the end, and after
    an error, ``folder`` holds what it held. ``name`` is what the files are of. Raises InputError
    where the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = part_of(folder / name)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        yield part
        names = sorted((path.name for path in part.iterdir()), key=lambda found: found == index)
        aside = part / ".replaced"
        aside.mkdir()
        with _alone(folder):
            (folder / index).unlink(missing_ok=True)
            for found in names:
                move_to(folder / found, part / found, aside)
    except OSError as error:
        if error.errno not in FULL:
            raise
        hint = "Free space on it, or write to another folder"
        raise InputError("the disk is full", file=folder, hint=hint) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time in a folder: what two move there at once would be mixed.

    Without an effect on file systems that have no locks, and in a folder that cannot be listed.
    """
    opened = -1
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        fcntl.flock(opened, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if opened >= 0:
            os.close(opened)


def move_to(place: Path, new: Path, aside: Path) -> None:
    """Move a file or a folder to a place in the same file system, in place of what is there.

    A folder is not replaced in one step: the older one goes to the folder ``aside`` first.
    """
    for number in range(_MOVES):
        if new.is_dir() and place.is_dir() and not place.is_symlink():
            with suppress(FileNotFoundError):  # another process moved it
                place.replace(aside / f"{number}")
        try:
            new.replace(place)
            return
        except OSError as error:  # another process has put its own there
            again = error.errno in (errno.ENOTEMPTY, errno.EEXIST)
            if not again or number + 1 == _MOVES:
                raise


def flush_below(folder: Path) -> None:
    """:func:`flush` of a folder, and of all files and folders in it."""
    for path in folder.rglob("*"):
        if not path.is_symlink():
            flush(path)
    flush(folder)


def flush(path: Path) -> None:
    """Have a file, or the names in a folder, written to the disk, where its file system can."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise
    finally:
        os.close(handle)


def is_part(path: Path) -> bool:
    """Whether a file has a name that :func:`part_of` gives, today or in an earlier version."""
    return _PART.fullmatch(path.name) is not None


def writer_of(part: Path) -> Writer | None:
    """The process that writes a part; None when the name does not tell."""
    found = _PART.fullmatch(part.name)
    if found is None or not found["process"]:
        return None
    return Writer(int(found["process"]), found["machine"] or "")


def is_part_of(part: Path, path: Path) -> bool:
    """Whether ``part`` is a name of ``path`` that :func:`part_of` gives, in whichever process."""
    found, own = _PART.fullmatch(part.name), _PART.fullmatch(part_of(path).name)
    return found is not None and own is not None and found["name"] == own["name"]


# --- reading ----------------------------------------------------------------------------------


def code_digest(*packages: Path) -> str:
    """Twelve digits that change with any source file below the folders of some packages."""
    code = hashlib.sha256()
    for root in packages:
        for path in sorted(root.rglob("*.py")):
            code.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return code.hexdigest()[:12]


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


def is_hidden(name: str) -> bool:
    """Whether a file or folder is none of the user's: bins, caches, copies that programs keep.

    ``.ipynb_checkpoints`` and a bin hold older copies, ``__MACOSX`` what an archive adds.
    """
    return name.startswith((".", "__MACOSX"))


def files_below(
    folder: Path, unreadable: Callable[[OSError], object] = lambda error: None
) -> Iterator[Path]:
    """Everything below a folder that is no folder; nothing hidden, and nothing behind links.

    Hidden folders are not entered. ``unreadable`` is told of folders that cannot be read, also of
    one that goes away meanwhile.
    """
    for name, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = [found for found in folders if not is_hidden(found)]
        yield from (Path(name) / file for file in files if not is_hidden(file))


def resolved(path: Path) -> Path:
    """What a path leads to; the path itself where its links lead back to themselves."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # which of them depends on the version of Python
        return path


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


# --- whether a file is what it was ---------------------------------------------------------------


def archive_damage(path: Path) -> str | None:
    """What is wrong with a ``.pt`` or ``.npz`` file, None when its checksums hold.

    Both are ZIP archives, whose entries have a checksum each. Raises OSError when the file cannot
    be opened.
    """
    with open_file(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                damaged = archive.testzip()
        # One wrong bit names another compression, a password or a place before the file: zipfile
        # passes on whatever these raise, an OSError among them.
        except Exception as error:
            return f"it cannot be read: {error}"
    return None if damaged is None else f"the checksum of {damaged} does not hold"


def state_of(path: Path) -> list[int] | None:
    """Size and modification time (ns) of a regular file; None where there is none, or no longer."""
    try:
        status = path.stat()
    except OSError:  # deleted since it was listed, or a broken link
        return None
    return [status.st_size, status.st_mtime_ns] if stat.S_ISREG(status.st_mode) else None


def stamp_of(path: Path) -> tuple[object, ...]:
    """What changes whenever a file is written, replaced or renamed, also when it is put back."""
    found: list[object] = [str(path)]
    for follow in (True, False):  # the file, and the link that names it
        try:
            now = path.stat(follow_symlinks=follow)
        except OSError as error:
            found.append(error.errno)
        else:
            found.append((now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns))
    return tuple(found)


@contextmanager
def steady(files: Callable[[], Sequence[Path]]) -> Iterator[None]:
    """Raise ChangedError when one of the files changes within the context, even if it is put back.

    An error within the context gives way to that one: it may come from the change. ``files`` is
    called at both ends, so that a file more in a folder is a change.
    """
    before = [stamp_of(path) for path in files()]

    def check() -> None:
        after = [stamp_of(path) for path in files()]
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
