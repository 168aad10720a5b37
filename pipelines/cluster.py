"""A cluster of Ray: reaching it, and making sure that its nodes can work on a store.

Only Ray's public interface is used, and Ray is imported when a cluster is asked for. No code is
uploaded: every node has this package installed, and its code is compared with this process's.
"""

import os
import secrets
import signal
import socket
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from dance_models.errors import InputError
from pipelines.processes import own_code, started_machine
from pipelines.storage.addresses import DAGSTER_VARIABLE, MLFLOW_VARIABLE
from pipelines.storage.bucket import Stored
from pipelines.storage.clips import clips_by_key
from pipelines.storage.databases import reach
from pipelines.storage.packs import packs_of, part_of_clip
from pipelines.storage.remote import is_of_one_clip, scratch
from pipelines.storage.shards import shards_of
from pipelines.storage.store import Store
from pipelines.tracking.tracker import MLFLOW_ENVIRONMENT

LOCAL: Final = "local"
AUTO: Final = "ray:auto"
FORMS: Final = f"{LOCAL}, ray://HOST:PORT or {AUTO}"
ANSWER_S: Final = 10.0  # that a cluster has to answer
EXAMINE_S: Final = 120.0  # that all nodes have to say what they see: each starts a process
# No passwords: Ray writes the environment of its tasks into its log. A node has its own.
CARRIED: Final = ("OMP_NUM_THREADS", "PGPASSFILE", DAGSTER_VARIABLE, MLFLOW_VARIABLE)
COMPARED: Final = ("torch", "numpy", "polars", "dagster", "mlflow", "ray")


def checked(engine: str) -> str:
    """The same. Raises InputError when it is no engine, or when Ray is not installed."""
    if engine == LOCAL:
        return engine
    if engine != AUTO and not engine.startswith("ray://"):
        raise InputError(f"--engine: there is no engine {engine!r}", hint=f"Choose {FORMS}")
    try:
        version("ray")
    except PackageNotFoundError:
        raise InputError(
            f"--engine {engine}: Ray is not installed",
            hint="Install it here and on every node: pip install 'dance-pose-pipeline[cluster]'",
        ) from None
    return engine


@cache
def installed() -> dict[str, str]:
    """What decides about results: versions of packages, and the digest of this package's code."""
    import dance_models

    found = {name: version(name) for name in COMPARED}
    return {"dance": dance_models.__version__, "its code": own_code(), **found}


@cache
def _listed(url: str, root: str, occasion: str) -> Mapping[str, Stored]:
    """Make a folder of this machine scratch of a store in a bucket, once for each occasion.

    Fetches all but what is of single clips; what the bucket has.
    """
    return scratch(url, Path(root)).fetch(lambda name: not is_of_one_clip(name))


def _fetch_clips(store: Store, clips: Collection[str], listed: Mapping[str, Stored]) -> None:
    """Fetch what the bucket has of these clips: their files in the store, and what was made."""
    remote, rows = store.remote, clips_by_key(store)
    assert remote is not None
    paths = [Path(rows[clip]["path"]) for clip in clips if clip in rows]
    files = [store.relative(path) for path in paths if path.is_relative_to(store.path)]
    below = tuple(f"{file}/" for file in files)  # of folders of images
    packs = packs_of(clips, shards_of(store))

    def is_theirs(name: str) -> bool:
        if name.startswith("raw/"):
            return name in files or name.startswith(below)
        of = part_of_clip(name)
        return name in packs or (of is not None and of[1] in clips)

    remote.fetch(is_theirs, listed)


