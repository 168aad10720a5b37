"""How a command ends: real signals and real kills, of one process each."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from watched_process import ended, note_of, wait_until

from pipelines.processes import (
    REPEATED_S,
    end_all,
    host_of,
    identity,
    is_alive,
    marked_processes,
    when_interrupted,
)

ROOT = Path(__file__).parents[2]
# A command that loses the interrupt, as a callback of a database driver does.
DEAF = """
import os, subprocess, sys, time
from pathlib import Path
from pipelines.processes import stop_on_signals
stop_on_signals(lambda text: os.write(2, text.encode()), seconds=2)
child = subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"])
while True:
    try:
        Path(sys.argv[1]).write_text(f"{child.pid} ")
        time.sleep(600)
    except KeyboardInterrupt:
        pass
"""
POLITE = """
import sys, time
from pathlib import Path
from pipelines.processes import stop_on_signals
stop_on_signals(lambda text: None)
try:
    Path(sys.argv[1]).write_text("1 ")
    time.sleep(600)
except KeyboardInterrupt:
    sys.exit(7)
"""
LOSING = """
import sys, time
from pathlib import Path
from pipelines.processes import stop_on_signals, when_interrupted
stop_on_signals(lambda text: None)
note = Path(sys.argv[1])
with when_interrupted(lambda: note.unlink(missing_ok=True)):
    note.write_text("1 ")
    while True:
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            pass
"""
STUBBORN = """
import os, signal, subprocess, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
if sys.argv[2] == "0":
    Path(sys.argv[1]).write_text(f"{os.getpid()} ")
else:  # as servers do: in a session of its own
    subprocess.Popen([sys.executable, __file__, sys.argv[1], "0"], start_new_session=True)
print("last words", flush=True)
time.sleep(600)
"""
SERVING = """
import itertools, os, sys
from pathlib import Path
from pipelines import servers as looking
from pipelines.processes import stop_on_signals
from pipelines.servers import Part, Server, Servers
stop_on_signals(lambda text: None)
script, note, part = sys.argv[1:]
looking.CHECK_S = 0.1
looks = itertools.count(1)
def looked():
    Path(f"{note}.part").write_text(str(next(looks)))
    Path(f"{note}.part").replace(f"{note}.looks")
