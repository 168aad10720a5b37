"""The sensor that reports a failed run to a webhook."""

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

import dagster as dg

from pipelines.automation.switches import WEBHOOK_VARIABLE, AutomationSettings

TIMEOUT_S: Final = 10


def innermost_error(event: dg.DagsterEvent) -> str | None:
    """The message of the cause of a failed step; None when no error was recorded."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else None


def failure_message(context: dg.RunFailureSensorContext, ui_address: str) -> dict[str, Any]:
    """The JSON for the webhook: job, run, assets, clip, the innermost error in one line, a link."""
    run = context.dagster_run
    errors = []
    for event in context.get_step_failure_events():
        error = innermost_error(event)
        if error is not None:
            errors.append({"asset": event.step_key, "error": error})
    return {
        "job": run.job_name,
        "run_id": run.run_id,
        "assets": sorted(key.to_user_string() for key in run.asset_selection or ()),
        "clip": run.tags.get("dagster/partition"),
        "failures": errors,
        "error": errors[0]["error"] if errors else context.failure_event.message,
        "link": f"{ui_address}/runs/{run.run_id}",
    }


def post(log: logging.Logger, url: str | None, message: Mapping[str, Any]) -> None:
    """Post a message as JSON; one that cannot be delivered is logged. Without a URL nothing."""
    if url is None:
        return
    body, kind = json.dumps(message).encode(), {"Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, kind), timeout=TIMEOUT_S):
            pass
    except (OSError, ValueError) as error:  # ValueError: not a URL
        log.warning(f"the webhook of {WEBHOOK_VARIABLE} failed: {error}")


def failure_sensor(automation: AutomationSettings) -> dg.SensorDefinition:
    """The sensor ``run_failed``: one message for each failed run.

    A webhook that does not answer is logged and is never an error.
    """

    @dg.run_failure_sensor(
        default_status=automation.sensor_status("failures"),
        minimum_interval_seconds=15,
        description=f"Posts every failed run as JSON to `{WEBHOOK_VARIABLE}`, or logs it.",
    )
    def run_failed(context: dg.RunFailureSensorContext) -> None:
        message = failure_message(context, automation.ui_address)
        context.log.error(f"{message['job']} failed: {message['error']} ({message['link']})")
        post(context.log, automation.failure_webhook, message)

    return run_failed
