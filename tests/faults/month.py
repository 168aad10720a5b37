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
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import dagster as dg
from around import fill, small_disk
from scene import MARK, Trial, command_line, make_scene, open_runs
from servers import Server, graphql, unfinished

from pipelines.partitions import clip_keys
from pipelines.servers import until
from pipelines.storage.store import Store, open_instance

WEEK: Final = 7  # days
LAST_S: Final = 600.0  # for what was begun to come to its end
FULL_FROM, FULL_UNTIL = 14, 16
SENSORS: Final = ("new_clips", "changed_annotations", "rebuild_dataset", "champion_changed")
TICKS: Final = """query ($s: InstigationSelector!) {
    instigationStateOrError(instigationSelector: $s) {
    ... on InstigationState { ticks(limit: 1000) {
        timestamp status skipReason runIds error { message }
        requestedAssetMaterializationCount autoMaterializeAssetEvaluationId } } } }"""


ENDS: Final = ("started runs", "said why not", "named an error", "cut off by a kill")


def said(tick: Mapping[str, Any]) -> str:
    """What came of a tick, one of ``ENDS``."""
    if tick["runIds"] or tick["requestedAssetMaterializationCount"]:
        return ENDS[0]
    # The sensor of conditions says for each asset why it is not made, in its evaluations.
    if tick["skipReason"] or tick["autoMaterializeAssetEvaluationId"]:
        return ENDS[1]
    return ENDS[2] if tick["error"] else ENDS[3]


@dataclass
class Month:
    """What happened, day by day, and what came of every tick."""

    minutes: int  # between two ticks of the retraining schedule
    days: list[str] = field(default_factory=list)
    began: float = 0.0  # seconds since 1970: dance ui answered for the first time
    ended: float = 0.0
    kills: int = 0
    runs: list[dg.DagsterRun] = field(default_factory=list)
    ticks: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def table(self) -> Iterator[str]:
        """Ticks by sensor and what came of them."""
        counts = Counter((name, said(tick)) for name, tick in self.ticks)
        yield f"| sensor or schedule | {' | '.join(ENDS)} |"
        yield "|---" * (len(ENDS) + 1) + "|"
        for name in dict.fromkeys(name for name, _ in self.ticks):
            yield f"| `{name}` | {' | '.join(str(counts[name, end]) for end in ENDS)} |"

    def due(self) -> list[int]:
        """Times at which the schedule had to tick, in seconds since 1970."""
        step = 60 * self.minutes
        return list(range(int(self.began // step + 1) * step, int(self.ended), step))


def live(trial: Trial, days: int, day_s: float) -> Month:
    """Let the store live for so many days."""
    month = Month(max(1, round(WEEK * day_s / 60)))
    trial.environment |= {
        "DANCE_AUTOMATION": "on", "DANCE_PROFILE": "smoke",
        "DANCE_RETRAIN_CRON": f"*/{month.minutes} * * * *",
    }  # fmt: skip
    waiting = sorted(trial.scene.corpus.clips.rglob("*.mp4"))
    random, server = trial.random, Server(trial)
    with ExitStack() as disks:
        disks.enter_context(small_disk(trial, megabytes=500))
        filler = trial.store / "raw" / "filler"
        for day in range(1, days + 1):
            started, events = time.monotonic(), []
            if day == FULL_UNTIL:
                filler.unlink()
                events.append("the disk is freed")
            if server.has_ended():
                events.append(start(server, full=FULL_FROM < day < FULL_UNTIL))
            month.began = month.began or time.time()
            if waiting and day % 3 == 1:
                events.append(f"{drop(trial, waiting.pop(0))} is dropped")
            if day == FULL_FROM:
                fill(filler)
                events.append("the disk is full")
            time.sleep(random.uniform(0, day_s / 2))
            running = trial.processes()
            if running and day < days - WEEK:  # the last week is quiet: all can come to its end
                victim = random.choice(running)
                events.append(f"kill -9 of {command_line(victim)[-60:]}")
                victim.kill()
                month.kills += 1
            month.days.append(f"day {day}: {'; '.join(events) or 'quiet'}")
            print(month.days[-1], flush=True)
            time.sleep(max(0.0, started + day_s - time.monotonic()))
        month.ended = time.time()
        server.start_again()
        until(lambda: not unfinished(server.port), LAST_S)
        settled = time.time()  # the next weekly tick finds all clips, and its run comes to its end
        until(lambda: bool(list(weekly(server.port, settled))), 60 * month.minutes + LAST_S)
        until(lambda: not unfinished(server.port), LAST_S)
        month.ticks = list(ticks(server.port))
        server.stop()
        if list(open_runs(trial.store)):  # of a tick that came just then: it waits in the queue
            server.start()
            until(lambda: not unfinished(server.port), LAST_S)
            server.stop()
        month.troubles += [f"left: {line}" for line in trial.gone()]
        month.troubles += judge(trial, month)
    return month


def start(server: Server, full: bool) -> str:
    """Start ``dance ui`` as a service manager does; on a full disk it may refuse and say so.

    Raises RuntimeError when it does not start although there is space, or does not say why not.
    """
    try:
        server.start()
    except RuntimeError as refused:
        if not full or "disk is full" not in str(refused):
            raise
        return "dance ui does not start on the full disk and says so"
    return "dance ui is started"


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


def weekly(port: int, since: float) -> Iterator[dict[str, Any]]:
    """Ticks of the schedule after a time that started a run or said why not."""
    found = (tick for name, tick in ticks(port) if name == "weekly_retrain")
    return (tick for tick in found if tick["timestamp"] > since and said(tick) != ENDS[3])


def judge(trial: Trial, month: Month) -> Iterator[str]:
    """What is wrong at the end of the month."""
    cut = Counter(name for name, tick in month.ticks if said(tick) == ENDS[3])
    for name, count in cut.items():
        if count > month.kills:
            yield f"{count} ticks of {name} say nothing, and there were {month.kills} kills"
    weekly = {int(t["timestamp"]): said(t) for name, t in month.ticks if name == "weekly_retrain"}
    for time_due in month.due():
        if weekly.get(time_due, ENDS[3]) == ENDS[3]:
            yield f"the weekly tick of {time.ctime(time_due)} did nothing and does not say why"
    if ENDS[0] not in weekly.values():
        yield "no weekly tick ever started a run"
    store = Store(root=str(trial.store))
    with open_instance(store) as instance:
        month.runs = list(instance.get_runs())
        missing = [
            c for c in clip_keys(store, instance) if not store.table("pose_tracks", c).is_file()
        ]
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
    runs = Counter((run.job_name, run.status.value) for run in month.runs)
    for (job, status), count in sorted(runs.items()):
        print(f"{count} runs of {job}: {status}")
    print(f"{month.kills} kills, {len(month.due())} weekly ticks were due")
    for line in month.troubles:
        print(f"trouble: {line}")
    return int(bool(month.troubles))


if __name__ == "__main__":
    sys.exit(main())
