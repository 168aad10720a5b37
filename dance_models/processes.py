"""Processes that end with the process that started them, and pools of such processes.

A process that is killed cannot tell those it started. So each of them watches its starter. This is
a pipe that the starter holds open (of ``multiprocessing``, for spawned processes and those of a
fork server), and the parent's id (for all others). Linux's parent-death signal is not used: it
follows the thread that forked, and in a fork server the server instead of the starter.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import forkserver
from typing import Any, Final

# What a process that decodes a clip imports; ``dance_models.video.decode`` forks one for each clip.
DECODING: Final = ("decord", "dance_models.video.decode")
STARTER: Final = "DANCE_STARTER"  # environment of a process: the id of the process that started it
POLL_S: Final = 1.0
GRACE_S: Final = 15.0  # from the request to end until the end
_WATCHER: Final = "ends with its starter"


def end_with_starter(grace_s: float = GRACE_S) -> None:
    """From now on, end this process when the one that started it dies.

    SIGTERM first; after ``grace_s`` seconds whatever is still running ends with exit code 1. Does
    nothing in a process that neither ``multiprocessing`` nor a caller who sets :data:`STARTER`
    started, and nothing the second time.
    """
    if any(thread.name == _WATCHER for thread in threading.enumerate()):
        return
    given = os.environ.get(STARTER)
    if multiprocessing.parent_process() is None and given is None:
        return
    # A fork server is the parent of what it forks, and not the starter: both are watched.
    parent = int(given) if multiprocessing.parent_process() is None and given else os.getppid()
    threading.Thread(target=_watch, args=(parent, grace_s), name=_WATCHER, daemon=True).start()


def _watch(parent: int, grace_s: float) -> None:
    starter = multiprocessing.parent_process()
    while os.getppid() == parent and (starter is None or starter.is_alive()):
        if starter is None:
            threading.Event().wait(POLL_S)
        else:
            starter.join(POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(grace_s)
    os._exit(1)


def start_fork_server(preloaded: Sequence[str]) -> None:
    """Start the server that this process forks from, with these modules imported, if none runs.

    Also what the main module imports should be among them: each process runs that module again.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(preloaded))
    forkserver.ensure_running()


def start_worker() -> None:
    """Initializer of a pool's worker: it ends with its starter, which also gets the Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end_with_starter(grace_s=5)


def _start_forked(environment: Mapping[str, str]) -> None:
    """The same in a process of the fork server, which has the environment that it began with."""
    os.environ.clear()
    os.environ.update(environment)
    start_worker()


@contextmanager
def worker_pool(workers: int, preloaded: Sequence[str] = ()) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes that is gone when the block ends, however it ends.

    With ``preloaded`` they are forked from a server that imports these modules once, for all pools
    of this process and whatever else it forks there; otherwise each is a new interpreter. Modules
    that start threads when they are imported must not be among them.

    An interrupt or an error in the block kills the workers: what they do must be whole or absent
    at any time. They end as well when this process is killed.
    """
    others = set(multiprocessing.active_children())
    # Never fork: the caller's polars and arrow threads do not survive it.
    context: Any = multiprocessing.get_context("forkserver" if preloaded else "spawn")
    first: dict[str, Any] = {"initializer": start_worker}
    if preloaded:
        context.set_forkserver_preload(list(preloaded))
        first = {"initializer": _start_forked, "initargs": (dict(os.environ),)}
    with ProcessPoolExecutor(workers, context, **first) as pool:
        try:
            yield pool
        except BaseException:
            # Dagster takes SIGTERM for an interrupt of one run; the worker would go on.
            for worker in set(multiprocessing.active_children()) - others:
                worker.kill()
            pool.shutdown(cancel_futures=True)
            raise
