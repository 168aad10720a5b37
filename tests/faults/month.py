"""``make month``: a store left to its daemon for thirty short days, and what its ticks did.

A day takes half a minute, a "week" three and a half. Clips are dropped with their annotations, a
random process is killed every day, and the disk is full for two days. Whoever runs the store does
one thing: starts ``dance ui`` again when it has ended, as a service manager does.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from around import fill, small_disk
from scene import MARK, Trial, make_scene, open_runs
from servers import Server, graphql

from pipelines.partitions import clip_keys
from pipelines.storage.store import Store, open_instance

WEEK: Final = 7  # days
FULL_FROM, FULL_UNTIL = 14, 16
SENSORS: Final = ("new_clips", "changed_annotations", "rebuild_dataset", "champion_changed")
TICKS: Final = """query ($s: InstigationSelector!) {
    instigationStateOrError(instigationSelector: $s) {
    ... on InstigationState { ticks(limit: 1000) {
        timestamp status skipReason runIds error { message } } } } }"""


@dataclass
class Month:
    """What happened, day by day, and what came of every tick."""

    days: list[str] = field(default_factory=list)
    ticks: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def table(self) -> Iterator[str]:
        """Ticks by sensor and status; reasons of skips and errors."""
        yield "| sensor or schedule | status | ticks |"
        yield "|---|---|---|"
        counts = Counter((name, tick["status"]) for name, tick in self.ticks)
        for (name, status), count in sorted(counts.items()):
            yield f"| {name} | {status} | {count} |"


def live(trial: Trial, days: int, day_s: float) -> Month:
    """Let the store live for so many days."""
    month = Month()
    week_minutes = max(1, round(WEEK * day_s / 60))
    trial.environment |= {
        "DANCE_AUTOMATION": "on", "DANCE_PROFILE": "smoke",
        "DANCE_RETRAIN_CRON": f"*/{week_minutes} * * * *",
    }  # fmt: skip
    waiting = sorted(trial.scene.corpus.clips.rglob("*.mp4"))
    random, server = trial.random, Server(trial)
    with ExitStack() as disks:
        disks.enter_context(small_disk(trial, megabytes=500))
        filler = trial.store / "raw" / "filler"
        for day in range(1, days + 1):
            started, events = time.monotonic(), []
            if not server.answers():
                server.start()
                events.append("dance ui is started")
            if waiting and day % 3 == 1:
                events.append(f"{drop(trial, waiting.pop(0))} is dropped")
            if day == FULL_FROM:
                fill(filler)
                events.append("the disk is full")
            if day == FULL_UNTIL:
                filler.unlink()
                events.append("the disk is freed")
            time.sleep(random.uniform(0, day_s / 2))
            if day < days - WEEK:  # the last week is quiet: everything can come to its end
                victim = random.choice(trial.processes())
                events.append(f"kill -9 of {' '.join(victim.cmdline())[-60:]}")
                victim.kill()
            month.days.append(f"day {day}: {'; '.join(events) or 'quiet'}")
            print(month.days[-1], flush=True)
            time.sleep(max(0.0, started + day_s - time.monotonic()))
        server.start_again()
        month.ticks = list(ticks(server.port))
        server.stop()
        month.troubles += [f"left: {line}" for line in trial.gone()]
        month.troubles += judge(trial, month)
    return month


def drop(trial: Trial, clip: Path) -> str:
    """Copy a clip and its annotations into the raw folders, as a person does; its name."""
    target = trial.store / "raw" / "clips" / clip.parent.name / clip.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(clip, target)
    annotation = trial.scene.corpus.annotations / f"{clip.stem}.json"
    shutil.copy(annotation, trial.store / "raw" / "annotations")
    return clip.stem


def ticks(port: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every tick of the sensors and the schedule that Dagster remembers."""
    found = graphql(
        port,
        """{ repositoriesOrError { ... on RepositoryConnection { nodes {
            name location { name } } } } }""",
    )
    (repository,) = found["repositoriesOrError"]["nodes"]
    for name in (*SENSORS, "weekly_retrain"):
        selector = {
            "repositoryName": repository["name"],
            "repositoryLocationName": repository["location"]["name"],
            "name": name,
        }
        state = graphql(port, TICKS, s=selector)["instigationStateOrError"]
        yield from ((name, tick) for tick in state.get("ticks", []))


def judge(trial: Trial, month: Month) -> Iterator[str]:
    """What is wrong at the end of the month."""
    for name, tick in month.ticks:
        said = tick["runIds"] or tick["skipReason"] or (tick["error"] or {}).get("message")
        if not said and tick["status"] not in ("SUCCESS", "SKIPPED"):
            yield f"a tick of {name} is {tick['status']} and says nothing"
    retrained = [tick for name, tick in month.ticks if name == "weekly_retrain"]
    if not any(tick["runIds"] for tick in retrained):
        yield "no weekly tick ever started a run"
    store = Store(root=str(trial.store))
    with open_instance(store) as instance:
        missing = [c for c in clip_keys(instance) if not store.table("pose_tracks", c).is_file()]
    if missing:
        yield f"not ingested: {', '.join(missing)}"
    if not store.output("mkff_st_gcn").is_file():
        yield "nothing was ever trained"
    yield from open_runs(trial.store)


def main() -> int:
    """Live a month; 1 when something is wrong at its end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--day", type=float, default=30.0, help="seconds a day")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=None, help="keeps the stores, for reuse")
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="month-"))
    scene = make_scene(folder / "scene")
    trial = Trial(scene, "empty", Random(chosen.seed), folder)
    print(f"every process of the month carries {MARK}={trial.id}", flush=True)
    try:
        month = live(trial, chosen.days, chosen.day)
    finally:
        shutil.copy(trial.log, folder / "month.log")
        trial.close()
    print("\n".join(month.table()))
    for line in month.troubles:
        print(f"trouble: {line}")
    return int(bool(month.troubles))


if __name__ == "__main__":
    sys.exit(main())