server = Server("Stubborn", [sys.executable, script, note, "1"], [Part("its part", part)])
with Servers([server], dict(os.environ), stop_s=0.2) as servers:
    try:
        print(*servers.wait(looked), flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


# Whatever this process ignores, as the background command of a script does, is not inherited.
HEEDING = """
import signal
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
"""


def start(tmp_path: Path, code: str, *arguments: str) -> "subprocess.Popen[str]":
    script = tmp_path / "command.py"
    script.write_text(HEEDING + code)
    return subprocess.Popen(
        [sys.executable, str(script), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_a_command(tmp_path: Path, number: int) -> None:
    command = start(tmp_path, POLITE, str(tmp_path / "note"))
    note_of(tmp_path / "note")
    command.send_signal(number)
    assert command.wait(timeout=60) == 7


def test_a_command_in_the_background_of_a_script_heeds_sigterm(tmp_path: Path) -> None:
    """Its SIGINT is ignored, and Dagster treats SIGTERM like SIGINT from its first run on."""
    dagster = (
        "from dagster._utils.interrupts import capture_interrupts\nwith capture_interrupts(): pass"
    )
    code = POLITE.replace("stop_on_signals(lambda text: None)", "#")
    command = start(
        tmp_path,
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from pipelines.processes import stop_on_signals\n"
        f"stop_on_signals(lambda text: None)\n{dagster}\n{code}",
        str(tmp_path / "note"),
    )
    note_of(tmp_path / "note")
    command.send_signal(signal.SIGINT)
    time.sleep(1)
    assert command.poll() is None
    command.send_signal(signal.SIGTERM)
    assert command.wait(timeout=60) == 7


def test_a_command_that_loses_the_interrupt_ends_with_all_its_children(tmp_path: Path) -> None:
    command = start(tmp_path, DEAF, str(tmp_path / "note"))
    child = note_of(tmp_path / "note")
    command.send_signal(signal.SIGTERM)
    _, errors = command.communicate(timeout=60)
    assert command.returncode == 130
    assert "Stopping" in errors
    assert ended(child)


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_what_is_done_when_interrupted_is_done_by_a_second_signal(
    tmp_path: Path, second: signal.Signals
) -> None:
    """The first one is lost in another library. The second ends the process at once."""
    note = tmp_path / "note"
    command = start(tmp_path, LOSING, str(note))
    note_of(note)
    command.send_signal(signal.SIGINT)
    time.sleep(REPEATED_S + 0.5)
    command.send_signal(second)
    command.communicate(timeout=20)
    assert (command.returncode, note.exists()) == (130, False)


def test_a_second_interrupt_while_it_is_done_is_the_same() -> None:
    """It is done again, and to its end."""
    done: list[str] = []

    def act() -> None:
        done.append("begun")
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append("ended")

    with pytest.raises(ValueError, match="the first"), when_interrupted(act):
        raise ValueError("the first")
    assert done == ["begun", "begun", "ended"]
    with when_interrupted(act):
        pass
    assert len(done) == 3, "not when nothing happened"


def test_a_process_is_known_by_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    me = identity()
    assert is_alive(me)
    host, pid, _ = me.rsplit(":", 2)
    assert not is_alive(f"{host}:{pid}:0.00")
    before_ticks = f"{host}:{pid}:{psutil.Process().create_time():.2f}"
    assert is_alive(before_ticks)
    assert host_of("a:b:1:2") == "a:b"


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="elsewhere the time is all")
def test_setting_the_clock_does_not_make_a_process_another_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    me = identity()
    created = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: created(self) + 3e7)
    assert is_alive(me)


def test_a_process_that_ignores_sigterm_is_killed() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1)"
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", f"{code}; time.sleep(99)"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    end_all([psutil.Process(process.pid)], kill_after_s=0.2)
    assert ended(process.pid)


class Serving:
    """A command that runs a server of two processes that ignore SIGTERM and SIGINT."""

    def __init__(self, tmp_path: Path) -> None:
        stubborn, note = tmp_path / "stubborn.py", tmp_path / "note"
        stubborn.write_text(STUBBORN)
        self.command = start(tmp_path, SERVING, str(stubborn), str(note), "note 0")
        self.inner = note_of(note)
        self.mark = psutil.Process(self.inner).environ()["DANCE_COMMAND"]
        (self.guardian,) = [
            p for p in psutil.Process(self.command.pid).children() if self.mark in p.cmdline()
        ]
        looks = Path(f"{note}.looks")
        # The look that goes on now may have begun before the part; it counts when seen twice.
        seen = note_of(looks) + 3
        wait_until(lambda: int(looks.read_text()) >= seen)


@pytest.mark.parametrize("victim", ["command", "guardian", "part"])
def test_when_one_process_of_a_command_with_servers_is_killed_all_end(
    tmp_path: Path, victim: str
) -> None:
    serving = Serving(tmp_path)
    pids = {
        "command": serving.command.pid,
        "guardian": serving.guardian.pid,
        "part": serving.inner,
    }
    os.kill(pids[victim], signal.SIGKILL)
    output, _ = serving.command.communicate(timeout=60)
    wait_until(lambda: not marked_processes(serving.mark))
    wait_until(lambda: ended(serving.guardian.pid))
    if victim == "part":
        assert "its part was killed ['last words'" in output


def test_a_signal_to_a_command_with_servers_ends_all(tmp_path: Path) -> None:
    serving = Serving(tmp_path)
    serving.command.send_signal(signal.SIGTERM)
    output, _ = serving.command.communicate(timeout=60)
    assert "interrupted" in output
    assert not marked_processes(serving.mark)
    assert ended(serving.guardian.pid)
