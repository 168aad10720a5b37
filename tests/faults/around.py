"""Faults around a run: disks, clocks, databases in use, input that changes, and other commands."""

import json
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from scene import Trial
from tiny_corpus import Corpus

Act = Callable[[Trial], list[str]]
AFTER_SPLITS = (
    "tables/split_",
    "tables/augment",
    *(f"tables/{split}_split" for split in ("train", "val", "test")),
    "tables/findings/",
    "models/",
    "reports/",
)
WALL_CLOCK = Path(__file__).with_name("wall_clock.c")


# --- disks ------------------------------------------------------------------------------------
def full_disk(trial: Trial) -> list[str]:
    """The store's disk, a small one in memory, is filled at a random moment and later freed."""
    with small_disk(trial):
        process = trial.midway()
        filler = trial.store / "raw" / "filler"
        fill(filler)
        started = time.monotonic()
        try:
            code = process.wait(300)
        except subprocess.TimeoutExpired:
            return ["the command did not end on a full disk in 300 s"]
        output = trial.log.read_text("utf-8", "replace")
        filler.unlink()
        if code != 0 and "full" not in output:
            return [f"code {code} after {time.monotonic() - started:.0f} s; no word of a full disk"]
        if process.returncode == 0:
            return []
        again, output = trial.run()
        return [] if again == 0 else [f"exit code {again} on the freed disk"]


@contextmanager
def small_disk(trial: Trial, megabytes: int = 200) -> Iterator[None]:
    """The trial's store on a file system of its own. Needs the right to mount."""
    kept = trial.store.with_name("kept")
    trial.store.rename(kept)
    trial.store.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(trial.store)], check=True
    )
    try:
        shutil.copytree(kept, trial.store, dirs_exist_ok=True)
        yield
        for path in kept.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        # The code server's socket may be left, and cannot be copied.
        shutil.copytree(
            trial.store, kept, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock")
        )
    finally:
        subprocess.run(["umount", "--lazy", str(trial.store)], check=False)
        trial.store.rmdir()
        kept.rename(trial.store)


def fill(path: Path) -> None:
    """Fill the disk of ``path`` with a file, to its last byte."""
    path.parent.mkdir(exist_ok=True)
    with path.open("wb", buffering=0) as handle:
        for size in (1 << 20, 1 << 12, 1 << 8, 1):
            try:
                while True:
                    handle.write(b"\0" * size)
            except OSError:
                continue


def read_only(trial: Trial) -> list[str]:
    """The store is mounted read-only: one line that says so, at once, and nothing is changed."""
    subprocess.run(["mount", "--bind", str(trial.store), str(trial.store)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(trial.store)], check=True)
        code, output = trial.run()
    finally:
        subprocess.run(["umount", "--lazy", str(trial.store)], check=False)
    wrong = code != 2 or str(trial.store) not in output.replace("\n", "")
    return [f"exit code {code}: {output[-300:]}"] if wrong else []


# --- clock and databases ----------------------------------------------------------------------
def clock(seconds: int) -> Act:
    """The command runs with its wall clock moved, and then again with the right one."""

    def act(trial: Trial) -> list[str]:
        trial.environment = moved_wall_clock(trial.folder, seconds)
        process = trial.midway()
        if trial.random.random() < 0.5:
            process.kill()
        code = process.wait(600)
        trial.environment = {}
        return [] if code in (0, -9) else [f"exit code {code}"]

    return act


