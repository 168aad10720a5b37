"""``make faults``: every fault many times at random moments, and a table of what came of it.

A trial copies a store, starts a command, does the damage, and then gives the same command again.
It has recovered when that command ends with 0, every table and checkpoint is byte for byte that of
an undisturbed run, no run is left open, nothing is half registered, and no process is left.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from random import Random
from typing import Final

import around
import damage
import kills
import two_devices
from command_line import CLIP_ASSETS, DATA_ASSETS
from results import ROOT, WHOLE, Try, append, code_version, read, table
from scene import Scene, TooLateError, Trial, make_scene, whole_folder

from dance_models.errors import InputError

Act = Callable[[Trial], list[str]]


@dataclass(frozen=True)
class Fault:
    """One kind of fault. ``act`` does it and returns what went wrong while it was done."""

    name: str
    start: str  # the store to begin from
    act: Act


MOST_LINES: Final = 8  # about one trial
MOST_REPEATS: Final = 5  # of a trial whose command had ended before the fault
# Half of the graph with every kind of stage but the pages of a report: a run takes half the time.
HALF: Final = "recognition"
HALF_ASSETS: Final = (
    f"{CLIP_ASSETS},{DATA_ASSETS},annotation_report,"
    "mkff_st_gcn,recognition_report,recognition_champion"
)
DAGSTER_RUNS: Final = "dagster_home/history/runs.db"
MLFLOW: Final = "mlflow/mlflow.db"
REGISTRIES: Final = tuple(f"tables/{name}.parquet" for name in damage.REGISTRIES)
FAULTS: Final = (
    *(
        Fault(f"kill -9 of the {name}, from {start}", start, act)
        for name, start, act in (
            ("command", "empty", kills.kill_main),
            ("command", "ingested", kills.kill_main),
            ("worker", "empty", kills.kill_role("worker")),
            ("step or its server", "ingested", kills.kill_role("step")),
            ("training", "ingested", kills.kill_role("training")),
        )
    ),
    *(
        Fault(
            f"{number.name} of the {name} process of a training on two devices",
            "finished",
            two_devices.end_process(which, number),
        )
        for name, which in (("first", two_devices.FIRST), ("second", two_devices.SECOND))
        for number in (signal.SIGKILL, signal.SIGTERM)
    ),
    *(
        Fault(f"{name} to the command, from {start}", start, kills.signal_main(name))
        for name in kills.SIGNALS
        for start in ("empty", "ingested")
    ),
    *(
        Fault(f"kill -9 of the {role} of dance ui", "ingested", kills.kill_server(role))
        for role in kills.SERVER_ROLES
    ),
    Fault("SIGTERM to dance ui", "ingested", kills.stop_server),
    Fault("full disk, from empty", "empty", around.full_disk),
    Fault("full disk, from ingested", "ingested", around.full_disk),
    Fault("read-only store", "finished", around.read_only),
    Fault("a table cut short", "finished", damage.cut("tables/*.parquet")),
    Fault("a clip's table cut short", "finished", damage.cut("tables/*/*.parquet")),
    Fault("the registry cut short", "finished", damage.cut_and_restored(*REGISTRIES)),
    Fault("a checkpoint cut short", "finished", damage.cut("models/*/*/*.pt")),
    Fault("a bit of a checkpoint", "finished", damage.flipped("models/*/*/best.pt")),
    Fault("runs.npz cut short", "finished", damage.cut("models/*/*/runs.npz")),
    Fault("a picture cut short", "finished", damage.cut("frames/*/*.jpg")),
    Fault("a report deleted", "finished", damage.deleted("reports/*.parquet")),
    Fault("Dagster's database cut short", "finished", damage.cut_and_restored(DAGSTER_RUNS)),
    Fault("MLflow's database cut short", "finished", damage.cut_and_restored(MLFLOW)),
    Fault("Dagster's database in use for 20 s", "ingested", around.locked_database(DAGSTER_RUNS)),
    Fault("MLflow's database in use for 20 s", "ingested", around.locked_database(MLFLOW)),
    Fault("a clip replaced in mid-run", "empty", around.clip_replaced),
    Fault("an annotation changed in mid-run", "empty", around.annotation_changed),
    Fault("a clip deleted in mid-run", "empty", around.clip_deleted),
    Fault("clock a year on", "empty", around.clock(365 * 86_400)),
    Fault("clock a year back", "empty", around.clock(-365 * 86_400)),
    Fault("two runs at once", "empty", around.two_runs),
    Fault("dance clean during a run", "empty", around.clean_in_a_run),
    Fault("two promotions at once", "finished", around.two_promotions),
    Fault("300 clips registered twice at once", "finished", around.many_clips),
)


def try_fault(
    scene: Scene, fault: Fault, seed: int, folder: Path, command_s: float | None = None
) -> tuple[list[str], int, float]:
    """One trial: what is wrong afterwards, the bytes that differ, and seconds of the recovery.

    ``command_s``: how long the disturbed command takes. Raises TooLateError when it had ended
    before the fault.
    """
    trial = Trial(scene, fault.start, Random(seed), folder, command_s)
    try:
        try:
            troubles = fault.act(trial)
        except (NotImplementedError, TooLateError):
            raise
        except Exception:
            return [traceback.format_exc(), trial.last_words()], 0, 0.0
        started = time.monotonic()
        code, output = trial.run(*trial.recovery)
        seconds = time.monotonic() - started
        if code:
            troubles.append(f"the next command ends with {code}: {output[-600:]}")
        troubles += [f"left: {line}" for line in trial.gone()]
        try:
            different = trial.differences()
        except InputError as error:  # the store cannot be opened
            different = [str(error)]
        if troubles or different:
            troubles.append(trial.last_words())
        return [*troubles, *different], trial.bytes_lost(different), seconds
    finally:
        trial.close()


def one_try(scene: Scene, fault: Fault, seed: int, folder: Path) -> Try:
    """A trial and what came of it. Raises NotImplementedError where the machine cannot do it."""
    began, started = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    command_s: float | None = None
    for _ in range(MOST_REPEATS):
        try:
            troubles, lost, recovery = try_fault(scene, fault, seed, folder, command_s)
            break
        except TooLateError as late:
            command_s = late.seconds
    else:
        troubles, lost, recovery = ["the command always ended before the fault"], 0, 0.0
    # The record is for other machines, too.
    troubles = [line.replace(f"{folder}/", "").replace(f"{ROOT}/", "") for line in troubles]
    if len(troubles) > MOST_LINES:
        troubles = [*troubles[:MOST_LINES], f"and {len(troubles) - MOST_LINES} more"]
    seconds = time.monotonic() - started
    return Try(
        fault.name, seed, code_version(), began, lost, round(seconds, 1), round(recovery, 1),
        troubles, _graph(scene),
    )  # fmt: skip


def _graph(scene: Scene) -> str:
    """What the commands make."""
    part = HALF if scene.only else WHOLE
    return f"{part}, {scene.shards} shards" if scene.shards else part


def run_tries(
    scene: Scene,
    faults: Sequence[Fault],
    goal: int,
    seconds: float,
    seed: int,
    results: Path,
    folder: Path,
) -> bool:
    """Tries until each fault has ``goal`` in ``results``, or the time is over: the rarest first.

    Of equally rare ones any, so that short runs do not all try the same. Whether all that were made
    here recovered.
    """
    ended, left, good = time.monotonic() + seconds, list(faults), True
    while time.monotonic() < ended:
        counts = Counter(one.fault for one in read(results))
        left = [fault for fault in left if counts[fault.name] < goal]
        if not left:
            break
        Random(counts.total()).shuffle(left)
        fault = min(left, key=lambda one: counts[one.name])
        try:
            done = one_try(scene, fault, seed + counts[fault.name], folder)
        except NotImplementedError as missing:
            print(f"{fault.name}: skipped, {missing}", flush=True)
            left.remove(fault)
            continue
        append(results, done)
        good &= not done.troubles
        word = "not recovered" if done.troubles else "recovered"
        print(f"{fault.name}, seed {done.seed}: {word}, {done.seconds:.0f} s", flush=True)
        for line in done.troubles:
            print(f"  {line}", file=sys.stderr, flush=True)
    return good


def main() -> int:
    """Run the suite from the command line; 1 when a trial did not recover."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="tries of each fault, in all")
    parser.add_argument("--minutes", type=float, default=inf, help="no try begins after these")
    parser.add_argument("--only", default="", help="faults whose names contain this")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--half", action="store_true", help="make the recognition half of the graph alone"
    )
    parser.add_argument("--shards", type=int, default=0, help="put the clips in so many shards")
    parser.add_argument("--folder", type=Path, help="keeps the stores to begin from")
    parser.add_argument(
        "--results", type=Path, help="tries add up in this file; default: results.jsonl in --folder"
    )
    parser.add_argument("--table", type=Path, help="print the table of such a file, no more")
    chosen = parser.parse_args()
    if chosen.table:
        print(table((fault.name for fault in FAULTS), read(chosen.table)))
        return 0
    faults = [fault for fault in FAULTS if chosen.only in fault.name]
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="faults-"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))  # the trial is closed, and not noted
    with whole_folder(folder):
        only = HALF_ASSETS if chosen.half else ""
        scene = make_scene(folder / "scene", only=only, shards=chosen.shards)
        seconds = ", ".join(f"{name} {value:.0f} s" for name, value in scene.seconds.items())
        print(f"undisturbed: {seconds}; {len(scene.expected)} files are compared", flush=True)
        results = chosen.results or folder / "results.jsonl"
        limit = chosen.minutes * 60
        good = run_tries(scene, faults, chosen.times, limit, chosen.seed, results, folder)
        print(table((fault.name for fault in faults), read(results)), flush=True)
    if chosen.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
