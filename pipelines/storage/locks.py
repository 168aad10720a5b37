"""Locks between processes and threads of one machine.

The operating system holds a lock and releases it when its process ends, however it ends. The file
stays behind and does not block the next process. Its descriptor is closed in programs that the
process starts, and a forked process closes it before anything else, so no child keeps a lock.
"""

import fcntl
import json
import os
import shlex
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from filelock import BaseFileLock, FileLock, Timeout

from dance_models.errors import InputError

# A lock that is free after this time was not worth a line. Seconds.
UNNOTICED_S: Final = 0.3


def file_lock(path: Path) -> BaseFileLock:
    """A lock on the file ``path``, to be used with ``with``; waits until it is free.

    Raises RuntimeError when the same thread holds the lock already, instead of waiting for itself.
    """
    return FileLock(path)


@dataclass(frozen=True)
class Owner:
    """Who holds a lock: it writes this into the file of the lock."""

    process: int
    host: str
    command: str
    since: str  # local time

    @classmethod
    def this_process(cls) -> "Owner":
        """The owner that this process is."""
        command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
        now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
        return cls(os.getpid(), socket.gethostname(), command[:200], now)

    def __str__(self) -> str:
        return f"process {self.process} on {self.host} ({self.command}) since {self.since}"


def owner_of(path: Path) -> Owner | None:
    """The last process that held a lock; None when its file does not tell."""
    try:
        return Owner(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def owned(
    path: Path, what: str, say: Callable[[str], object], wait_s: float | None = None
) -> Iterator[None]:
    """Hold the lock on ``path`` for work on ``what``, with this process's name in it.

    A second process waits, after one line to ``say`` that names the owner: for ever, or for
    ``wait_s`` seconds. Raises InputError when the time is over, or the store cannot be locked.
    """
    lock = _unlocked(path)
    if not _acquired(lock, path, UNNOTICED_S):
        owner = owner_of(path) or "another process"
        say(f"{what} is in use by {owner}; waiting for it")
        if not _acquired(lock, path, -1 if wait_s is None else wait_s):
            raise InputError(
                f"{what} is still in use by {owner_of(path) or owner}",
                hint="Wait for it, or end that process",
            )
    try:
        path.write_text(json.dumps(asdict(Owner.this_process())), encoding="utf-8")
        yield
    finally:
        with suppress(OSError):  # gone with its store
            os.truncate(path, 0)  # a name takes a block of the disk, for each stage of each clip
        lock.release()


def holder(path: Path) -> Owner | None:
    """Who holds the lock on ``path`` now; None when it is free or there is no such file.

    Asks the system: a run asks for every lock of every clip, and the library takes eight times as
    long to take one and let it go.
    """
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, IsADirectoryError):
        return None
    except BlockingIOError:
        return owner_of(path) or Owner(0, "?", "unknown", "?")
    except OSError as error:
        raise _not_lockable(path, error) from error
    return None


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold the lock on ``path`` together with others; waits for a process that has it alone."""
    with _flocked(path, fcntl.LOCK_SH):
        yield


def share_from_now_on(path: Path) -> None:
    """Hold the lock on ``path`` as :func:`shared` does until this process ends.

    Also when it goes on as another program by ``exec``, which inherits the open file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(opened, fcntl.LOCK_SH)
    except OSError as error:
        os.close(opened)
        raise _not_lockable(path, error) from error
    os.set_inheritable(opened, True)


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Hold the lock on ``path`` alone, unless others :func:`shared` it now; whether it is held."""
    with _flocked(path, fcntl.LOCK_EX | fcntl.LOCK_NB) as held:
        yield held


@contextmanager
def _flocked(path: Path, how: int) -> Iterator[bool]:
    """Whether it is held. Raises InputError when the store cannot be locked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    held = True
    with path.open("ab") as file:
        try:
            fcntl.flock(file, how)
        except BlockingIOError:
            held = False
        except OSError as error:
            raise _not_lockable(path, error) from error
        yield held


def held_locks(folder: Path) -> dict[Path, Owner]:
    """Every lock below ``folder`` that a process holds now."""
    found = {path: holder(path) for path in sorted(folder.rglob("*.lock"))}
    return {path: owner for path, owner in found.items() if owner is not None}


def _unlocked(path: Path) -> BaseFileLock:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without flock the library would put a marker in its place, which outlives its process.
        # Not of one thread: a generator may end in another one than it began in.
        return FileLock(path, fallback_to_soft=False, thread_local=False)
    except OSError as error:
        raise _not_lockable(path, error) from error


def _acquired(lock: BaseFileLock, path: Path, wait_s: float) -> bool:
    try:
        lock.acquire(timeout=wait_s)
    except Timeout:
        return False
    except (OSError, NotImplementedError) as error:
        raise _not_lockable(path, error) from error
    return True


def _not_lockable(path: Path, error: Exception) -> InputError:
    reason = error.strerror if isinstance(error, OSError) else None
    return InputError(
        f"this file cannot be locked ({reason or error}), and without locks two processes would "
        "write the same results",
        file=path,
        hint="The store must be writable and on a file system with locks (flock): a local disk, "
        "or NFS 4 with its lock service",
    )
