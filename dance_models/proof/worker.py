"""A process that measures, apart from the one that keeps the record.

An error of CUDA can end every use of the device in its process, and a failed capture leaves torch's
allocator in a state of its own. So after a part that failed another process measures the next one,
and a part that comes to no end is killed.
"""

import multiprocessing
import os
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final

from dance_models.config import GpuProofConfig
from dance_models.data.pose_runs import load_pose_runs, save_pose_runs
from dance_models.processes import start_worker
from dance_models.proof import parts
from dance_models.proof.measures import described_device

HOST: Final = "host"  # the part that describes the device
END_S: Final = 5.0  # for a process that is ending
MOST_WARNINGS: Final = 10  # of a part, in the record
# As torch's profiler sets them where it knows of CUDA graphs: with graphs in the process, CUPTI
# does not bear to be ended and begun again.
CUPTI_STAYS: Final = {"DISABLE_CUPTI_LAZY_REINIT": "1", "TEARDOWN_CUPTI": "0"}
Found = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """What a process is to know before it measures."""

    config: GpuProofConfig
    device: parts.Device
    folder: Path  # for what the parts write
    threads: int  # of the trainings on the CPU
    quick: bool


class Worker:
    """Measures parts in another process, one after the other."""

    def __init__(self, job: Job, method: str = "spawn") -> None:
        self.job = job
        self.context: Any = multiprocessing.get_context(method)
        self.process: Any = None
        self.ours: Any = None

    def measured(self, name: str, seconds: float, longest: float) -> Found:
        """What a part found. It is to end within ``seconds``, and is killed after ``longest``."""
        if self.process is None:
            self._start()
        try:
            self.ours.send((name, seconds))
            if self.ours.poll(longest):
                found: Found = self.ours.recv()
            else:
                found = _failed(f"it came to no end in {longest:.0f} s, and was killed")
        except (EOFError, OSError):
            self.process.join(END_S)
            found = _failed(f"its process ended (code {self.process.exitcode})")
        if found["state"] != "done":
            self.end()
        return found

    def end(self) -> None:
        """End the process, if there is one; the next part gets another."""
        if self.process is None:
            return
        self.ours.close()
        self.process.kill()
        self.process.join()
        self.process = None

    def _start(self) -> None:
        self.ours, theirs = self.context.Pipe()
        self.process = self.context.Process(target=_measure, args=(theirs, self.job), daemon=True)
        self.process.start()
        theirs.close()


def _failed(reason: str) -> Found:
    return {"state": "failed", "reason": reason}


def _measure(connection: Any, job: Job) -> None:
    """What the process does: a part for each name that it is sent, until the sender is gone."""
    start_worker()
    os.environ |= CUPTI_STAYS
    setting: list[parts.Setting] = []
    with suppress(EOFError):
        while True:
            connection.send(_tried(job, setting, *connection.recv()))


def _tried(job: Job, setting: list[parts.Setting], name: str, seconds: float) -> Found:
    """What a part found, and what was warned of meanwhile; why not, when it failed."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            if not setting:
                setting.append(_setting(job))
            found = {"state": "done", **_part(job, setting[0], name, seconds)}
        except Exception as error:  # the record is all there is of it
            found = _failed(f"{type(error).__name__}: {error}")
            found["trace"] = traceback.format_exc(limit=-8)
    said = list(dict.fromkeys(str(warning.message) for warning in caught))
    return {**found, **({"warnings": said[:MOST_WARNINGS]} if said else {})}


def _setting(job: Job) -> parts.Setting:
    """The clips, by way of the file that a training on another host reads."""
    path = job.folder / "runs.npz"
    save_pose_runs(parts.proof_runs(job.config), path)
    return parts.Setting(job.config, load_pose_runs(path), job.device, job.threads, job.quick)


def _part(job: Job, setting: parts.Setting, name: str, seconds: float) -> Found:
    kind, _, row = name.partition(" ")
    folder, until = job.folder / kind / row, monotonic() + seconds
    made: dict[str, Callable[[], Found]] = {
        HOST: lambda: described_device(setting.device),
        "agreement": lambda: parts.agreement(setting, row),
        "speed": lambda: parts.speed(setting, row, graph=True),
        "launched": lambda: parts.speed(setting, row, graph=False),
        "busy": lambda: parts.busy(setting, row),
        "folds": lambda: parts.folds(setting, row, folder),
        "bf16": lambda: parts.bf16(setting, row, folder),
        "training": lambda: parts.training(setting, row, folder, until, monotonic),
    }
    return made[kind]()
