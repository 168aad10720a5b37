"""Running the graph from the command line, in the same Dagster instance that the web UI shows.

Clips are runs of the job ``ingest_clips``, executed in a pool of processes that each build the
graph once: a run for each of a few clips, one for several of many, since a run costs three times
the work on a short clip. Everything over all clips is one run of the job ``retrain_all``; Dagster
decides its order, with the same executor as in the web UI. Nothing is run for a clip, or for the
data set, when the skip rule finds all of its stages fresh. In a store with shards each shard that
has a stale clip is one run.
"""

import os
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final, Protocol

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from dance_models.processes import worker_pool
from pipelines.automation.failures import KILLED
from pipelines.automation.jobs import INGEST_CLIPS, RETRAIN_ALL
from pipelines.cluster import LOCAL
from pipelines.execution.outcomes import (
    Plan,
    StageOutcome,
    is_fresh,
    outcomes_of_clips,
    outcomes_of_run,
    plan,
)
from pipelines.execution.request import Request, definitions_of
from pipelines.executors import PRELOADED, PRELOADED_FOR_NETWORKS
from pipelines.graph import network_steps
from pipelines.materializations import last_of_all_clips
from pipelines.partitions import CLIPS_PER_RUN, clip_keys, clip_order, listed_once
from pipelines.processes import refuse_when_stopping, when_interrupted
from pipelines.profile_options import PROFILE_TAG
from pipelines.recovery import GIVER_TAG, TASK_TAG, close_lost_tasks, process_tags
from pipelines.settings import op_config
from pipelines.shard_step import KILLS, forget_kills
from pipelines.stage import ONLY_STALE_TAG, Stage
from pipelines.storage.databases import held_open
from pipelines.storage.memory import remembering
from pipelines.storage.shard_keys import by_shard
from pipelines.storage.shards import shards_of
from pipelines.storage.store import Store, open_instance

COMMAND_TAG: Final = "dance/command"
TASKS_A_PLACE: Final = 4  # at least, before clips share one: the last ones end at about one time


def _run_config(request: Request, stages: Sequence[Stage]) -> dict[str, Any]:
    """Every number that the stages use, so that the run can be read and repeated in the web UI."""
    profile = request.profile
    configs = {stage.name: stage.config(profile) for stage in stages}
    ops = {name: op_config(config) for name, config in configs.items() if config is not None}
    # The progress bars and the web UI show the rest.
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return {"ops": ops, **({} if request.debug else quiet)}


def _tags(request: Request) -> dict[str, str]:
    task = {TASK_TAG: request.task} if request.task else {}
    task |= {GIVER_TAG: request.giver} if request.giver else {}
    return {PROFILE_TAG: request.options.name, ONLY_STALE_TAG: "true", **task, **process_tags()}


def run_clips(request: Request, clips: Sequence[str]) -> list[list[StageOutcome]] | None:
    """Clips through the wanted stages; the outcomes of each. Runs in a worker.

    Neighbours that lack the same stages are one run. When it fails, which is the fault of some of
    them, each of them is run alone.

    None when this process was told to end: whether the command was, too, is for the command to say.
    """
    try:
        return _outcomes_of(request, clips)
    except KeyboardInterrupt:
        return None


def _outcomes_of(request: Request, clips: Sequence[str]) -> list[list[StageOutcome]]:
    store, profile = request.opened, request.profile
    stages = request.stages(partitioned=True)
    found: dict[str, list[StageOutcome]] = {}
    with (
        held_open(),
        open_instance(store, request.cores) as instance,
        listed_once(instance),
    ):
        planned = {clip: plan(stages, instance, store, profile, clip) for clip in clips}
        if shards := shards_of(store):
            for shard, its_clips in by_shard(clips, shards).items():
                found |= _run_shard(request, instance, shard, its_clips, planned)
            return [found[clip] for clip in clips]
        for together in list(_runs(planned, clip_order(store, instance))):
            if len(together) > 1:
                found |= _run_together(request, instance, together, planned)
            for clip in together:
                if clip not in found:
                    if len(together) > 1:  # some of its stages may be done
                        planned[clip] = plan(stages, instance, store, profile, clip)
                    found[clip] = _run_alone(request, instance, clip, planned[clip])
    return [found[clip] for clip in clips]


