"""How a command and everything that it started end: by a signal, or when one of them is killed.

A process is named by its host, its id and its start, since ids are reused. The processes of
servers that are not ours are found by a mark in their environment, which they inherit.
"""

import contextlib
import os
import select
import shutil
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Final

import psutil

from dance_models.files import Writer, code_digest, is_part, this_machine, writer_of

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOP_S: Final = 18.0  # after a signal all must have ended by itself; the contract says 30 s
TRAINING_STOP_S: Final = 8.0  # likewise of a training; its epochs are saved as they end
KILL_AFTER_S: Final = 5.0
REPEATED_S: Final = 1.0  # a terminal that closes sends its signal twice
EXIT_INTERRUPTED: Final = 130
MARK: Final = "DANCE_COMMAND"
_STOPPING = threading.Event()
_AT_THE_END: list[Callable[[], None]] = []
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


# --- which process ----------------------------------------------------------------------------
@cache
def own_code() -> str:
    """A digest of the code of this package."""
    import dance_models
    import pipelines

    return code_digest(*(Path(package.__path__[0]) for package in (dance_models, pipelines)))


def started_machine() -> str:
    """This machine: the same in all of its containers, another one after its next start."""
    return _BOOT.read_text("utf-8").strip() if _BOOT.is_file() else socket.gethostname()


def identity(pid: int | None = None) -> str:
    """``host:pid:start`` of a process, this one by default."""
    process = psutil.Process(pid)
    return f"{socket.gethostname()}:{process.pid}:{_starts(process)[0]}"


def host_of(process: str) -> str:
    """The host of an :func:`identity`."""
    return process.rsplit(":", 2)[0]


def is_alive(process: str) -> bool:
    """Whether the process of an :func:`identity` of this host is running."""
    _, pid, started = process.rsplit(":", 2)
    found = running(int(pid))
    return found is not None and started in _starts(found)


def running(pid: int) -> psutil.Process | None:
    """The process of that id; None when there is none, or only its zombie."""
    try:
        process = psutil.Process(pid)
        # A killed process is listed until its parent has waited for it.
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.NoSuchProcess:
        return None


def has_ended(writer: Writer) -> bool | None:
    """Whether the process that wrote a part has ended; None when only its machine can tell."""
    if writer.machine not in ("", this_machine()):
        return None
    return not psutil.pid_exists(writer.process)


def remove_left_parts(folder: Path) -> None:
    """Remove what killed processes of this machine were writing in a folder, if there is one.

    A part whose name does not tell its machine may be somebody else's file, and stays.
    """
    with contextlib.suppress(OSError):  # no such folder, or not one of ours
        for part in [path for path in folder.iterdir() if is_part(path)]:
            writer = writer_of(part)
            if writer is None or not writer.machine or not has_ended(writer):
                continue
            if part.is_dir() and not part.is_symlink():
                shutil.rmtree(part, ignore_errors=True)
            else:
                part.unlink(missing_ok=True)


def _starts(process: psutil.Process) -> tuple[str, ...]:
    """When a process started: clock ticks since the boot where the system says, and the time.

    The time changes when the clock is set.
    """
    started = f"{process.create_time():.2f}"
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return (started,)
    return (fields.rpartition(")")[2].split()[19], started)


# --- ending processes -------------------------------------------------------------------------


def end_all(processes: Iterable[psutil.Process], kill_after_s: float = KILL_AFTER_S) -> None:
    """SIGTERM to each, SIGKILL to those that are still there after ``kill_after_s`` seconds."""
    them = list(processes)
    for process in them:
        _signal(process, signal.SIGTERM)
    _, left = psutil.wait_procs(them, kill_after_s)
    for process in left:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(left, kill_after_s)


def _signal(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        process.send_signal(number)


def marked_processes(mark: str) -> list[psutil.Process]:
    """All processes but this one whose environment has ``DANCE_COMMAND=mark``."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                found.append(process)
        except psutil.Error:  # another user's, or gone
            continue
    return found


# --- signals ----------------------------------------------------------------------------------


def stop_on_signals(say: Callable[[str], None], seconds: float = STOP_S) -> None:
    """SIGINT, SIGTERM and SIGHUP interrupt this process; what is left ``seconds`` later is ended.

    The interrupt is a KeyboardInterrupt, or what Dagster makes of it. One that is raised within a
    callback of another library can be lost, so a thread waits for the same signals and ends this
    process with 130, and all that descend from it, if they are still there. A second signal does
    that at once. A signal that is ignored (``nohup``) stays ignored. For the main thread only.
    """
    heeded = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    for number in heeded:
        handler = _hung_up if number == signal.SIGHUP else signal.default_int_handler
        signal.signal(number, handler)
    if signal.SIGINT not in heeded:
        # A script's background command. Dagster gives SIGTERM the handler of SIGINT.
        signal.signal(signal.SIGINT, _not_interrupted)
    # Whatever handlers Dagster installs for a while: the numbers of signals come to this pipe.
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_ending, args=(reader, heeded, say, seconds), daemon=True).start()


def _not_interrupted(number: int, frame: FrameType | None) -> None:
    """SIGINT is ignored; any other signal that comes here interrupts."""
    if number != signal.SIGINT:
        raise KeyboardInterrupt


def _hung_up(number: int, frame: FrameType | None) -> None:
    """The terminal is gone: what is written to it would raise. Then as for an interrupt."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        if stat.S_ISCHR(os.fstat(output).st_mode):
            os.dup2(nowhere, output)
    os.close(nowhere)
    interrupt = signal.getsignal(signal.SIGINT)
    if callable(interrupt):
        interrupt(number, frame)
    else:
        raise KeyboardInterrupt


def _ending(reader: int, heeded: Sequence[int], say: Callable[[str], None], seconds: float) -> None:
    while os.read(reader, 1)[0] not in heeded:
        pass
    _STOPPING.set()
    deadline = time.monotonic() + seconds
    with contextlib.suppress(OSError):  # there is no terminal any more
        say("Stopping; trainings keep their last finished epoch. Once more ends everything now.")
    time.sleep(REPEATED_S)
    _drained(reader, heeded)
    while (left := deadline - time.monotonic()) > 0:
        if select.select([reader], [], [], left)[0] and _drained(reader, heeded):
            break
    end_all(psutil.Process().children(recursive=True), kill_after_s=3)
    for act in _AT_THE_END:
        with contextlib.suppress(Exception):  # the end must come
            act()
    os._exit(EXIT_INTERRUPTED)


def _drained(reader: int, heeded: Sequence[int]) -> bool:
    """Empty the pipe; whether one of the heeded signals was in it."""
    found = False
    while select.select([reader], [], [], 0)[0]:
        found |= any(number in heeded for number in os.read(reader, 512))
    return found


@contextlib.contextmanager
def when_interrupted(act: Callable[[], None]) -> Iterator[None]:
    """Do this when the block is interrupted, or fails, and again when that ends the process.

    The first signal interrupts the block, and further ones may interrupt what follows from that, so
    they are taken for the same; one that ends everything does it after all processes have ended.
    """
    _AT_THE_END.append(act)
    try:
        yield
    except BaseException:
        while True:
            try:
                act()
                break
            except KeyboardInterrupt:
                continue
        raise  # it stays for the end: processes may be left that undo it
    _AT_THE_END.remove(act)


def refuse_when_stopping() -> None:
    """Raise KeyboardInterrupt when this process was told to end."""
    if _STOPPING.is_set():
        raise KeyboardInterrupt