def moved_wall_clock(folder: Path, seconds: int) -> dict[str, str]:
    """Environment of a process whose wall clock is moved; ``folder`` gets the library for it.

    Raises NotImplementedError on a machine without a C compiler.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise NotImplementedError("there is no C compiler (cc)")
    library = folder / "wall_clock.so"
    command = [compiler, "-shared", "-fPIC", "-o", str(library), str(WALL_CLOCK)]
    subprocess.run(command, check=True)
    return {"LD_PRELOAD": str(library), "WALL_CLOCK_S": str(seconds)}


def locked_database(pattern: str, seconds: float = 20) -> Act:
    """Another program holds a database for 20 s in the midst of a run."""

    def act(trial: Trial) -> list[str]:
        process = trial.midway()
        for path in sorted(trial.store.glob(pattern))[:1]:
            with sqlite3.connect(path, timeout=60, isolation_level=None) as connection:
                connection.execute("BEGIN EXCLUSIVE")
                time.sleep(seconds)
                connection.execute("ROLLBACK")
            connection.close()
        code = process.wait(600)
        return [] if code == 0 else [f"exit code {code}"]

    return act


# --- input that changes -----------------------------------------------------------------------
def clip_replaced(trial: Trial) -> list[str]:
    """A clip is another for a while in mid-run, and then the first again."""
    own = trial.own_corpus()
    victim, other = trial.random.sample(sorted(own.clips.rglob("*.mp4")), 2)
    return _changed_for_a_while(trial, own, victim, other.read_bytes())


def annotation_changed(trial: Trial) -> list[str]:
    """An annotation file is edited for a while in mid-run."""
    own = trial.own_corpus()
    victim = trial.random.choice(sorted(own.annotations.glob("*.json")))
    document = json.loads(victim.read_bytes())
    document["annotations"][7]["keypoints"][0] += 40
    return _changed_for_a_while(trial, own, victim, json.dumps(document).encode())


def clip_deleted(trial: Trial) -> list[str]:
    """A clip is gone from a moment in mid-run to the end of the run.

    When that assigned the splits without it, it gets its split when it is back, and the others
    stay: the splits, and what is trained on them, are others than with all clips from the start.
    """
    own = trial.own_corpus()
    victim = trial.random.choice(sorted(own.clips.rglob("*.mp4")))
    troubles = _changed_for_a_while(trial, own, victim, None)
    manifest = trial.store / "tables" / "split_manifest.parquet"
    if manifest.is_file() and victim.stem not in pl.read_parquet(manifest)["clip"]:
        trial.incomparable = AFTER_SPLITS
    return troubles


def _changed_for_a_while(
    trial: Trial, own: Corpus, victim: Path, content: bytes | None
) -> list[str]:
    """A file has another content for up to 3 s of a run, or is gone to its end (None)."""
    kept = victim.read_bytes()
    process = trial.midway(*trial.scene.command_on(own))
    if content is None:
        victim.unlink()
        process.wait(600)
    else:
        _put(victim, content)
        time.sleep(trial.random.uniform(0, 3))
    _put(victim, kept)
    process.wait(600)
    return []


def _put(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.copy")
    part.write_bytes(content)
    part.replace(path)


# --- other commands ---------------------------------------------------------------------------
def two_runs(trial: Trial) -> list[str]:
    """The same command twice at once."""
    return _together(trial, trial.scene.command, trial.scene.command)


def clean_in_a_run(trial: Trial) -> list[str]:
    """``dance clean`` again and again while a run works: it may refuse, but takes nothing."""
    process = trial.begin(*trial.scene.command)
    while process.poll() is None:
        cleaning = trial.begin("clean", "--yes")
        cleaning.wait(300)
        time.sleep(trial.random.uniform(0, 3))
    return [] if process.returncode == 0 else [f"exit code {process.returncode} of the run"]


def two_promotions(trial: Trial) -> list[str]:
    """Two promotions of one version at once: one champion, and both agree."""
    command = ["promote", "recognition", "--version", "1", "--force", "--reason", "trial"]
    troubles = _together(trial, command, command)
    from pipelines.storage.store import Store
    from pipelines.tracking.registry import Registry
    from pipelines.tracking.tracker import Tracker

    aliases = Registry(Tracker(Store(root=str(trial.store))), "recognition").aliases()
    return troubles if aliases.get("champion") == "1" else [*troubles, f"aliases {aliases}"]


def _together(trial: Trial, *commands: list[str]) -> list[str]:
    processes = []
    for command in commands:
        processes.append(trial.begin(*command))
        time.sleep(trial.random.uniform(0, 2))
    codes = [process.wait(1200) for process in processes]
    return [] if not any(codes) else [f"exit codes {codes}"]


def many_clips(trial: Trial) -> list[str]:
    """Three hundred clips registered by two commands at once; every one is there once."""
    clip = sorted(trial.scene.corpus.clips.rglob("*.mp4"))[0]
    many = trial.folder / "many"
    for number in range(300):
        path = many / "ballet" / f"copy_{number:03d}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(clip.read_bytes() + number.to_bytes(8, "big"))
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pipelines.storage.clips import register_clips\n"
        "from pipelines.storage.store import Store, open_instance\n"
        "store = Store(root=sys.argv[1])\n"
        "with open_instance(store) as instance:\n"
        "    register_clips(store, instance, [Path(sys.argv[2])])\n"
    )
    codes: list[int] = []

    def register() -> None:
        done = trial.python("-c", script, str(trial.folder / "many_store"), str(many))
        codes.append(done)

    threads = [threading.Thread(target=register) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    from pipelines.partitions import clip_keys
    from pipelines.storage.clips import registered_clips
    from pipelines.storage.store import Store, open_instance

    store = Store(root=str(trial.folder / "many_store"))
    with open_instance(store) as instance:
        partitions = len(clip_keys(store, instance))
    rows = registered_clips(store)["clip"].n_unique()
    found = (sorted(codes), rows, partitions)
    return [] if found == ([0, 0], 300, 300) else [f"codes, clips, partitions: {found}"]