def _runs(planned: Mapping[str, Plan], order: Sequence[str]) -> Iterator[list[str]]:
    """Clips that can be one run: neighbours in Dagster's order that lack the same stages."""
    run: list[str] = []
    for clip in order:
        if run and (clip not in planned or planned[clip].to_run != planned[run[0]].to_run):
            yield run
            run = []
        if clip in planned:
            run.append(clip)
    if run:
        yield run


def _executed(
    request: Request, instance: dg.DagsterInstance, stages: Sequence[Stage], clips: Sequence[str]
) -> dg.ExecuteInProcessResult:
    """One run of some stages for neighbouring clips, or for one shard.

    Raises DagsterError when it could not even be started.
    """
    several = {ASSET_PARTITION_RANGE_START_TAG: clips[0], ASSET_PARTITION_RANGE_END_TAG: clips[-1]}
    return (
        definitions_of(request)
        .resolve_job_def(INGEST_CLIPS)
        .execute_in_process(
            instance=instance,
            partition_key=clips[0] if len(clips) == 1 else None,
            asset_selection=[dg.AssetKey(stage.name) for stage in stages],
            run_config=_run_config(request, stages),
            tags={**_tags(request), **(several if len(clips) > 1 else {})},
            raise_on_error=False,
        )
    )


def _run_alone(
    request: Request, instance: dg.DagsterInstance, clip: str, planned: Plan
) -> list[StageOutcome]:
    """One clip, as one run if any of its stages is stale."""
    if not planned.to_run:
        return list(planned.outcomes)
    try:
        result = _executed(request, instance, planned.to_run, [clip])
    except dg.DagsterError as error:
        return [StageOutcome(planned.to_run[0].name, clip, "failed", error=str(error))]
    ran = outcomes_of_run(
        instance, result.run_id, planned.to_run, request.opened, request.profile, clip
    )
    return [*planned.outcomes, *ran]


def _run_together(
    request: Request,
    instance: dg.DagsterInstance,
    clips: Sequence[str],
    planned: Mapping[str, Plan],
) -> dict[str, list[StageOutcome]]:
    """Several clips that lack the same stages; none when there is nothing to run or it failed."""
    stages = planned[clips[0]].to_run
    if not stages:
        return {}
    try:
        result = _executed(request, instance, stages, clips)
    except dg.DagsterError:
        return {}
    ran = outcomes_of_clips(instance, result.run_id, stages, request.opened, request.profile, clips)
    if not result.success:
        return {}
    return {clip: [*planned[clip].outcomes, *ran[clip]] for clip in clips}


def _run_shard(
    request: Request,
    instance: dg.DagsterInstance,
    shard: str,
    clips: Sequence[str],
    planned: Mapping[str, Plan],
) -> dict[str, list[StageOutcome]]:
    """Some clips of a shard, as one run if any of them lacks a stage."""
    lacking = {clip: {stage.name for stage in planned[clip].to_run} for clip in clips}
    wanted = set().union(*lacking.values())
    stages = [stage for stage in request.stages(partitioned=True) if stage.name in wanted]
    if not stages:
        return {clip: list(planned[clip].outcomes) for clip in clips}
    try:
        result = _executed(request, instance, stages, [shard])
    except dg.DagsterError as error:
        told = str(error)
        return {clip: [StageOutcome(stages[0].name, clip, "failed", error=told)] for clip in clips}
    ran = outcomes_of_clips(instance, result.run_id, stages, request.opened, request.profile, clips)
    return {
        clip: [*planned[clip].outcomes, *(o for o in ran[clip] if o.asset in lacking[clip])]
        for clip in clips
    }


