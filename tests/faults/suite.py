"""``make faults``: every fault many times at random moments, and a table of what came of it.

A trial copies a store, starts a command, does the damage, and then gives the same command again.
It has recovered when that command ends with 0, every table and checkpoint is byte for byte that of
an undisturbed run, no run is left open, nothing is half registered, and no process is left.
"""

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import around
import damage
import kills
from scene import Scene, Trial, make_scene

Act = Callable[[Trial], list[str]]


@dataclass(frozen=True)
class Fault:
    """One kind of fault. ``act`` does it and returns what went wrong while it was done."""

    name: str
    start: str  # the store to begin from
    act: Act


@dataclass
class Outcome:
    """What came of the trials of one fault."""

    fault: str
    times: int = 0
    recovered: int = 0
    bytes_lost: int = 0
    longest_s: float = 0.0  # of a recovery: the second command
    troubles: list[str] = field(default_factory=list)
    skipped: str = ""

    def row(self) -> str:
        """One line of the table."""
        if self.skipped:
            return f"| {self.fault} | - | {self.skipped} | - |"
        return f"| {self.fault} | {self.times} | {self.recovered} | {self.bytes_lost} |"


MOST_LINES: Final = 8  # about one trial
DAGSTER_RUNS: Final = "dagster_home/history/runs.db"
MLFLOW: Final = "mlflow/mlflow.db"
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
    Fault("the registry cut short", "finished", damage.cut_and_restored("tables/raw_*.parquet")),
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
    Fault("clock a year on", "empty", around.clock("+365d")),
    Fault("clock a year back", "empty", around.clock("-365d")),
    Fault("two runs at once", "empty", around.two_runs),
    Fault("dance clean during a run", "empty", around.clean_in_a_run),
    Fault("two promotions at once", "finished", around.two_promotions),
    Fault("300 clips registered twice at once", "finished", around.many_clips),
)


def try_fault(scene: Scene, fault: Fault, seed: int, folder: Path) -> tuple[list[str], int, float]:
    """One trial: what is wrong afterwards, the bytes that differ, and seconds of the recovery."""
    trial = Trial(scene, fault.start, Random(seed), folder)
    try:
        troubles = fault.act(trial)
        started = time.monotonic()
        code, output = trial.run(*trial.recovery)
        seconds = time.monotonic() - started
        if code:
            troubles.append(f"the next command ends with {code}: {output[-600:]}")
        troubles += [f"left: {line}" for line in trial.gone()]
        different = trial.differences()
        return [*troubles, *different], trial.bytes_lost(different), seconds
    finally:
        trial.close()


def run_fault(scene: Scene, fault: Fault, times: int, folder: Path, seed: int) -> Outcome:
    """All trials of a fault; a line for each that did not recover."""
    outcome = Outcome(fault.name)
    for number in range(times):
        try:
            troubles, lost, seconds = try_fault(scene, fault, seed + number, folder)
        except NotImplementedError as missing:
            outcome.skipped = str(missing)
            return outcome
        except Exception:
            troubles, lost, seconds = [traceback.format_exc()], 0, 0.0
        outcome.times += 1
        outcome.recovered += not troubles
        outcome.bytes_lost += lost
        outcome.longest_s = max(outcome.longest_s, seconds)
        shown = [*troubles[:MOST_LINES], *([f"and {len(troubles) - MOST_LINES} more"]
                 if len(troubles) > MOST_LINES else [])]  # fmt: skip
        outcome.troubles += [f"{fault.name}, seed {seed + number}: {line}" for line in shown]
    return outcome


def main() -> int:
    """Run the suite from the command line; 1 when a trial did not recover."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="trials of each fault")
    parser.add_argument("--only", default="", help="faults whose names contain this")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=None, help="keeps the stores, for reuse")
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="faults-"))
    scene = make_scene(folder / "scene")
    seconds = ", ".join(f"{name} {value:.0f} s" for name, value in scene.seconds.items())
    print(f"undisturbed: {seconds}; {len(scene.expected)} files are compared", flush=True)
    outcomes = []
    print("| fault | times | recovered | bytes lost |\n|---|---|---|---|", flush=True)
    for fault in FAULTS:
        if chosen.only in fault.name:
            outcomes.append(run_fault(scene, fault, chosen.times, folder, chosen.seed))
            print(outcomes[-1].row(), flush=True)
            for line in outcomes[-1].troubles:
                print(f"  {line}", file=sys.stderr, flush=True)
    if chosen.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    return int(any(outcome.recovered < outcome.times for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
