"""Stores that faults happen to, commands that run on them, and what has to be equal afterwards."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final

import psutil
from command_line import CLIP_ASSETS
from tiny_corpus import Corpus, write_tracks
from watched_process import heeding

from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus
from dance_models.tables import file_digest, write_text
from pipelines.storage.store import Store, open_instance
from pipelines.tracking.tracker import Tracker

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("dance_models", "pipelines")
MARK: Final = "DANCE_FAULT_TRIAL"  # in the environment of every process of a trial
END_S: Final = 30  # within which everything ends, by the contract
PATIENCE: Final = 4  # a busy machine may take so many times longer
COMMAND_S: Final = 1200  # no command takes so long

# What a run writes that depends on nothing but its input, below the store. The report holds the
# time of its run, the registries the paths of a corpus.
REPEATED: Final = (
    "tables/**/*.parquet",
    "frames/*/*.jpg",
    "models/*/*/*.pt",
    "models/*/*/runs.npz",
    "reports/*.parquet",
)
ROLES: Final = {  # of a process, by a part of its command line
    "worker": "multiprocessing.forkserver",  # at a clip, a decoder, or the server of either
    "training": "pipelines.training.child",
    "step": "multiprocessing.forkserver",
    "daemon": "pipelines.web.daemon",
    "webserver": "pipelines.web.webserver",
    "code server": " api grpc ",
    "mlflow": "mlflow server",
}


@dataclass(frozen=True)
class Scene:
    """A corpus, stores to begin from, and what an undisturbed run makes of them.

    ``empty`` has nothing; ``ingested`` has the tables of all clips; ``finished`` everything.
    """

    folder: Path
    corpus: Corpus
    expected: dict[str, str] = field(default_factory=dict)  # path below the store -> sha256
    # Of the undisturbed command from each of the stores.
    seconds: dict[str, float] = field(default_factory=dict)
    only: str = ""  # the assets of all commands, with commas; "" for all that there are
    shards: int = 0  # that the clips are in

    def start_store(self, name: str) -> Path:
        """The store of that name; never changed, only copied."""
        return self.folder / name

    @property
    def command(self) -> list[str]:
        """The command of every trial."""
        return self.command_on(self.corpus)

    def command_on(self, corpus: Corpus) -> list[str]:
        """The same command on another corpus."""
        return run_command(corpus, *(["--only", self.only] if self.only else []), *self._shards)

    @property
    def _shards(self) -> list[str]:
        return ["--shards", str(self.shards)] if self.shards else []

    @property
    def ingestion(self) -> list[str]:
        """The command for the assets of clips."""
        return run_command(self.corpus, "--only", CLIP_ASSETS, *self._shards)


def run_command(corpus: Corpus, *more: str) -> list[str]:
    """``dance run`` on a corpus with its precomputed estimates."""
    return [
        "run", "--clips", str(corpus.clips), "--annotations", str(corpus.annotations),
        "--tracks", str(corpus.tracks), "--profile", "smoke", "--workers", "2", *more,
    ]  # fmt: skip


def sources_digest() -> str:
    """sha256 of the code of both packages: another one may write other files."""
    files = sorted(p for name in PACKAGES for p in (ROOT / name).rglob("*.py"))
    return sha256(b"".join(p.read_bytes() for p in files)).hexdigest()


def make_scene(
    folder: Path, clips: int = 6, frames: int = 64, only: str = "", shards: int = 0
) -> Scene:
    """Render a corpus and run on it undisturbed, or read the scene that this code left there.

    ``only``: the assets of all commands, by default all that there are. ``shards`` that the clips
    are in, by default none.
    """
    corpus, note, sources = Corpus(folder / "corpus"), folder / "scene.json", sources_digest()
    if note.is_file():
        plain = json.loads(note.read_text())
        same = (plain.pop("sources"), plain["only"], plain.get("shards", 0))
        if same == (sources, only, shards):
            return Scene(folder, corpus, **plain)
    shutil.rmtree(folder, ignore_errors=True)
    write_demo_corpus(corpus.root, DemoCorpusConfig(clips, frames, size=(160, 120)))
    write_tracks(corpus)
    (folder / "empty").mkdir(parents=True)
    seconds: dict[str, float] = {}
    bare = Scene(folder, corpus, only=only, shards=shards)
    for begin, end, command in (
        ("empty", "ingested", bare.ingestion),
        ("ingested", "finished", bare.command),
    ):
        trial = Trial(bare, begin, Random(0), folder)
        started = time.monotonic()
        code, output = trial.run(*command)
        if code:
            raise RuntimeError(f"the undisturbed run ended with {code}:\n{output}")
        seconds[begin] = time.monotonic() - started
        trial.store.rename(folder / end)
        trial.close()
    seconds["empty"] += seconds["ingested"]
    expected = digests(folder / "finished")
    plain = {"expected": expected, "seconds": seconds, "only": only, "shards": shards}
    write_text(note, json.dumps({**plain, "sources": sources}))
    return Scene(folder, corpus, **plain)


def digests(store: Path) -> dict[str, str]:
    """sha256 of every file that a repeated run makes again byte for byte."""
    files = (path for pattern in REPEATED for path in sorted(store.glob(pattern)))
    return {
        path.relative_to(store).as_posix(): file_digest(path)
        for path in files
        if not path.stem.startswith(("raw_", "registered_"))
    }


class TooLateError(Exception):
    """The command had ended before its fault came, after ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the command took {seconds:.0f} s")
        self.seconds = seconds