class DatasetRun:
    """The stages over all clips: what is fresh, and one run for the rest."""

    def __init__(
        self,
        request: Request,
        instance: dg.DagsterInstance,
        workers: int,
        engine: str = LOCAL,
    ) -> None:
        self.request, self.instance, self.workers = request, instance, workers
        self.engine = engine  # where trainings run
        self.planned: Plan = plan(
            request.stages(partitioned=False), instance, request.opened, request.profile
        )
        self._command = uuid.uuid4().hex

    def execute(self) -> list[StageOutcome]:
        """Run what is stale; the outcomes of all stages. Blocks until the run has ended.

        Raises KeyboardInterrupt when the run was interrupted.
        """
        request, to_run = self.request, self.planned.to_run
        if not to_run:
            return list(self.planned.outcomes)
        job = dg.build_reconstructable_job(
            "pipelines.graph",
            "job_of",
            reconstructable_kwargs={
                "store_root": str(request.store),
                "options": request.options.to_plain(),
                "job": RETRAIN_ALL,
                "engine": self.engine,
            },
        )
        config = _run_config(request, to_run)
        try:
            result = dg.execute_job(
                job,
                instance=self.instance,
                run_config={**config, "execution": {"config": {"max_concurrent": self.workers}}},
                tags={**_tags(request), COMMAND_TAG: self._command},
                asset_selection=[dg.AssetKey(stage.name) for stage in to_run],
            )
        except dg.DagsterError as error:  # the run could not even be started
            failed = StageOutcome(to_run[0].name, None, "failed", error=str(error))
            return [*self.planned.outcomes, failed]
        refuse_when_stopping()  # a step that dies of the signal makes Dagster report a failure
        ran = outcomes_of_run(self.instance, result.run_id, to_run, request.opened, request.profile)
        return [*self.planned.outcomes, *ran]

    def progress(self) -> Mapping[str, bool]:
        """Stages of the run that have started -> whether they have ended."""
        runs = self.instance.get_runs(filters=dg.RunsFilter(tags={COMMAND_TAG: self._command}))
        if not runs:
            return {}
        stats = self.instance.get_run_step_stats(runs[0].run_id)
        return {step.step_key: step.end_time is not None for step in stats if step.start_time}


Group = tuple[str, ...]  # clips that one task makes
Made = tuple[Group, list[list[StageOutcome]] | None]  # None when its worker was killed or ended


class ClipWorkers(Protocol):
    """Where clips are made: on this machine, or on a cluster."""

    @property
    def places(self) -> int:
        """Tasks that run side by side."""

    def make(
        self, request: Request, groups: Sequence[Group], *, alone: bool = False
    ) -> Generator[Made]:
        """Each group with the outcomes of its clips as it is done.

        ``alone``: nothing else of us runs then. Ends what it started when the caller is
        interrupted.
        """


def _preloaded(request: Request) -> Sequence[str]:
    """What the server imports that clips are forked from, and the steps over all clips later."""
    networks = network_steps(request.stages(partitioned=False))
    return PRELOADED_FOR_NETWORKS if networks else PRELOADED


class LocalWorkers:
    """A pool of processes on this machine."""

    def __init__(self, workers: int | None = None) -> None:
        self.places = workers or os.cpu_count() or 1

    def make(
        self, request: Request, groups: Sequence[Group], *, alone: bool = False
    ) -> Generator[Made]:
        """Each group as it is done; a worker that is killed takes its pool with it."""
        # Interrupted: the next run makes these clips.
        tasks = {group: uuid.uuid4().hex for group in groups}
        lost: list[str] = []
        with worker_pool(1 if alone else self.places, _preloaded(request)) as pool:
            futures: dict[Future[list[list[StageOutcome]] | None], Group] = {}
            for group, task in tasks.items():
                with suppress(BrokenProcessPool):  # a worker is killed before all have their task
                    made = pool.submit(run_clips, replace(request, task=task), group)
                    futures[made] = group
            for future in as_completed(futures):
                try:
                    yield futures[future], future.result()
                except BrokenProcessPool:
                    lost.append(tasks[futures[future]])
                    yield futures[future], None
            sent = set(futures.values())
            yield from ((group, None) for group in groups if group not in sent)
        close_lost_tasks(request.opened, lost)  # by now all workers have ended


def in_shards(clips: Sequence[str], shards: int) -> list[Group]:
    """Clips for tasks, those of a shard for each."""
    return [tuple(group) for group in by_shard(clips, shards).values()]


