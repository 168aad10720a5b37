"""Running the graph from the command line, in the same Dagster instance that the web UI shows.

Clip partitions go through a pool of processes that each load the definitions once, instead of
paying Dagster's start-up for every step; a run executes only the assets that the skip rule finds
stale.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from dance_models.config import EstimatorConfig, Profile
from dance_models.rows import row_of
from pipelines.execution.recovery import process_tags
from pipelines.partitions import clip_keys
from pipelines.settings import (
    activate,
    op_config,
    profile_named,
    with_ablations,
    with_pretraining,
)
from pipelines.skip_rule import Step
from pipelines.steps import CLIP_STEPS, DATASET_STEPS, assets_of
from pipelines.storage.store import TRAININGS, Store, open_instance

if TYPE_CHECKING:
    from dance_models.quality.findings import Finding


@dataclass(frozen=True)
class StageOutcome:
    """What became of one asset (of one clip)."""

    asset: str
    clip: str | None
    state: str  # "made", "fresh" or "failed"
    seconds: float = 0.0
    error: str | None = None
    findings: "tuple[Finding, ...]" = ()  # of the checks on the asset

    def stopped_at(self, clip: str | None) -> bool:
        """Whether the asset itself failed, rather than one clip in a table of several."""
        return self.state == "failed" and self.clip == clip


@dataclass(frozen=True)
class Request:
    """What to run: profile, assets (all of its graph when empty) and where."""

    store: Path
    profile: str
    only: frozenset[str] = field(default_factory=frozenset)
    debug: bool = False
    estimator: EstimatorConfig | None = None  # in place of the profile's
    folds: int = 0  # also train and score on so many grouped folds
    ablations: bool = False  # also the rows that vary the two networks

    def resolved(self) -> Profile:
        """The profile with what the command line overrides. Raises InputError on its name."""
        profile = profile_named(self.profile)
        if self.estimator:
            profile = replace(profile, estimator=self.estimator)
        if self.folds:
            profile = replace(
                profile,
                split=replace(profile.split, folds=self.folds),
                networks={
                    method: replace(experiment, folds=row_of(method).folded)
                    for method, experiment in profile.networks.items()
                },
            )
        profile = with_ablations(profile) if self.ablations else profile
        return with_pretraining(profile) if Store(root=str(self.store)).has_motion() else profile

    def wants(self, step: Step) -> bool:
        """Whether the step is asked for and part of the profile's graph."""
        return step.asset in assets_of(self.resolved()) and (
            not self.only or step.asset in self.only
        )


