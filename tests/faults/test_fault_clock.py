"""A moved wall clock moves what a program takes for now, and no wait."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from around import moved_wall_clock

DAY_S = 86_400
# The kinds of waits that a run has: Python's locks, its sleep, and semaphores between processes.
WAITS = """
import multiprocessing, queue, sqlite3, threading, time
print(time.time())
print(sqlite3.connect(":memory:").execute("select unixepoch()").fetchone()[0], flush=True)
threading.Event().wait(0.1)
time.sleep(0.1)
try:
    queue.Queue().get(timeout=0.1)
except queue.Empty:
    pass
multiprocessing.get_context("spawn").Semaphore(0).acquire(timeout=0.1)
print(time.monotonic())
"""


@pytest.mark.parametrize("days", [365, -365])
def test_only_the_wall_clock_is_moved(tmp_path: Path, days: int) -> None:
    try:
        moved = moved_wall_clock(tmp_path, days * DAY_S)
    except NotImplementedError as missing:
        pytest.skip(str(missing))
    command = [sys.executable, "-c", WAITS]
    # Under libfaketime the first of the waits did not end.
    done = subprocess.run(
        command, env={**os.environ, **moved}, check=True, capture_output=True, timeout=60
    )
    now, database, monotonic = map(float, done.stdout.split())
    for moment in (now, database):
        assert moment - time.time() == pytest.approx(days * DAY_S, abs=60)
    assert monotonic == pytest.approx(time.monotonic(), abs=60)
