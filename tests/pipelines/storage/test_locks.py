"""Locks exclude other processes and are released when their process ends."""

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from pipelines.storage.locks import file_lock

HOLD = """
import sys, time
from pathlib import Path
from pipelines.storage.locks import file_lock
with file_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_killed_process_releases_its_lock(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Timeout):
            FileLock(path).acquire(blocking=False)
    finally:
        holder.kill()
        holder.wait()
    assert path.exists(), "the file of a killed process stays"
    with file_lock(path):
        pass


def test_waiting_for_a_lock_of_the_same_thread_is_an_error(tmp_path: Path) -> None:
    with file_lock(tmp_path / "a.lock"), pytest.raises(RuntimeError, match="Deadlock"):
        file_lock(tmp_path / "a.lock").acquire()
