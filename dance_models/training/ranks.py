"""The processes of one training, one for each device: starting, agreeing and ending together.

The process that is told to train is the first. It starts the others, which train as it does; it
alone validates and writes. What it finds is sent to the others (:meth:`Ranks.by_first`), so that
all take the same decisions. They find each other by a file. One that dies ends them all.
"""

import multiprocessing
import os
import pickle
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import (
    ProcessContext,
    ProcessExitedException,
    ProcessRaisedException,
    start_processes,
)

from dance_models.config import TrainingConfig
from dance_models.errors import InputError
from dance_models.processes import start_worker
from dance_models.training.devices import check_devices, choose_device

T = TypeVar("T")
# Of one exchange. The others wait for a validation, so only the watching ends a wait in vain.
WAIT: Final = timedelta(days=7)
START_S: Final = 300.0  # until all processes are there
END_S: Final = 10.0  # from the death of one of them until all have ended
POLL_S: Final = 0.05
WORK: Final = "work"  # a file: what the others call, with its arguments


@dataclass(frozen=True)
class Ranks:
    """Which of the processes of a training this one is; alone, the first of one."""

    rank: int = 0
    count: int = 1

    @classmethod
    def present(cls) -> "Ranks":
        """Those of this process."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    @property
    def is_first(self) -> bool:
        """Whether this process validates and writes."""
        return self.rank == 0

    def by_first(self, make: Callable[[], T]) -> T:
        """What the first process makes, in all of them."""
        if self.count == 1:
            return make()
        box: list[Any] = [make() if self.is_first else None]
        dist.broadcast_object_list(box, src=0)
        found: T = box[0]
        return found

    def seed(self, seed: int) -> int:
        """One for the random numbers that differ between the processes, as dropout's do."""
        return seed + 1_000_000_007 * self.rank  # torch takes it modulo 2^32 on a CPU


@contextmanager
def all_ranks(
    config: TrainingConfig, train: Callable[..., object], *arguments: object
) -> Iterator[None]:
    """Within the block this process is one of those of a training on ``config.devices``.

    The first process starts the others, which call ``train(*arguments)``, and in there come here
    again. They are gone when the block ends, however it ends. Raises InputError when there are
    fewer devices, and when another process dies or fails.
    """
    check_devices(config)
    if config.devices == 1 or Ranks.present().count > 1:
        yield
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        # In a file: Python sends arguments through a pipe, and never ends when they are more than
        # that holds and the process dies before it has read them.
        Path(folder, WORK).write_bytes(pickle.dumps((train, arguments)))
        yield from _first(config, folder)


def _first(config: TrainingConfig, folder: str) -> Iterator[None]:
    """Start the others, and become the first of them for as long as the caller works."""
    kind, count, hook = choose_device(config).type, config.devices, sys.excepthook
    store = _meeting(folder, count)
    started = start_processes(  # type: ignore[no-untyped-call]
        _other, (folder, count, kind), count - 1, join=False, daemon=True
    )
    others = _Others(started)
    try:
        others.await_start(store)
        Path(folder, WORK).unlink()
        _join(store, 0, count, kind)
        yield
    except RuntimeError as error:  # of an exchange, when another process is gone
        raise others.failure(END_S / 2) or error from error
    finally:
        others.end()
        if dist.is_initialized():
            with suppress(RuntimeError):  # of the connections to those that are gone
                dist.destroy_process_group()
        sys.excepthook = hook  # torch's writes the number of the process before each line


def _meeting(folder: str, count: int) -> Any:
    """Where the processes find each other."""
    return dist.FileStore(str(Path(folder, "meeting")), count)  # type: ignore[attr-defined]


def _join(store: Any, rank: int, count: int, kind: str) -> None:
    """Become one of the processes; of CUDA, this one's device is that of its number."""
    if kind == "cuda":
        torch.cuda.set_device(rank)
    backend = "nccl" if kind == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=WAIT)


def _other(index: int, folder: str, count: int, kind: str) -> None:
    """What the other processes do. They end with the first one, which also gets the Ctrl-C."""
    start_worker()
    warnings.simplefilter("ignore")  # the first one says the same
    first = multiprocessing.parent_process()
    assert first is not None
    try:
        store = _meeting(folder, count)
        train, arguments = pickle.loads(Path(folder, WORK).read_bytes())
        store.add("there", 1)
        _join(store, index + 1, count, kind)
        train(*arguments)
        dist.destroy_process_group()
    except RuntimeError:
        if not first.is_alive():
            sys.exit(1)  # a traceback about the connection would be of no use
        raise


class _Others:
    """The processes that the first one started, and the thread that sees one of them die."""

    def __init__(self, started: ProcessContext) -> None:
        self.started, self.problem = started, ""
        self.known, self.over = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def await_start(self, store: Any) -> None:
        """Return when all are there. Raises RuntimeError when one of them is gone."""
        deadline = time.monotonic() + START_S
        while store.add("there", 0) < len(self.started.processes):
            if self.known.is_set() or not self.thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the processes of the training did not start")
            time.sleep(POLL_S)

    def failure(self, seconds: float) -> InputError | None:
        """Why one of them ended, if one does within the time."""
        if not self.known.wait(seconds) or not self.problem:
            return None
        return InputError(
            self.problem,
            hint="A process that was killed may have found no memory: take a smaller batch. The "
            "same command goes on from the last epoch",
        )

    def end(self) -> None:
        """End them all, at once: what they have, the first one has too."""
        self.over.set()
        for process in self.started.processes:
            process.kill()
        self.thread.join(END_S)
        for name in self.started.error_files:  # torch leaves them
            Path(name).unlink(missing_ok=True)

    def _watch(self) -> None:
        """Wait for the end of all of them; where one ends before its time, all end."""
        count = len(self.started.processes) + 1
        try:
            while not self.started.join(grace_period=1):
                pass
            return
        except ProcessRaisedException as error:
            rank, why = error.error_index + 1, str(error).strip().splitlines()[-1]
        except ProcessExitedException as error:
            rank, why = error.error_index + 1, error.signal_name or f"code {error.exit_code}"
        except EOFError:  # killed while it wrote down why it failed
            return
        if self.over.is_set():
            return
        self.problem = f"process {rank + 1} of {count} of the training ended ({why})"
        self.known.set()
        if (group := dist.group.WORLD) is not None:
            with suppress(RuntimeError):  # without it, a GPU would wait for that process for ever
                group.abort()
        if not self.over.wait(END_S):
            sys.stderr.write(f"error: {self.problem}\n")
            sys.stderr.flush()
            os._exit(1)
