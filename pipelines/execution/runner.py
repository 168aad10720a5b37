"""Running the graph from the command line, in the same Dagster instance that the web UI shows.

A clip is one run of the job ``ingest_clips``, executed in a pool of processes that each build the
graph once. Everything over all clips is one run of the job ``retrain_all``; Dagster decides its
order, with the same executor as in the web UI. Nothing is run for a clip, or for the data set,
when the skip rule finds all of its stages fresh.
"""

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any, Final, Protocol

import dagster as dg

from dance_models.processes import worker_pool
from pipelines.automation.jobs import INGEST_CLIPS, RETRAIN_ALL
from pipelines.cluster import LOCAL
from pipelines.execution.outcomes import (
    Plan,
    StageOutcome,
    is_fresh,
    outcomes_of_run,
    plan,
)
from pipelines.execution.request import Request, definitions_of
from pipelines.materializations import last_of_all_clips
from pipelines.partitions import clip_keys
from pipelines.processes import refuse_when_stopping
from pipelines.profile_options import PROFILE_TAG
from pipelines.recovery import TASK_TAG, close_lost_tasks, process_tags
from pipelines.settings import op_config
from pipelines.stage import ONLY_STALE_TAG, Stage
from pipelines.storage.databases import held_open
from pipelines.storage.store import open_instance

KILLED: Final = (
    "the worker process was killed. Probably the memory ran out: close other programs and run the "
    "same command again"
)
COMMAND_TAG: Final = "dance/command"


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
    return {PROFILE_TAG: request.options.name, ONLY_STALE_TAG: "true", **task, **process_tags()}


def run_clip(request: Request, clip: str) -> list[StageOutcome]:
    """One clip through the wanted stages, as one run if any of them is stale. Runs in a worker."""
    store, profile = request.opened, request.profile
    stages = request.stages(partitioned=True)
    with held_open(), open_instance(store, request.cores) as instance:
        planned = plan(stages, instance, store, profile, clip)
        if not planned.to_run:
            return list(planned.outcomes)
        job = definitions_of(request).resolve_job_def(INGEST_CLIPS)
        try:
            result = job.execute_in_process(
                instance=instance,
                partition_key=clip,
                asset_selection=[dg.AssetKey(stage.name) for stage in planned.to_run],
                run_config=_run_config(request, planned.to_run),
                tags=_tags(request),
                raise_on_error=False,
            )
        except dg.DagsterError as error:  # the run could not even be started
            return [StageOutcome(planned.to_run[0].name, clip, "failed", error=str(error))]
        ran = outcomes_of_run(instance, result.run_id, planned.to_run, store, profile, clip)
        return [*planned.outcomes, *ran]


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


Made = tuple[str, list[StageOutcome] | None]  # a clip, and None when its worker was killed


class ClipWorkers(Protocol):
    """Where clips are made: on this machine, or on a cluster."""

    def make(
        self, request: Request, clips: Sequence[str], *, alone: bool = False
    ) -> Iterator[Made]:
        """Each clip with its outcomes as it is done; ``alone``: nothing else of us runs then.

        Ends what it started when the caller is interrupted.
        """


class LocalWorkers:
    """A pool of processes on this machine."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or os.cpu_count() or 1

    def make(
        self, request: Request, clips: Sequence[str], *, alone: bool = False
    ) -> Iterator[Made]:
        """Each clip as it is done; a worker that is killed takes its pool with it."""
        # Interrupted: the next run makes these clips.
        tasks = {clip: uuid.uuid4().hex for clip in clips}
        lost: list[str] = []
        with worker_pool(1 if alone else self.workers) as pool:
            futures: dict[Future[list[StageOutcome]], str] = {
                pool.submit(run_clip, replace(request, task=task), clip): clip
                for clip, task in tasks.items()
            }
            for future in as_completed(futures):
                try:
                    yield futures[future], future.result()
                except BrokenProcessPool:
                    lost.append(tasks[futures[future]])
                    yield futures[future], None
        close_lost_tasks(request.opened, lost)  # by now all workers have ended


class ClipRuns:
    """All clips, each in one of several worker processes."""

    def __init__(self, request: Request, workers: ClipWorkers) -> None:
        self.request, self.workers = request, workers

    def __call__(self, clips: Sequence[str]) -> Iterator[list[StageOutcome]]:
        """Yields the outcomes of a clip as it is done.

        Whose clip a killed worker was at may not be known. So the clips without outcomes are made
        again, and when none of them got done, one of them alone: only a clip whose own worker is
        killed then has failed.
        """
        waiting = list(clips)
        while waiting:
            killed: list[str] = []
            for clip, outcomes in self.workers.make(self.request, waiting):
                if outcomes is None:
                    killed.append(clip)
                else:
                    yield outcomes
            if len(killed) == len(waiting):
                ((clip, outcomes),) = self.workers.make(self.request, killed[:1], alone=True)
                yield [self._killed(clip)] if outcomes is None else outcomes
                killed = killed[1:]
            waiting = killed

    def _killed(self, clip: str) -> StageOutcome:
        stage = self.request.stages(partitioned=True)[0]
        return StageOutcome(stage.name, clip, "failed", error=KILLED)


def planned_clips(
    request: Request, instance: dg.DagsterInstance, clips: Sequence[str]
) -> dict[str, Plan]:
    """What is fresh of each clip and what has to run; runs nothing."""
    store, profile, stages = request.opened, request.profile, request.stages(partitioned=True)
    last = last_of_all_clips(instance, [stage.name for stage in stages])
    return {clip: plan(stages, instance, store, profile, clip, last) for clip in clips}


def stale_stages(request: Request, instance: dg.DagsterInstance) -> list[tuple[str, str | None]]:
    """Assets (and clips) that a run would recompute, without running anything."""
    store, profile = request.opened, request.profile
    clips: list[str | None] = [*clip_keys(instance)]
    partitioned = request.stages(partitioned=True)
    last = last_of_all_clips(instance, [stage.name for stage in partitioned])
    return [
        (stage.name, clip)
        for stages, keys, lookup in (
            (partitioned, clips, last),
            (request.stages(partitioned=False), [None], None),
        )
        for clip in keys
        for stage in stages
        if not is_fresh(stage, instance, store, profile, clip, lookup)
    ]
