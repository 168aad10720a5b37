"""The schedule that retrains, unless nothing changed."""

import os
from typing import Final

import dagster as dg

from dance_models.rows import HEADLINE, row_of
from pipelines.automation.jobs import retrain_all
from pipelines.automation.switches import schedule_status
from pipelines.settings import active_profile
from pipelines.steps import DATASET_STEPS
from pipelines.storage.store import Store

CRON_VARIABLE: Final = "DANCE_RETRAIN_CRON"
MONDAY_AT_THREE: Final = "0 3 * * 1"
UNFINISHED: Final = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def stale_networks(instance: dg.DagsterInstance, store: Store) -> list[str]:
    """The headline networks that today's splits, configuration or code would make anew."""
    wanted = {row_of(method).asset for method in HEADLINE}
    profile = active_profile()
    steps = [step for group in DATASET_STEPS for step in group]
    return [
        step.asset
        for step in steps
        if step.asset in wanted and not step.is_fresh(instance, store, profile)
    ]


def _data_set_is_stale(instance: dg.DagsterInstance, store: Store) -> bool:
    profile = active_profile()
    return any(
        not step.is_fresh(instance, store, profile)
        for group in DATASET_STEPS
        for step in group
        if step.asset == "pose_dataset"
    )


@dg.schedule(
    job=retrain_all,
    cron_schedule=os.environ.get(CRON_VARIABLE, MONDAY_AT_THREE),
    default_status=schedule_status("retraining"),
    description=f"Retrains both networks and puts them through the gate, on Mondays at three or as "
    f"`{CRON_VARIABLE}` says; skipped while data, configuration and code are what they were.",
)
def weekly_retrain(
    context: dg.ScheduleEvaluationContext, store: Store
) -> dg.RunRequest | dg.SkipReason:
    """One run of ``retrain_all`` a tick, unless one is under way or would make nothing new."""
    running = context.instance.get_runs(
        filters=dg.RunsFilter(job_name=retrain_all.name, statuses=list(UNFINISHED)), limit=1
    )
    if running:
        return dg.SkipReason(f"run {running[0].run_id[:8]} of {retrain_all.name} is under way")
    if not store.digest("pose_dataset"):
        return dg.SkipReason("there is no data set yet")
    stale = stale_networks(context.instance, store)
    if not stale and not _data_set_is_stale(context.instance, store):
        return dg.SkipReason(
            "the data versions, configuration and code of both networks are unchanged since they "
            "were trained"
        )
    return dg.RunRequest(tags={"dance/stale": ", ".join(stale) or "pose_dataset"})
