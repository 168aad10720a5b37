"""Processes end with their starter, and pools with the block that made them: real kills."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from watched_process import ended, note_of, wait_until

from dance_models.processes import STARTER, worker_pool

# A process that starts another one, and writes its id into a file once that one watches.
SPAWNING = """
import multiprocessing, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from watched_process import watched

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[3])
    context.Process(target=watched, args=(sys.argv[1],)).start()
    time.sleep(600)
"""
POPEN = """
import os, subprocess, sys, time
code = "import sys; sys.path.insert(0, sys.argv[2]); import watched_process as w; "
code += "w.watched(sys.argv[1])"
subprocess.Popen([sys.executable, "-c", code, *sys.argv[1:3]],
                 env={**os.environ, "DANCE_STARTER": str(os.getpid())})
time.sleep(600)
"""
POOL = """
import sys
sys.path.insert(0, sys.argv[2])
from dance_models.processes import worker_pool
from watched_process import hang

if __name__ == "__main__":
    with worker_pool(2) as pool:
        list(pool.map(hang, [sys.argv[1] + "0", sys.argv[1] + "1"]))
"""
SUPPORT = str(Path(__file__).parents[1] / "support")


@pytest.fixture
def started() -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Starts a script; at the end of the test nothing of it is left."""
    processes = []

    def start(code: str, *arguments: str) -> "subprocess.Popen[bytes]":
        environment = {key: value for key, value in os.environ.items() if key != STARTER}
        script = Path(arguments[0]).with_suffix(".script.py")
        script.write_text(code)
        process = subprocess.Popen(
            [sys.executable, str(script), *arguments],
            env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])},
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        finally:
            process.wait()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_process_ends_after_its_starter_was_killed(
    tmp_path: Path, method: str, started: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    """Although it ignores SIGTERM."""
    note = tmp_path / "pid"
    starter = started(SPAWNING, str(note), SUPPORT, method)
    watched = note_of(note)
    assert not ended(watched)
    os.kill(starter.pid, signal.SIGKILL)
    wait_until(lambda: ended(watched))


def test_a_process_ends_after_its_fork_server_was_killed(
    tmp_path: Path, started: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    """Its starter lives, and takes it for dead."""
    note = tmp_path / "pid"
    started(SPAWNING, str(note), SUPPORT, "forkserver")
    watched = note_of(note)
    os.kill(psutil.Process(watched).ppid(), signal.SIGKILL)
    wait_until(lambda: ended(watched))


def test_a_subprocess_ends_after_its_starter_was_killed(
    tmp_path: Path, started: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    note = tmp_path / "pid"
    starter = started(POPEN, str(note), SUPPORT)
    watched = note_of(note)
    os.kill(starter.pid, signal.SIGKILL)
    wait_until(lambda: ended(watched))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_workers_of_a_pool_end_with_its_process(
    tmp_path: Path, number: int, started: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    notes = [tmp_path / "pid0", tmp_path / "pid1"]
    process = started(POOL, str(tmp_path / "pid"), SUPPORT)
    wait_until(lambda: all(note.is_file() for note in notes))
    os.kill(process.pid, number)
    for note in notes:
        wait_until(lambda note=note: ended(int(note.read_text())))  # type: ignore[misc]
    process.wait(timeout=60)


def test_an_error_in_the_block_kills_the_workers() -> None:
    with pytest.raises(ZeroDivisionError), worker_pool(1) as pool:
        pid = pool.submit(os.getpid).result()
        pool.submit(time.sleep, 600)
        raise ZeroDivisionError
    assert ended(pid)
