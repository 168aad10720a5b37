"""The sensor that says when a run waits in the queue for hours."""

import json
import time
from collections.abc import Collection, Sequence
from typing import Any, Final

import dagster as dg

from pipelines.automation.failures import message_of, tell
from pipelines.automation.switches import QUEUE_VARIABLE, WEBHOOK_VARIABLE, AutomationSettings

# For the messages of a tick. Dagster ends one after a minute and forgets whom it told.
TELL_S: Final = 20.0


def waiting_too_long(
    records: Sequence[dg.RunRecord], told: Collection[str], hours: float, now: float
) -> list[dg.RunRecord]:
    """Queued runs older than ``hours`` that nobody was told of; ``now`` in seconds since 1970."""
    return [
        record
        for record in records
        if record.dagster_run.run_id not in told and _hours(record, now) > hours
    ]


def _hours(record: dg.RunRecord, now: float) -> float:
    return (now - record.create_timestamp.timestamp()) / 3600


def queue_message(record: dg.RunRecord, now: float, ui_address: str) -> dict[str, Any]:
    """The JSON for the webhook: the keys of a failed run's message, and the hours."""
    run, hours = record.dagster_run, round(_hours(record, now), 1)
    error = f"has been in the queue for {hours} hours"
    return message_of(run, error, ui_address, queued_hours=hours)


def told_of(cursor: str | None) -> list[str]:
    """The runs that somebody was told of; none before the first, or when a cursor is damaged."""
    try:
        told = json.loads(cursor or "[]")
    except ValueError:
        return []
    return [str(run_id) for run_id in told] if isinstance(told, list) else []


def queue_sensor(automation: AutomationSettings) -> dg.SensorDefinition:
    """The sensor ``run_waits``: one message for each run that is queued too long."""

    @dg.sensor(
        minimum_interval_seconds=300,
        default_status=automation.sensor_status("queue"),
        description=f"Posts every run that has been queued for {automation.queue_alert_hours:g} "
        f"hours ({QUEUE_VARIABLE}) as JSON to {WEBHOOK_VARIABLE}, or logs it; once a run.",
    )
    def run_waits(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        told = told_of(context.cursor)
        queued = context.instance.get_run_records(
            dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])
        )
        now, end = time.time(), time.monotonic() + TELL_S
        late = waiting_too_long(queued, told, automation.queue_alert_hours, now)
        still = {record.dagster_run.run_id for record in queued}
        told = [run_id for run_id in told if run_id in still]
        before = len(told)
        for record in late:
            message = queue_message(record, now, automation.ui_address)
            tell(context.log, automation, message["job"], message)
            told.append(record.dagster_run.run_id)
            if time.monotonic() > end:
                break
        context.update_cursor(json.dumps(told))
        reason = f"{len(queued)} runs are queued, {len(late)} of them newly too long"
        if rest := len(late) - (len(told) - before):
            reason += f"; the next tick tells of {rest} of these"
        return dg.SkipReason(reason)

    return run_waits
