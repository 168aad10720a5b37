"""Locks exclude other processes and are released when their process ends."""

import errno
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock, Timeout
from lock_owner import owner

from dance_models.errors import InputError
from pipelines.storage.locks import alone, file_lock, held_locks, holder, owned, owner_of, shared

BECOME = """
import os, sys
from pathlib import Path
from pipelines.storage.locks import share_from_now_on
share_from_now_on(Path(sys.argv[1]))
os.execv("/bin/sh", ["/bin/sh", "-c", "echo held; read line"])
"""

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


def test_a_shared_lock_is_nobodys_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.lock"
    with shared(path), shared(path), alone(path) as held:
        assert not held
    with alone(path) as held, alone(path) as also_held:
        assert (held, also_held) == (True, False)


def test_a_lock_is_shared_by_the_program_that_a_process_becomes(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.lock"
    process = subprocess.Popen(
        [sys.executable, "-c", BECOME, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with shared(path), alone(path) as held:
        assert not held
    with alone(path) as held:
        assert not held, "by the other process"
    process.communicate("end\n")
    with alone(path) as held:
        assert held


# --- locks with the owner's name ----------------------------------------------------------------


def test_a_second_process_waits_and_names_the_owner(tmp_path: Path) -> None:
    path, said = tmp_path / "locks" / "a.lock", []
    with owner(path) as (process, _):
        found = holder(path)
        assert found is not None and found.process == process.pid
        assert held_locks(tmp_path) == {path: found}
        with (
            pytest.raises(InputError, match=rf"the table is still in use by process {process.pid}"),
            owned(path, "the table", said.append, wait_s=0.1),
        ):
            pytest.fail("two owners")
        assert len(said) == 1
        assert f"process {process.pid} on {socket.gethostname()} (-c " in said[0]
        assert "since 20" in said[0] and said[0].endswith("; waiting for it")
    with owned(path, "the table", said.append):
        assert len(said) == 1, "a killed owner holds nothing"
    assert holder(path) is None
    assert held_locks(tmp_path) == {}


def test_the_waiting_process_gets_the_lock_when_the_owner_is_killed(tmp_path: Path) -> None:
    path, said = tmp_path / "a.lock", []
    with owner(path) as (process, _):

        def kill(line: str) -> None:
            said.append(line)
            os.kill(process.pid, signal.SIGKILL)

        with owned(path, "the table", kill, wait_s=60):
            mine = owner_of(path)
            assert mine is not None and mine.process == os.getpid()
    assert len(said) == 1


@pytest.mark.parametrize("how", ["fork", "exec"])
def test_a_child_of_the_owner_does_not_keep_the_lock(tmp_path: Path, how: str) -> None:
    path = tmp_path / "a.lock"
    with owner(path, how) as (process, child):
        assert child
        assert holder(path) is not None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        os.kill(child, 0)  # it is alive
        with owned(path, "the table", pytest.fail, wait_s=0):
            pass


def test_a_lock_that_is_free_takes_no_block_of_the_disk(tmp_path: Path) -> None:
    """There is one for each stage of each clip."""
    path = tmp_path / "a.lock"
    with owned(path, "x", pytest.fail):
        assert owner_of(path) is not None
    assert path.stat().st_blocks == 0


def test_an_error_within_releases_the_lock(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), owned(tmp_path / "a.lock", "x", pytest.fail):
        raise RuntimeError
    assert holder(tmp_path / "a.lock") is None


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    with (
        pytest.raises(InputError, match="cannot be locked") as raised,
        owned(tmp_path / "a.lock", "x", pytest.fail),
    ):
        pass
    assert os.strerror(number) in str(raised.value)
    assert str(tmp_path / "a.lock") in str(raised.value)


def test_a_store_that_cannot_be_written_to_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refused)
    with (
        pytest.raises(InputError, match="Read-only file system"),
        owned(tmp_path / "locks" / "a.lock", "x", pytest.fail),
    ):
        pass


def test_every_lock_that_is_held_is_found(tmp_path: Path) -> None:
    for name in ("free", "held", "folder/held"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.lock").touch()
    (tmp_path / "a_folder.lock").mkdir()
    held = [tmp_path / "folder/held.lock", tmp_path / "held.lock"]
    with FileLock(held[0]), owned(held[1], "x", pytest.fail):
        found = held_locks(tmp_path)
        assert [*found] == held
        assert found[held[1]].process == os.getpid()
        assert [*held_locks(tmp_path)] == held, "to ask releases none"
    assert held_locks(tmp_path) == {}


def test_a_file_that_names_nobody_is_still_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    path.write_text("{")
    assert owner_of(path) is None
    with FileLock(path):
        assert str(holder(path)).startswith("process 0")