@dataclass
class Trial:
    """One fault: a copy of a store, and processes that are all known by a mark."""

    scene: Scene
    start: str
    random: Random
    root: Path  # a folder for trials
    seconds: float | None = None  # that the command takes; default: that of the undisturbed run
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    log: Path = field(init=False)
    recovery: list[str] = field(default_factory=list)  # the command after the fault; default: same
    expected: dict[str, str] = field(default_factory=dict)  # default: of the scene
    environment: dict[str, str] = field(default_factory=dict)
    incomparable: tuple[str, ...] = ()  # starts of paths of files that may be others

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.log = self.folder / "log"
        shutil.copytree(self.scene.start_store(self.start), self.store, symlinks=True)

    @property
    def folder(self) -> Path:
        """The folder of this trial alone."""
        return self.root / f"trial-{self.id}"

    @property
    def store(self) -> Path:
        """The copy that the fault happens to."""
        return self.folder / "store"

    def moment(self) -> float:
        """A random time, in seconds, while the undisturbed command would run."""
        return self.random.uniform(0, self.seconds or self.scene.seconds[self.start])

    def own_corpus(self) -> Corpus:
        """A copy of the corpus that may be changed, for a trial from ``empty``.

        Tables hold the paths of their sources, so an undisturbed run on the copy is what the
        result is compared with. Its folder is the same for all trials, so that run is made once.
        """
        own = Corpus(self.scene.folder / "own_corpus")
        shutil.rmtree(own.root, ignore_errors=True)
        shutil.copytree(self.scene.corpus.root, own.root)
        self.recovery = self.scene.command_on(own)
        note = self.scene.folder / "own_expected.json"
        if note.is_file():
            self.expected = json.loads(note.read_text())
            return own
        disturbed = self.store.rename(self.folder / "disturbed")
        shutil.copytree(self.scene.start_store(self.start), self.store)
        code, output = self.run(*self.recovery)
        if code:
            raise RuntimeError(f"the undisturbed run ended with {code}:\n{output}")
        self.expected = digests(self.store)
        write_text(note, json.dumps(self.expected))
        shutil.rmtree(self.store)
        disturbed.rename(self.store)
        return own

    # --- processes ------------------------------------------------------------------------------
    def begin(self, *command: str) -> "subprocess.Popen[bytes]":
        """Start ``dance`` with a command on the trial's store."""
        return self.begin_module(
            "pipelines.cli", command[0], "--store", str(self.store), *command[1:]
        )

    def midway(self, *command: str) -> "subprocess.Popen[bytes]":
        """Start a command, by default that of the scene, and wait for a random moment of it.

        Raises TooLateError when it has ended before: there is nothing to disturb.
        """
        started, process = time.monotonic(), self.begin(*(command or self.scene.command))
        until(started + self.moment(), process)
        if process.poll() == 0:
            raise TooLateError(time.monotonic() - started)
        return process

    def begin_module(self, module: str, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a module of Python as one of the trial's processes."""
        environment = {
            **os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "300", MARK: self.id,
            **self.environment,
        }  # fmt: skip
        with self.log.open("ab") as output, heeding():
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments], env=environment, cwd=ROOT,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def run(self, *command: str) -> tuple[int, str]:
        """Run a command to its end; its exit code and all output of the trial."""
        process = self.begin(*(command or self.scene.command))
        code = process.wait(COMMAND_S)
        return code, self.log.read_text("utf-8", "replace")

    def processes(self, role: str = "") -> list[psutil.Process]:
        """The live processes of the trial; with ``role`` those of one kind."""
        return [p for p in marked(self.id) if not role or ROLES[role] in command_line(p)]

    def kill_midway(self, role: str) -> "subprocess.Popen[bytes]":
        """Start the command, and ``kill -9`` one process of a role at a random moment.

        Or as soon after it as there is one. Raises TooLateError when the command ended before.
        """
        started = time.monotonic()
        process = self.midway()
        while process.poll() is None:
            found = self.processes(role)
            if found:
                self.random.choice(found).kill()
                return process
            time.sleep(0.05)
        if process.returncode == 0:
            raise TooLateError(time.monotonic() - started)
        return process

    def gone(self, patience: float = END_S * PATIENCE) -> list[str]:
        """Waits until no process of the trial is left; the command lines of those that are."""
        deadline = time.monotonic() + patience
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return [command_line(process) for process in left]

    def end_after(
        self, number: signal.Signals, process: "subprocess.Popen[bytes]"
    ) -> tuple[int | None, list[str]]:
        """The exit code of a process that got a signal, and what of the trial is left then.

        The code is None when the process has not ended in time.
        """
        try:
            code = process.wait(END_S * PATIENCE)
        except subprocess.TimeoutExpired:
            return None, [f"the command still runs {END_S * PATIENCE} s after {number.name}"]
        return code, [f"left: {line}" for line in self.gone()]

    def close(self) -> None:
        """End what is left of the trial and delete its folder."""
        end_trial(self.folder)

    # --- afterwards -----------------------------------------------------------------------------
    def differences(self) -> list[str]:
        """How the store differs from one after an undisturbed run."""
        return list(self._differences())

    def bytes_lost(self, differences: list[str]) -> int:
        """Bytes of the files that are missing or differ."""
        finished = self.scene.start_store("finished")
        files = {finished / line.split(" ")[0] for line in differences}
        return sum(path.stat().st_size for path in files if path.is_file())

    def last_words(self) -> str:
        """The end of what the processes of the trial wrote."""
        text = self.log.read_text("utf-8", "replace") if self.log.is_file() else ""
        return f"the log ends with: {text[-1500:]}"

    def python(self, *arguments: str) -> int:
        """Run Python as one of the trial's processes; its exit code."""
        environment = {**os.environ, MARK: self.id}
        with self.log.open("ab") as output:
            done = subprocess.run(
                [sys.executable, *arguments],
                check=False, env=environment, stdout=output, stderr=output,
            )  # fmt: skip
        return done.returncode

    def _differences(self) -> Iterator[str]:
        expected, found = self.expected or self.scene.expected, digests(self.store)
        for path in sorted(expected.keys() | found.keys()):
            if path.startswith(self.incomparable):
                continue
            if path not in found:
                yield f"{path} is missing"
            elif path not in expected:
                yield f"{path} is new"
            elif found[path] != expected[path]:
                yield f"{path} differs"
        yield from open_runs(self.store)
        yield from (f"left over: {p.name}" for p in sorted(self.store.rglob(".*.part*")))


