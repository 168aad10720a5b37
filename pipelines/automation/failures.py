"""A failed run is told to a webhook."""

import json
import os
import urllib.error
import urllib.request
from typing import Any, Final

import dagster as dg

from pipelines.automation.switches import sensor_status

WEBHOOK_VARIABLE: Final = "DANCE_FAILURE_WEBHOOK"
UI_VARIABLE: Final = "DANCE_UI"  # where links in messages lead
TIMEOUT_S: Final = 10


def message_of(context: dg.RunFailureSensorContext) -> dict[str, Any]:
    """What the webhook is told: job, run, assets, clip, the innermost error in one line, a link."""
    run = context.dagster_run
    errors = []
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None:
            errors.append({"asset": event.step_key, "error": error.message.strip()})
    ui = os.environ.get(UI_VARIABLE, "http://127.0.0.1:3000").rstrip("/")
    return {
        "job": run.job_name,
        "run_id": run.run_id,
        "assets": sorted(key.to_user_string() for key in run.asset_selection or ()),
        "clip": run.tags.get("dagster/partition"),
        "failures": errors,
        "error": errors[0]["error"] if errors else context.failure_event.message,
        "link": f"{ui}/runs/{run.run_id}",
    }


@dg.run_failure_sensor(
    default_status=sensor_status("failures"),
    minimum_interval_seconds=15,
    description=f"Posts every failed run as JSON to `{WEBHOOK_VARIABLE}`, or logs it without one.",
)
def run_failed(context: dg.RunFailureSensorContext) -> None:
    """One message a failed run; a webhook that does not answer is logged, never an error."""
    message = message_of(context)
    context.log.error(f"{message['job']} failed: {message['error']} ({message['link']})")
    url = os.environ.get(WEBHOOK_VARIABLE)
    if not url:
        return
    body, kind = json.dumps(message).encode(), {"Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, kind), timeout=TIMEOUT_S):
            pass
    except (OSError, ValueError) as error:  # ValueError: no URL at all
        context.log.warning(f"{WEBHOOK_VARIABLE} could not be told: {error}")
