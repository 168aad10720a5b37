"""What is started, watched and killed in the tests of processes. Imports little: it is spawned."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from dance_models.processes import end_with_starter


def watched(note: str) -> None:
    """Ignores SIGTERM, watches its starter, notes its id and hangs."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_with_starter(grace_s=0.5)
    hang(note)


def hang(note: str) -> None:
    """Notes its id, whole or not at all, and hangs."""
    part = Path(f"{note}.part")
    part.write_text(str(os.getpid()))
    part.replace(note)
    time.sleep(600)


@contextmanager
def heeding() -> Iterator[None]:
    """What is started within heeds SIGINT and SIGHUP, also where this process was told not to.

    As by ``nohup``, or in the background of a script: commands leave ignored what they found so.
    """
    numbers = (signal.SIGINT, signal.SIGHUP)
    ignored = [number for number in numbers if signal.getsignal(number) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition; fails after a generous time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def note_of(path: Path) -> int:
    """The process id that a process writes, once it is there."""
    wait_until(lambda: path.is_file() and path.stat().st_size > 0)
    return int(path.read_text())


def ended(pid: int) -> bool:
    """Whether a process has ended, waited for or not."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