@contextmanager
def whole_folder(folder: Path) -> Iterator[None]:
    """One suite at a time in a folder; what a killed one left there is ended and deleted.

    Raises BlockingIOError when another suite uses it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in [*folder.glob("trial-*"), *folder.glob("scene/trial-*")]:
            end_trial(left)
        yield


def end_trial(folder: Path) -> None:
    """End what is left of the trial of a folder, and delete the folder."""
    for process in marked(folder.name.removeprefix("trial-")):
        process.kill()
    unmount = ["umount", "--lazy", str(folder / "store")]  # which the faults of disks mount
    while subprocess.run(unmount, check=False, stderr=subprocess.DEVNULL).returncode == 0:
        continue
    shutil.rmtree(folder, ignore_errors=True)


def until(deadline: float, process: "subprocess.Popen[bytes]") -> None:
    """Sleep until a time, or the end of a process."""
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)


def marked(mark: str) -> list[psutil.Process]:
    """The live processes whose environment carries a mark."""
    found = []
    for process in psutil.process_iter():
        try:
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and process.environ().get(MARK) == mark:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def command_line(process: psutil.Process) -> str:
    """The arguments of a process, "" when it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def open_runs(store: Path) -> Iterator[str]:
    """Runs of Dagster and MLflow that are not closed, and versions that are half registered."""
    opened = Store(root=str(store))
    with open_instance(opened) as instance:
        for run in instance.get_runs():
            if not run.is_finished:
                yield f"Dagster run {run.run_id[:8]} is {run.status.value}"
        slots = [
            s
            for key in instance.event_log_storage.get_concurrency_keys()
            for s in instance.event_log_storage.get_concurrency_info(key).claimed_slots
        ]
        if slots:
            yield f"{len(slots)} pool slots are taken"
    tracker = Tracker(opened)
    for run in tracker.client.search_runs([tracker.initialise()]):
        if run.info.status not in ("FINISHED", "KILLED", "FAILED"):
            yield f"MLflow run {run.info.run_id[:8]} is {run.info.status}"
    for version in tracker.client.search_model_versions():
        if "gate/decision" not in version.tags:
            yield f"{version.name} version {version.version} has no decision"
