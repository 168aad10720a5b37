"""Servers that are not ours, run beside each other until one of them ends or the command does.

They start processes of their own, in sessions of their own. All of them carry a mark in their
environment, and by that they are found and ended: by this process, and when it is killed by its
guardian (:mod:`pipelines.guardian`).
"""

import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from pipelines.processes import MARK, end_all, marked_processes

CHECK_S = 1.0
STOP_S = 4.0  # for a server to stop by itself
LAST_LINES = 15
LOG_BYTES = 20_000_000  # of a server's log; as much again is kept of the one before
REPLACED_S = 5.0  # within this a process that may be replaced must be


def begin_log(path: Path) -> None:
    """Make room for a new log: the old one gets the suffix ``.previous.log``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        path.replace(path.with_suffix(".previous.log"))


class Log:
    """All that a server writes, in a file; a new one begins before it gets too large."""

    def __init__(self, path: Path, most: int = LOG_BYTES) -> None:
        self.path, self.most = path, most
        self._file = path.open("ab", 0)

    def write(self, line: bytes) -> None:
        """Add a line. Raises OSError; the next line is tried again."""
        if self._file.tell() and self._file.tell() + len(line) > self.most:
            begin_log(self.path)
            earlier, self._file = self._file, self.path.open("ab", 0)
            earlier.close()
        self._file.write(line)

    def close(self) -> None:
        """No line comes after this."""
        self._file.close()


@dataclass(frozen=True)
class Part:
    """A process that a server starts and cannot do without, by a piece of its command line."""

    name: str
    command: str
    replaceable: bool = False  # a new one may come in its place


@dataclass(frozen=True)
class Server:
    """A command that serves until it is interrupted, and the processes that it needs."""

    name: str
    command: Sequence[str]
    parts: Sequence[Part] = ()
    log: Path | None = None  # for all that it writes; None: to standard output
    say: Callable[[str], None] | None = None  # called with each line that goes to the log


@dataclass
class _Running:
    server: Server
    process: "subprocess.Popen[bytes]"
    last: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    seen: dict[str, set[int]] = field(default_factory=dict)  # command of a part -> process ids
    new: dict[str, set[int]] = field(default_factory=dict)  # likewise, of the last look
    missing_since: dict[str, float] = field(default_factory=dict)

    def relay(self) -> None:
        """Pass its output on, and keep the last lines."""
        assert self.process.stdout is not None
        log = Log(self.server.log) if self.server.log is not None else None
        for line in self.process.stdout:
            text = line.decode("utf-8", "replace").rstrip()
            self.last.append(text)
            try:
                if log is None:
                    sys.stdout.buffer.write(line)
                    sys.stdout.buffer.flush()
                else:
                    log.write(line)
                if self.server.say is not None:
                    self.server.say(text)
            except (OSError, ValueError):  # no terminal or no space; the pipe must not fill
                continue
        if log is not None:
            log.close()

    def dead(self, commands: Mapping[int, str]) -> str | None:
        """What of it has ended, None when everything is there. ``commands``: id -> command line."""
        if (code := self.process.poll()) is not None:
            how = f"ended with code {code}" if code >= 0 else f"was killed by signal {-code}"
            return f"{self.server.name} {how}"
        for part in self.server.parts:
            now = {pid for pid, line in commands.items() if part.command in line}
            before = self.seen.setdefault(part.command, set())
            if part.replaceable and (now or not before):
                self.missing_since.pop(part.command, None)
            elif part.replaceable:
                since = self.missing_since.setdefault(part.command, time.monotonic())
                if time.monotonic() - since > REPLACED_S:
                    return f"{part.name} was killed"
            elif before - set(commands):
                return f"{part.name} was killed"
            # Seen twice: what it starts has its command line, too, for a moment after the fork.
            before.update(now & self.new.get(part.command, set()))
            self.new[part.command] = now
        return None


class Servers:
    """Several servers; use it as a context, at whose end everything they started has ended."""

    def __init__(
        self, servers: Sequence[Server], environment: Mapping[str, str], stop_s: float = STOP_S
    ) -> None:
        self._mark, self._stop_s = uuid.uuid4().hex, stop_s
        self._servers, self._environment = servers, {**environment, MARK: self._mark}
        self._running: list[_Running] = []

    def __enter__(self) -> "Servers":
        # Without the mark, so that it does not end itself.
        self._guardian = subprocess.Popen(
            [sys.executable, "-m", "pipelines.guardian", self._mark],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        for server in self._servers:
            process = subprocess.Popen(
                server.command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            running = _Running(server, process)
            threading.Thread(target=running.relay, daemon=True).start()
            self._running.append(running)
        return self

    def _left(self) -> list[psutil.Process]:
        for running in self._running:
            running.process.poll()  # else it stays as a zombie
        return marked_processes(self._mark)

    def wait(self, meanwhile: Callable[[], None] = lambda: None) -> tuple[str, list[str]]:
        """Block until a server ends or loses a process that it needs.

        ``meanwhile`` is called about every second. Returns which, and the server's last lines of
        output.
        """
        while True:
            if self._guardian.poll() is not None:
                return "the guardian of the servers was killed", []
            commands = {}
            for process in marked_processes(self._mark):
                try:
                    commands[process.pid] = " ".join(process.cmdline())
                except psutil.Error:
                    continue
            for running in self._running:
                if (reason := running.dead(commands)) is not None:
                    return reason, list(running.last)
            meanwhile()
            time.sleep(CHECK_S)

    def __exit__(self, *exc_info: object) -> None:
        for running in self._running:
            if running.process.poll() is None:
                running.process.send_signal(signal.SIGINT)
        until(lambda: not self._left(), self._stop_s)
        end_all(marked_processes(self._mark), kill_after_s=2)
        for running in self._running:
            running.process.wait()
        assert self._guardian.stdin is not None
        self._guardian.stdin.close()
        self._guardian.wait()


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until a condition holds, at most so long; whether it does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