def _execute(
    instance: dg.DagsterInstance,
    store: Store,
    profile: Profile,
    step: Step,
    clip: str | None,
    debug: bool,
) -> StageOutcome:
    """One asset as one Dagster run in this process."""
    from time import perf_counter

    from pipelines.definitions import defs

    config = step.config(profile)
    started = perf_counter()
    job = defs.resolve_implicit_global_asset_job_def()
    try:
        result = job.execute_in_process(
            instance=instance,
            partition_key=clip,
            asset_selection=[dg.AssetKey(step.asset)],
            run_config={
                "resources": {"store": {"config": {"root": str(store.path)}}},
                # the progress bars and the web UI say it better
                **(
                    {} if debug else {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
                ),
                **({"ops": {step.asset: op_config(config)}} if config is not None else {}),
            },
            tags={"dance/profile": profile.name, **process_tags()},
            raise_on_error=False,
        )
    except dg.DagsterError as error:  # the run could not even be started
        return StageOutcome(step.asset, clip, "failed", perf_counter() - started, str(error))
    state = "made" if result.success else "failed"
    return StageOutcome(step.asset, clip, state, perf_counter() - started, _failure_of(result))


def _failure_of(result: dg.ExecuteInProcessResult) -> str | None:
    """The innermost error of a failed run in one line."""
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            if error is not None:
                return error.message.strip()
    return None if result.success else "the run failed without saying why; see the web UI"


def _run_steps(request: Request, steps: Sequence[Step], clip: str | None) -> list[StageOutcome]:
    """Run the stale ones of some steps in order; a failure ends the chain. Runs in a worker."""
    activate(request.profile, request.ablations)
    profile = request.resolved()
    store = Store(root=str(request.store))
    instance = open_instance(store)
    outcomes: list[StageOutcome] = []
    for step in steps:
        if step.is_fresh(instance, store, profile, clip):
            outcome = StageOutcome(step.asset, clip, "fresh")
        else:
            outcome = _execute(instance, store, profile, step, clip, request.debug)
        outcomes += _judged(outcome, step, store, profile)
        if any(o.stopped_at(clip) for o in outcomes):
            break
    return outcomes


def _judged(
    outcome: StageOutcome, step: Step, store: Store, profile: Profile
) -> list[StageOutcome]:
    """The outcome with what its checks found, and one for each clip that has to be left out.

    What was fresh is judged again: an error that stopped a run stops the next one too.
    """
    from dance_models.quality.findings import errors, lines

    findings = step.findings(store, profile, outcome.clip)
    outcome = replace(outcome, findings=tuple(findings))
    stopping = step.checks.stopping(findings) if step.checks else []
    if stopping:
        error = "; ".join(lines(stopping)) + ". Nothing is made from it until this is repaired"
        return [replace(outcome, state="failed", error=error)]
    left_out = [
        StageOutcome(
            outcome.asset,
            clip,
            "failed",
            error="; ".join(lines(f for f in errors(findings) if f.clip == clip))
            + ". The clip is left out until this is repaired",
        )
        for clip in sorted({f.clip for f in errors(findings)})
    ]
    return [outcome, *left_out]


def _run_named(request: Request, assets: Sequence[str], clip: str | None) -> list[StageOutcome]:
    """:func:`_run_steps` by asset name: steps hold lambdas and do not travel to a worker."""
    every = {s.asset: s for s in (*CLIP_STEPS, *(s for group in DATASET_STEPS for s in group))}
    return _run_steps(request, [every[name] for name in assets], clip)


def _failed_worker(assets: Sequence[str], clip: str | None, error: BaseException) -> StageOutcome:
    return StageOutcome(assets[0], clip, "failed", error=f"the worker process died: {error!r}")


class Runner:
    """Runs the graph for one request and yields what became of every asset."""

    def __init__(self, request: Request, workers: int | None = None) -> None:
        self.request = request
        self.workers = workers or os.cpu_count() or 1

    def _pool(self) -> ProcessPoolExecutor:
        # spawn: polars, arrow and decord have threads that do not survive a fork
        return ProcessPoolExecutor(self.workers, mp_context=multiprocessing.get_context("spawn"))

    def run_clips(self, clips: Sequence[str]) -> Iterator[list[StageOutcome]]:
        """Every clip through the clip assets; yields the outcomes of a clip as it is done."""
        assets = [step.asset for step in CLIP_STEPS if self.request.wants(step)]
        if assets:
            yield from self._scatter([(assets, clip) for clip in clips])

    def run_dataset(
        self, on_start: Callable[[Sequence[str]], None] | None = None
    ) -> Iterator[list[StageOutcome]]:
        """The assets over all clips, in order; those of one group side by side."""
        for group in DATASET_STEPS:
            assets = [step.asset for step in group if self.request.wants(step)]
            if not assets:
                continue
            if on_start:
                on_start(assets)
            # Light, and a process of its own costs seconds. Not what only some profiles have: that
            # was decided when this process loaded the graph, before it knew the profile.
            if len(assets) == 1 and assets[0] not in {*TRAININGS, "person_crops"}:
                outcomes = [_run_named(self.request, assets, None)]
            else:
                outcomes = list(self._scatter([([asset], None) for asset in assets]))
            yield from outcomes
            if any(o.stopped_at(None) for chain in outcomes for o in chain):
                return

    def _scatter(
        self, tasks: Sequence[tuple[list[str], str | None]]
    ) -> Iterator[list[StageOutcome]]:
        """Run tasks in worker processes; a worker that dies fails its task, not the others."""
        waiting = list(tasks)
        while waiting:
            broken: list[tuple[list[str], str | None]] = []
            with self._pool() as pool:
                futures: dict[Future[Any], tuple[list[str], str | None]] = {
                    pool.submit(_run_named, self.request, *task): task for task in waiting
                }
                for future in as_completed(futures):
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        broken.append(futures[future])
            if len(broken) == len(waiting):  # no progress: the first of them kills its worker
                yield [_failed_worker(*broken[0], BrokenProcessPool("killed"))]
                broken = broken[1:]
            waiting = broken


def stale_steps(request: Request, instance: dg.DagsterInstance) -> list[tuple[str, str | None]]:
    """Assets (and clips) that a run would make anew, without running anything."""
    store = Store(root=str(request.store))
    profile = request.resolved()
    stale: list[tuple[str, str | None]] = []
    for clip in clip_keys(instance):
        stale.extend(
            (s.asset, clip) for s in CLIP_STEPS if not _fresh(s, instance, store, profile, clip)
        )
    steps = [step for group in DATASET_STEPS for step in group if request.wants(step)]
    stale.extend((s.asset, None) for s in steps if not _fresh(s, instance, store, profile, None))
    return stale


def _fresh(
    step: Step, instance: dg.DagsterInstance, store: Store, profile: Profile, clip: str | None
) -> bool:
    from dance_models.errors import InputError

    try:
        return step.is_fresh(instance, store, profile, clip)
    except InputError:  # something upstream is not there yet
        return False
