"""The outcome of each stage, before a run is started and after it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg

from dance_models.config import Profile
from dance_models.errors import InputError
from dance_models.text import first_lines
from pipelines.automation.failures import INTERRUPTS, telling_error
from pipelines.materializations import Last
from pipelines.shard_step import CLIPS
from pipelines.stage import LEFT_OUT, MADE_AGAIN, REUSED, Stage
from pipelines.storage.store import Store

if TYPE_CHECKING:
    from dance_models.quality.findings import Finding


Clip = str | None  # None: of a stage over all clips


@dataclass(frozen=True)
class StageOutcome:
    """The outcome of one stage (of one clip)."""

    asset: str
    clip: str | None
    state: Literal["made", "fresh", "failed"]
    seconds: float = 0.0
    error: str | None = None
    findings: "tuple[Finding, ...]" = ()  # of the checks on the asset
    made_again: tuple[str, ...] = ()  # lines on its files that were missing or damaged
    left_out: bool = False  # of several clips, for the reason in ``error``

    def stops(self, clip: str | None) -> bool:
        """Whether the stage itself failed, rather than one clip in a table of several."""
        return self.state == "failed" and self.clip == clip


@dataclass(frozen=True)
class Plan:
    """Which stages need a run, and the outcomes of those that do not."""

    outcomes: tuple[StageOutcome, ...]
    to_run: tuple[Stage, ...]


def plan(
    stages: Sequence[Stage],
    instance: dg.DagsterInstance,
    store: Store,
    profile: Profile,
    clip: str | None = None,
    last: Last | None = None,
) -> Plan:
    """Decide which of ``stages`` (upstream first) have to run; runs nothing.

    A stage downstream of one that has to run is run too: the skip rule is applied again inside
    it. A stage downstream of one that a check stops is left out.
    """
    outcomes: list[StageOutcome] = []
    to_run: list[Stage] = []
    running: set[str] = set()
    stopped: set[str] = set()
    for stage in stages:
        upstream = {*stage.dependencies, *(other.name for other in stage.upstream())}
        if upstream & stopped:
            stopped.add(stage.name)
        elif (
            upstream & running
            or (found := _found(stage, instance, store, profile, clip, last)) is None
        ):
            running.add(stage.name)
            to_run.append(stage)
        else:
            checked = _with_findings(StageOutcome(stage.name, clip, "fresh"), stage, found)
            outcomes += checked
            if any(outcome.stops(clip) for outcome in checked):
                stopped.add(stage.name)
    if to_run:
        # Made by another machine, and what runs may read them.
        distant = {stage.name for stage in stages if stage.lacks_frames(store, clip)}
        kept = {stage.name for stage in to_run} | distant
        to_run = [stage for stage in stages if stage.name in kept]
        outcomes = [outcome for outcome in outcomes if outcome.asset not in distant]
    return Plan(tuple(outcomes), tuple(to_run))


def is_fresh(
    stage: Stage,
    instance: dg.DagsterInstance,
    store: Store,
    profile: Profile,
    clip: str | None,
    last: Last | None = None,
) -> bool:
    """Whether a stage is up to date; False when something upstream is missing."""
    return _found(stage, instance, store, profile, clip, last) is not None


def _found(
    stage: Stage,
    instance: dg.DagsterInstance,
    store: Store,
    profile: Profile,
    clip: str | None,
    last: Last | None,
) -> "list[Finding] | None":
    """What the checks found on a stage that is up to date, None when it is not."""
    try:
        found = stage.freshness(instance, store, profile, clip, last)
    except InputError:
        return None
    return None if isinstance(found, str) else found


def outcomes_of_run(
    instance: dg.DagsterInstance,
    run_id: str,
    stages: Sequence[Stage],
    store: Store,
    profile: Profile,
    clip: str | None = None,
) -> list[StageOutcome]:
    """:func:`outcomes_of_clips` of a run of one clip, or of the stages over all clips."""
    return outcomes_of_clips(instance, run_id, stages, store, profile, [clip])[clip]


def outcomes_of_clips(
    instance: dg.DagsterInstance,
    run_id: str,
    stages: Sequence[Stage],
    store: Store,
    profile: Profile,
    clips: Sequence[Clip],
) -> dict[Clip, list[StageOutcome]]:
    """The outcomes of the stages of a finished run by clip; none for those that it did not reach.

    Raises KeyboardInterrupt when the run was interrupted: Dagster ends its steps, and does not
    pass the interrupt on.
    """
    if was_interrupted(instance, run_id):
        raise KeyboardInterrupt
    run = instance.get_run_by_id(run_id)
    failed = run is not None and run.status != dg.DagsterRunStatus.SUCCESS
    by_clip: dict[Clip, list[StageOutcome]] = {}
    for clip, outcomes in _recorded(instance, run_id, clips).items():
        found = by_clip[clip] = []
        for stage in stages:
            outcome = outcomes.pop(stage.name, None)
            if outcome is not None and not outcome.left_out:
                found += with_findings(outcome, stage, store, profile)
            elif outcome is not None and not any(before.stops(clip) for before in found):
                found.append(outcome)  # because of what an earlier run found
        # The remaining ones are checks that run as separate steps.
        found += [outcome for outcome in outcomes.values() if outcome.state == "failed"]
        if failed and not any(outcome.state == "failed" for outcome in found):
            error = "the run failed outside of its steps; see the web UI"
            found.append(StageOutcome(stages[0].name, clip, "failed", error=error))
    return by_clip


def was_interrupted(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether SIGINT or SIGTERM ended the process of the run.

    Not when one of its steps has a process of its own and only that was told to end, which such a
    process does by itself when the server that it was forked from is killed.
    """
    run = instance.get_run_by_id(run_id)
    if run is not None and run.status == dg.DagsterRunStatus.CANCELED:
        return True
    failures = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    events = [record.dagster_event for record in failures if record.dagster_event is not None]
    errors = [event.job_failure_data.error for event in events]
    return any(error is not None and error.cls_name in INTERRUPTS for error in errors)


