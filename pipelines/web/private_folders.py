"""Temporary folders of servers, which hold videos of people, and what a killed server left of them.

A server that is killed cannot remove its folder. A file in it says whose it is, so that the next
server of the same kind on the machine does.
"""

import contextlib
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dance_models.files import read_text
from pipelines.processes import host_of, identity, is_alive

OWNER: Final = "server"  # file in a folder: which process it belongs to


@contextmanager
def private_folder(prefix: str) -> Iterator[Path]:
    """A folder for this process and user alone, removed at the end."""
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as name:
        (Path(name) / OWNER).write_text(identity(), "utf-8")
        yield Path(name)


def remove_left_folders(prefix: str) -> None:
    """Remove those of processes of this machine that were killed."""
    for owner in Path(tempfile.gettempdir()).glob(f"{prefix}*/{OWNER}"):
        with contextlib.suppress(OSError, ValueError):  # another user's, or not of ours
            of = read_text(owner)  # never waits: anybody may have put a pipe there
            if host_of(of) == socket.gethostname() and not is_alive(of):
                shutil.rmtree(owner.parent, ignore_errors=True)
