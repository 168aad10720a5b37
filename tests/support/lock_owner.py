"""A process that owns a lock, for tests of what a second one does."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OWN = """
import os, subprocess, sys, time
from pathlib import Path
from pipelines.storage.locks import owned
with owned(Path(sys.argv[1]), "x", print):
    child = os.fork() if "fork" in sys.argv else 0
    if "fork" in sys.argv and not child:
        time.sleep(600)
    if "exec" in sys.argv:
        child = subprocess.Popen(["sleep", "600"], close_fds=False).pid
    print(child, flush=True)
    time.sleep(600)
"""


@contextmanager
def owner(path: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that owns a lock, and the child that it has started (0: none)."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWN, str(path), *options], stdout=subprocess.PIPE, text=True
    )
    child = 0
    try:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        yield process, child
    finally:
        process.kill()
        process.wait()
        if child:
            os.kill(child, signal.SIGKILL)
