"""Locks between processes and threads of one machine."""

from pathlib import Path

from filelock import BaseFileLock, FileLock


def file_lock(path: Path) -> BaseFileLock:
    """A lock on the file ``path``, to be used with ``with``; waits until it is free.

    The operating system holds the lock and releases it when the process ends, however it ends.
    The file stays behind, but does not block the next process. Raises RuntimeError when the same
    thread holds the lock already, instead of waiting for itself.
    """
    return FileLock(path)