def in_groups(clips: Sequence[str], places: int) -> list[Group]:
    """Clips for tasks: one each while they are few, and enough tasks to share out while many."""
    size = max(1, min(CLIPS_PER_RUN, len(clips) // (TASKS_A_PLACE * places)))
    return [tuple(clips[start : start + size]) for start in range(0, len(clips), size)]


class ClipRuns:
    """All clips, in several worker processes."""

    def __init__(self, request: Request, workers: ClipWorkers) -> None:
        self.request, self.workers = request, workers

    def __call__(self, clips: Sequence[str]) -> Generator[list[StageOutcome]]:
        """Yields the outcomes of a clip as it is done; closing it ends what runs.

        Whose clip a killed worker was at may not be known. So the clips without outcomes are made
        again, a task each, and when none of them got done, one of them alone: only a clip whose own
        worker is killed then has failed. Clips of a shard stay together: its steps find the one.
        """
        shards = shards_of(self.request.opened)
        names = by_shard(clips, shards) if shards else ()
        stages = [stage.name for stage in self.request.stages(partitioned=True)]
        # By then its workers are killed.
        with when_interrupted(partial(forget_kills, self.request.opened, stages, names)):
            yield from self._all_made(clips, shards)

    def _all_made(self, clips: Sequence[str], shards: int) -> Iterator[list[StageOutcome]]:
        waiting = in_shards(clips, shards) if shards else in_groups(clips, self.workers.places)
        while waiting:
            killed: list[Group] = []
            with closing(self.workers.make(self.request, waiting)) as made:
                for group, outcomes in made:
                    if outcomes is not None:
                        yield from outcomes
                    elif shards:
                        killed.append(group)
                    else:
                        killed += [(clip,) for clip in group]
            if sum(map(len, killed)) == sum(map(len, waiting)):
                yield from self._alone(killed[0], shards)
                killed = killed[1:]
            waiting = killed

    def _alone(self, group: Group, shards: int) -> list[list[StageOutcome]]:
        """The outcomes of a group that is made while nothing else is.

        In each of its steps a shard leaves out one that it was killed at ``KILLS`` times.
        """
        times = len(self.request.stages(partitioned=True)) * KILLS + 1 if shards else 1
        for _ in range(times):
            with closing(self.workers.make(self.request, [group], alone=True)) as made:
                ((_, outcomes),) = made
            if outcomes is not None:
                return outcomes
        return [[self._killed(clip)] for clip in group]

    def _killed(self, clip: str) -> StageOutcome:
        stage = self.request.stages(partitioned=True)[0]
        return StageOutcome(stage.name, clip, "failed", error=KILLED)


def planned_clips(
    request: Request, instance: dg.DagsterInstance, clips: Sequence[str]
) -> dict[str, Plan]:
    """What is fresh of each clip and what has to run; runs nothing."""
    stages, profile = request.stages(partitioned=True), request.profile
    with remembering(request.opened) as store:
        last = last_of_all_clips(instance, store, [stage.name for stage in stages])
        return {clip: plan(stages, instance, store, profile, clip, last) for clip in clips}


def stale_stages(
    request: Request,
    instance: dg.DagsterInstance,
    store: Store,
    newest: Mapping[str, dg.EventLogEntry],
) -> list[tuple[str, str | None]]:
    """Assets (and clips) that a run would recompute, without running anything.

    ``newest`` has the events of the assets over all clips.
    """
    clips: list[str | None] = [*clip_keys(store, instance)]
    partitioned, profile = request.stages(partitioned=True), request.profile
    last = last_of_all_clips(instance, store, [stage.name for stage in partitioned])

    def over_all(asset: str, clip: str | None) -> dg.AssetMaterialization | None:
        return newest[asset].asset_materialization if asset in newest else None

    return [
        (stage.name, clip)
        for stages, keys, lookup in (
            (partitioned, clips, last),
            (request.stages(partitioned=False), [None], over_all),
        )
        for clip in keys
        for stage in stages
        if not is_fresh(stage, instance, store, profile, clip, lookup)
    ]