@dataclass(frozen=True)
class Ticket:
    """What a node has to have to work on a store; plain data that travels with each task."""

    store: str  # the folder; of a store in a bucket, scratch, which every node has at this path
    token: str  # a file in the store, removed at the end
    software: dict[str, str] = field(default_factory=installed)
    machine: str = field(default_factory=started_machine)
    url: str | None = None  # of a store in a bucket
    occasion: str = ""  # tasks of another one fetch what the bucket has, and not each for itself

    @property
    def away(self) -> bool:
        """Whether this process works on other files of the store than the one that gave this."""
        return not Path(self.token).is_file()

    def again(self) -> "Ticket":
        """For tasks that have to see what others made since."""
        return replace(self, occasion=secrets.token_hex(4))

    def problem(self, clips: Collection[str] = ()) -> str | None:
        """Why the process that asks cannot work on the store, with what to do; None when it can.

        Where another machine's folder is not seen, that of a store in a bucket is made, with what
        the bucket has of ``clips`` and of no single clip.
        """
        store = Store(root=self.store)
        mine = installed()
        differ = [
            f"{name} {mine.get(name, 'missing')} instead of {wanted}"
            for name, wanted in self.software.items()
            if mine.get(name) != wanted
        ]
        if differ:
            return f"has other software: {', '.join(differ)}. Install the same on every node"
        if self.away and self.url is None:
            return (
                f"does not see the store {self.store}. Mount the same folder at the same path "
                "on every node, or use a store in a bucket"
            )
        try:
            if self.away and self.url is not None:
                listed = _listed(self.url, self.store, f"{self.token} {self.occasion}")
                if clips:
                    _fetch_clips(store, clips, listed)
            databases = store.databases
            reach(databases)
        except InputError as error:
            return f"cannot use the store: {error}"
        if databases is None and (self.away or started_machine() != self.machine):
            return (
                "is another machine, and this store has its databases in files of SQLite, which "
                "machines cannot share. Start a new store with databases on PostgreSQL"
            )
        return None

    def check(self, clips: Collection[str] = ()) -> None:
        """Raise InputError when this process cannot work on the store: its node may have joined."""
        if (problem := self.problem(clips)) is not None:
            raise InputError(f"the node {socket.gethostname()} {problem}")


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to."""

    ray: Any
    engine: str

    @property
    def cpus(self) -> int:
        """Of all nodes."""
        return max(1, int(self.ray.cluster_resources().get("CPU", 1)))

    @property
    def has_gpu(self) -> bool:
        """Whether a node has one."""
        return bool(self.ray.cluster_resources().get("GPU"))

    def most(self, *resources: str) -> int:
        """How many of each ("CPU", "GPU") one node has: that of the node that has most."""
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        return int(max((min(node.get(r, 0) for r in resources) for node in nodes), default=0))

    @property
    def deaths(self) -> tuple[type[Exception], ...]:
        """What Ray raises for a task whose worker or node died, or was killed for memory."""
        errors = self.ray.exceptions
        return errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError

    @contextmanager
    def admitted(self, store: Store) -> Iterator[Ticket]:
        """A ticket for tasks on a store, valid within the block.

        What the store has is in its bucket then. Raises InputError that names the first node that
        cannot work on the store, and why.
        """
        store.send()
        remote = store.remote
        token = store.locks / "cluster" / f"{secrets.token_hex(8)}.token"
        token.parent.mkdir(parents=True, exist_ok=True)
        token.write_text(socket.gethostname(), "utf-8")
        try:
            url = remote.bucket.url if remote is not None else None
            ticket = Ticket(str(store.path), str(token), url=url)
            self._examine(ticket)
            yield ticket
        finally:
            token.unlink(missing_ok=True)

    def _examine(self, ticket: Ticket) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        nodes = [n for n in self.ray.nodes() if n["Alive"] and n["Resources"].get("CPU")]
        if not nodes:
            raise InputError("no node of the cluster has a CPU to work with", file=self.engine)
        look = self.ray.remote(num_cpus=0, max_retries=2)(Ticket.problem)
        asked = {}
        for node in nodes:
            here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            asked[look.options(scheduling_strategy=here).remote(ticket)] = node
        answered, late = self.ray.wait(list(asked), num_returns=len(asked), timeout=EXAMINE_S)
        for ref in (*answered, *late):
            name = f"the node {asked[ref]['NodeManagerAddress']}"
            if ref in late:
                raise InputError(f"{name} does not answer", hint="Look at it with `ray status`")
            if (problem := self._answer(ref)) is not None:
                raise InputError(f"{name} {problem}")

    def _answer(self, ref: Any) -> str | None:
        try:
            said: str | None = self.ray.get(ref)
        except self.ray.exceptions.RayError as error:
            last = str(error).strip().splitlines()[-1]
            return f"cannot run this package ({last}). Install the same version on every node"
        return said


@contextmanager
def connected(engine: str) -> Iterator[Cluster | None]:
    """The cluster of an engine within the block; None for the local one.

    Raises InputError when Ray is not installed or no cluster answers in ``ANSWER_S`` seconds.
    """
    if checked(engine) == LOCAL:
        yield None
        return
    import ray

    _connect(ray, engine)
    try:
        yield Cluster(ray, engine)
    finally:
        ray.shutdown()


def _take_back_sigterm() -> None:
    """Undo what connecting did to SIGTERM: a handler of Ray aborts the process 3 s after one.

    That is too short to end tasks and to close their runs. Setting Python's handler once more puts
    Python itself back in the place of Ray's.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def _connect(ray: Any, engine: str) -> None:
    """Connect in another thread: in the main one Ray would take SIGTERM, and waits for minutes."""
    found: list[BaseException | None] = []

    def init() -> None:
        carried = {name: os.environ[name] for name in CARRIED if name in os.environ}
        try:
            ray.init(
                address="auto" if engine == AUTO else engine,
                log_to_driver=False,
                logging_level="CRITICAL",
                runtime_env={"env_vars": {**MLFLOW_ENVIRONMENT, **carried}},
            )
            found.append(None)
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=init, name="connects to Ray", daemon=True)
    thread.start()
    thread.join(ANSWER_S)
    if found and found[0] is None:
        _take_back_sigterm()
        return
    why = str(found[0]).strip().splitlines()[0] if found else f"no answer in {ANSWER_S:.0f} s"
    hint = (
        "Start the cluster (`ray start --head`), or look at the address, the network between and, "
        "where the cluster asks for a token, RAY_AUTH_MODE"
    )
    raise InputError(f"--engine: the cluster of Ray cannot be used ({why})", file=engine, hint=hint)