def _recorded(
    instance: dg.DagsterInstance, run_id: str, clips: Sequence[Clip]
) -> dict[Clip, dict[str, StageOutcome]]:
    """Outcome by clip and asset as the event log of a run has it; the clips share its seconds."""
    seconds = {
        step.step_key: ((step.end_time or 0.0) - (step.start_time or step.end_time or 0.0))
        / len(clips)
        for step in instance.get_run_step_stats(run_id)
    }
    outcomes: dict[Clip, dict[str, StageOutcome]] = {clip: {} for clip in clips}
    for record in instance.all_logs(run_id):
        event = record.dagster_event
        if event is None or event.step_key is None:
            continue
        key = event.step_key
        if (became := _became(event)) is not None:
            for clip, outcome in _of_shard(key, became, clips, seconds.get(key, 0.0)):
                outcomes[clip][key] = outcome
        elif event.is_step_failure:
            error = telling_error(event) or "no error was recorded"
            for clip in clips:
                failed = StageOutcome(key, clip, "failed", seconds.get(key, 0.0), error)
                outcomes[clip][key] = failed
        elif event.is_step_materialization and event.partition in outcomes:
            metadata, clip = event.materialization.metadata, event.partition
            if LEFT_OUT in metadata:
                why = str(metadata[LEFT_OUT].value)
                outcomes[clip][key] = _outcome_left_out(key, clip, why)
                continue
            reused = REUSED in metadata and bool(metadata[REUSED].value)
            state: Literal["made", "fresh"] = "fresh" if reused else "made"
            lines = _lines(metadata[MADE_AGAIN].value) if MADE_AGAIN in metadata else ()
            made = StageOutcome(key, clip, state, seconds.get(key, 0.0), made_again=lines)
            outcomes[clip][key] = made
    return outcomes


def _became(event: dg.DagsterEvent) -> Any:
    """What became of the clips of a shard, of which none may be made; None of other events."""
    metadata: Mapping[str, Any] = {}
    if event.is_step_materialization:
        metadata = event.materialization.metadata
    elif event.is_step_failure and (told := event.step_failure_data.user_failure_data) is not None:
        metadata = told.metadata
    return metadata[CLIPS].value if CLIPS in metadata else None


def _of_shard(
    asset: str, became: Mapping[str, Any], clips: Sequence[Clip], seconds: float
) -> Iterator[tuple[Clip, StageOutcome]]:
    """The outcomes of clips in a step over their shard."""
    made, failed = set(became["made"]), became["failed"]
    for clip in clips:
        if clip in failed:
            yield clip, StageOutcome(asset, clip, "failed", seconds, str(failed[clip]))
        elif clip in became["left_out"]:
            yield clip, _outcome_left_out(asset, clip, str(became["left_out"][clip]))
        else:
            again = _lines(became["made_again"].get(clip, ()))
            state: Literal["made", "fresh"] = "made" if clip in made else "fresh"
            yield clip, StageOutcome(asset, clip, state, seconds, made_again=again)


def _outcome_left_out(asset: str, clip: Clip, why: str) -> StageOutcome:
    return StageOutcome(asset, clip, "failed", error=f"it is left out: {why}", left_out=True)


def _lines(value: Any) -> tuple[str, ...]:
    return tuple(str(line) for line in value)


def with_findings(
    outcome: StageOutcome, stage: Stage, store: Store, profile: Profile
) -> list[StageOutcome]:
    """The outcome with the findings of its checks, and one for each clip that is left out.

    This applies to fresh stages too: an error that stopped a run stops the next one as well.
    """
    try:
        findings = stage.findings(store, profile, outcome.clip)
    except InputError:  # the stage failed because something upstream is missing
        return [outcome]
    return _with_findings(outcome, stage, findings)


def _with_findings(
    outcome: StageOutcome, stage: Stage, findings: "list[Finding]"
) -> list[StageOutcome]:
    from dance_models.quality.findings import errors, lines

    outcome = replace(outcome, findings=tuple(findings))
    stopping = stage.checks.stopping(findings) if stage.checks else []
    if stopping:
        listed = "; ".join(first_lines(lines(stopping), "findings"))
        error = f"{listed}. Nothing downstream is made until this is repaired"
        return [replace(outcome, state="failed", error=error)]
    return [outcome, *_left_out(outcome, errors(findings))]


def _left_out(outcome: StageOutcome, errors: "Sequence[Finding]") -> Iterator[StageOutcome]:
    from dance_models.quality.findings import lines

    of_clip: dict[str, list[Finding]] = {}
    for finding in errors:
        of_clip.setdefault(finding.clip, []).append(finding)
    for clip, found in sorted(of_clip.items()):
        listed = "; ".join(lines(found))
        error = f"{listed}. The clip is left out until this is repaired"
        yield StageOutcome(outcome.asset, clip, "failed", error=error)
