"""The schedule that retrains when something changed."""

from typing import Final

import dagster as dg

from dance_models.config import Profile
from dance_models.rows import ROW_OF_ASSET, TASKS, row_of
from pipelines.assets.champions import champion_stage
from pipelines.assets.dataset import pose_dataset
from pipelines.assets.training import network_stage
from pipelines.automation.jobs import RETRAIN_ALL
from pipelines.automation.switches import CRON_VARIABLE, AutomationSettings
from pipelines.recovery import recover
from pipelines.storage.store import Store
from pipelines.tracking.registry import NETWORK_OF_TASK, candidate_asset

UNFINISHED: Final = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def stale_networks(instance: dg.DagsterInstance, store: Store, profile: Profile) -> list[str]:
    """The candidates that the current splits, configuration or code would retrain."""
    assets = {row_of(method).asset for method in profile.rows}
    candidates = [ROW_OF_ASSET[candidate_asset(task, assets)] for task in NETWORK_OF_TASK]
    stages = [network_stage(row) for row in candidates]
    return [stage.name for stage in stages if not stage.is_fresh(instance, store, profile)]


def stale_gates(instance: dg.DagsterInstance, store: Store, profile: Profile) -> list[str]:
    """The gates that did not see the newest networks, as after a run that ended before them."""
    assets = {row_of(method).asset for method in profile.rows}
    gates = [champion_stage(task, assets) for task in TASKS]
    return [stage.name for stage in gates if not stage.is_fresh(instance, store, profile)]


def retraining_schedule(profile: Profile, automation: AutomationSettings) -> dg.ScheduleDefinition:
    """The schedule ``weekly_retrain``.

    One run of ``retrain_all`` a tick, unless one is in progress or nothing would change.
    """

    @dg.schedule(
        job_name=RETRAIN_ALL,
        cron_schedule=automation.retrain_cron,
        default_status=automation.schedule_status("retraining"),
        description="Retrains both networks and puts them through the gate, on Mondays at three or "
        f"as {CRON_VARIABLE} says; skipped while data, configuration and code are unchanged and "
        "the gate has seen both.",
    )
    def weekly_retrain(
        context: dg.ScheduleEvaluationContext, store: Store
    ) -> dg.RunRequest | dg.SkipReason:
        instance = context.instance
        for line in recover(instance, store):
            context.log.warning(line)
        running = instance.get_runs(
            filters=dg.RunsFilter(job_name=RETRAIN_ALL, statuses=list(UNFINISHED)), limit=1
        )
        if running:
            return dg.SkipReason(f"run {running[0].run_id[:8]} of {RETRAIN_ALL} is in progress")
        if not store.digest(pose_dataset.name):
            return dg.SkipReason("there is no data set yet")
        # One of them, as a tag's value is short; the job runs all of it.
        stale = stale_networks(instance, store, profile) or stale_gates(instance, store, profile)
        if not stale and pose_dataset.is_fresh(instance, store, profile):
            return dg.SkipReason(
                "the data versions, configuration and code of both networks are unchanged since "
                "they were trained"
            )
        return dg.RunRequest(tags={"dance/stale": ", ".join(stale) or pose_dataset.name})

    return weekly_retrain
