"""Plans before a run and outcomes after it."""

import signal
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from ending_job import ending_job

from dance_models.config import QualityConfig
from dance_models.profiles import PROFILES
from dance_models.quality.findings import Finding
from dance_models.tables import write_table
from pipelines.automation.failures import ENDED, KILLED
from pipelines.checks.asset_checks import AssetChecks, Check
from pipelines.execution.outcomes import (
    StageOutcome,
    is_fresh,
    outcomes_of_run,
    plan,
    was_interrupted,
    with_findings,
)
from pipelines.stage import ONLY_STALE_TAG, Metadata, Stage, StageContext
from pipelines.storage.store import Store

SMOKE = PROFILES["smoke"]


def _stage(name: str, *deps: Stage, fails: bool = False, bad: bool = False) -> Stage:
    """A stage that writes its name, and whose blocking check finds an error when it is ``bad``."""

    def found(store: Store, quality: QualityConfig, clip: str | None) -> list[Finding]:
        return [Finding("sound", name, "is bad", 1.0, 0.0, severity="error")] if bad else []

    @Stage(
        name=name,
        deps=deps,
        inputs=lambda context: {dep.name: context.store.digest(dep.name) for dep in deps},
        checks=AssetChecks(name, (Check("sound", "It is sound.", blocking=True),), found),
        group="test",
        version="1",
    )
    def compute(context: StageContext[None]) -> Metadata:
        if fails:
            raise ValueError("no such codec")
        write_table(pl.DataFrame({"name": [name]}), context.store.table(name))
        return {}

    return compute


def _run(store: Store, instance: dg.DagsterInstance, *stages: Stage) -> str:
    result = dg.materialize(
        [stage.asset(SMOKE) for stage in stages],
        instance=instance,
        resources={"store": store, "launcher": None},
        tags={ONLY_STALE_TAG: "true"},
        raise_on_error=False,
    )
    return result.run_id


def test_stale_assets_run_with_everything_downstream(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    store = Store(root=str(tmp_path))
    first = _stage("first")
    second = _stage("second", first)
    other = _stage("other")
    stages = (first, other, second)
    assert plan(stages, instance, store, SMOKE).to_run == stages
    run_id = _run(store, instance, *stages)
    made = outcomes_of_run(instance, run_id, stages, store, SMOKE)
    assert [(o.asset, o.state) for o in made] == [
        ("first", "made"),
        ("other", "made"),
        ("second", "made"),
    ]
    planned = plan(stages, instance, store, SMOKE)
    assert not planned.to_run
    assert {outcome.state for outcome in planned.outcomes} == {"fresh"}

    store.table("first").unlink()
    planned = plan(stages, instance, store, SMOKE)
    assert planned.to_run == (first, second)
    run_id = _run(store, instance, *planned.to_run)
    again = outcomes_of_run(instance, run_id, planned.to_run, store, SMOKE)
    assert [(o.asset, o.state) for o in again] == [("first", "made"), ("second", "fresh")]


def test_an_error_is_reported_with_its_innermost_message(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    store = Store(root=str(tmp_path))
    first = _stage("first", fails=True)
    stages = (first, _stage("second", first))
    run_id = _run(store, instance, *stages)
    (outcome,) = outcomes_of_run(instance, run_id, stages, store, SMOKE)
    assert (outcome.asset, outcome.state) == ("first", "failed")
    assert outcome.error == "ValueError: no such codec"
    assert not was_interrupted(instance, run_id)


def test_a_blocking_check_stops_what_is_downstream_in_later_plans_too(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    store = Store(root=str(tmp_path))
    first = _stage("first", bad=True)
    stages = (first, _stage("second", first))
    run_id = _run(store, instance, *stages)
    (outcome,) = outcomes_of_run(instance, run_id, stages, store, SMOKE)
    assert outcome.state == "failed"
    assert "is bad" in str(outcome.error)
    planned = plan(stages, instance, store, SMOKE)
    assert not planned.to_run
    assert [(o.asset, o.state) for o in planned.outcomes] == [("first", "failed")]


def test_a_check_that_stops_thousands_of_clips_names_some_of_them(tmp_path: Path) -> None:
    found = [
        Finding("sound", f"clip_{i:04d}", "is bad", 1.0, 0.0, severity="error") for i in range(5000)
    ]
    store = Store(root=str(tmp_path)).initialise()
    stage = _stage("first", bad=True)
    assert stage.checks is not None
    digest = stage.digest(stage.context(store, SMOKE, None))
    stage.checks.record(store, SMOKE.quality, None, digest, found)
    made = StageOutcome("first", None, "made")
    (outcome,) = with_findings(made, stage, store, SMOKE)
    assert outcome.state == "failed"
    assert "clip_0000: is bad; sound: clip_0001" in str(outcome.error)
    assert "and 4,960 more findings. Nothing downstream" in str(outcome.error)


def test_a_check_in_a_separate_step_is_reported(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    store = Store(root=str(tmp_path))
    first = _stage("first")

    @dg.asset_check(asset="first", blocking=True)
    def alone() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False)

    result = dg.materialize(
        [first.asset(SMOKE), alone],
        instance=instance,
        resources={"store": store, "launcher": None},
        raise_on_error=False,
    )
    made, failed = outcomes_of_run(instance, result.run_id, (first,), store, SMOKE)
    assert (made.asset, made.state) == ("first", "made")
    assert (failed.asset, failed.state) == ("first_alone", "failed")


def test_the_end_of_the_runs_process_is_an_interrupt(instance: dg.DagsterInstance) -> None:
    @dg.op
    def interrupted() -> None:
        raise dg.DagsterExecutionInterruptedError

    @dg.job
    def job() -> None:
        interrupted()

    result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert was_interrupted(instance, result.run_id)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGTERM, ENDED), (signal.SIGKILL, KILLED)], ids=["ended", "killed"]
)
def test_the_end_of_a_steps_process_is_a_failure_that_is_told(
    tmp_path: Path, number: int, said: str
) -> None:
    """The process of a step tells itself to end when the server it was forked from is killed."""
    store = Store(root=str(tmp_path))
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        result = dg.execute_job(
            dg.reconstructable(ending_job),
            instance=instance,
            run_config={"ops": {"ending": {"config": {"signal": int(number)}}}},
        )
        assert not was_interrupted(instance, result.run_id)
        stage = _stage("ending")
        (outcome,) = outcomes_of_run(instance, result.run_id, (stage,), store, SMOKE)
    assert (outcome.state, outcome.error) == ("failed", said)


def test_a_stage_of_a_table_without_its_column_is_stale(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """One wrong bit renames a column, and what went into the stage cannot be said."""
    store = Store(root=str(tmp_path))
    write_table(pl.DataFrame({"clip": ["a"]}), store.table("first"))

    @Stage(
        inputs=lambda context: {"clips": context.store.read("first")["clip"].to_list()},
        group="test",
        version="1",
    )
    def second(context: StageContext[None]) -> Metadata:
        write_table(pl.DataFrame({"x": [1]}), context.store.table("second"))
        return {}

    _run(store, instance, second)
    assert is_fresh(second, instance, store, SMOKE, None)
    write_table(pl.DataFrame({"blip": ["a"]}), store.table("first"))
    assert not is_fresh(second, instance, store, SMOKE, None)
