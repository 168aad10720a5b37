"""The sensors that report a failed run, or failed clips of a shard, to a webhook."""

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import dagster as dg
from dagster._core.executor.child_process_executor import ChildProcessCrashException
from dagster._core.storage.tags import WILL_RETRY_TAG

from dance_models.errors import InputError
from pipelines.automation.switches import WEBHOOK_VARIABLE, AutomationSettings
from pipelines.shard_step import failed_in

TIMEOUT_S: Final = 10
SCHEMES: Final = ("http", "https")
KILLED: Final = (
    "the worker process was killed. Probably the memory ran out: close other programs and run the "
    "same command again"
)
ENDED: Final = (
    "its process was told to end, but this command was not: somebody ended it, or the process that "
    "started it was killed. Run the same command again"
)
FAILURE: Final = dg.Failure.__name__  # says itself what failed, as a step over a shard does
INTERRUPTS: Final = (dg.DagsterExecutionInterruptedError.__name__, KeyboardInterrupt.__name__)


def telling_error(event: dg.DagsterEvent) -> str | None:
    """The message of a failed step that helps most; None when no error was recorded.

    The outermost InputError, which says where and what to do; without one, the innermost cause. Of
    a step whose process was killed or told to end, Dagster has the name of an exception alone.
    """
    error = event.step_failure_data.error
    if error is not None and error.cls_name == ChildProcessCrashException.__name__:
        return KILLED
    if error is not None and error.cls_name in INTERRUPTS:
        return ENDED
    names = _input_errors(InputError)
    while error is not None and error.cls_name not in names and error.cause is not None:
        error = error.cause
    if error is None:
        return None
    text = error.message.strip()
    return text.partition(": ")[2] if error.cls_name in {*names, FAILURE} else text


def _input_errors(kind: type[InputError]) -> set[str]:
    return {kind.__name__}.union(*map(_input_errors, kind.__subclasses__()))


def shown_address(url: str) -> str:
    """Scheme and host of a URL: its path and query may be a secret."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or "?"
    except ValueError:
        return "an address that is none"
    return f"{parts.scheme}://{host}/..." if parts.scheme in SCHEMES else "an address that is none"


def why_not_delivered(url: str, message: Mapping[str, Any]) -> str | None:
    """Post JSON; why it failed, None when it did not. Nothing of the path or query is said."""
    if _scheme(url) not in SCHEMES:
        return "it is not an http(s) address"
    body, kind = json.dumps(message).encode(), {"Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, kind), timeout=TIMEOUT_S):
            return None
    except urllib.error.HTTPError as error:
        return f"status {error.code}"
    except Exception as error:  # messages of all kinds repeat the address
        reason = getattr(error, "reason", error)
        return str(getattr(reason, "strerror", None) or type(reason).__name__)


def _scheme(url: str) -> str:
    """The scheme of a URL, "" for what is none."""
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""


def stopped_by_checks(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    """By asset, what its blocking checks found in a run: Dagster's error names the checks alone."""
    found: dict[str, list[str]] = {}
    for record in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        event = record.dagster_event
        check = event.asset_check_evaluation_data if event is not None else None
        if check is None or check.passed or not check.blocking:
            continue
        if check.severity == dg.AssetCheckSeverity.ERROR and check.description:
            lines = found.setdefault(check.asset_key.to_user_string(), [])
            lines += check.description.splitlines()
    return {asset: "; ".join(lines) for asset, lines in found.items()}


def failure_message(context: dg.RunFailureSensorContext, ui_address: str) -> dict[str, Any]:
    """The JSON for the webhook: job, run, assets, clip, the most helpful error, a link."""
    run = context.dagster_run
    errors, stopped = [], stopped_by_checks(context.instance, run.run_id)
    for event in context.get_step_failure_events():
        error = stopped.get(str(event.step_key)) or telling_error(event)
        if error is not None:
            errors.append({"asset": event.step_key, "error": error})
    error = errors[0]["error"] if errors else context.failure_event.message
    return message_of(run, error, ui_address, failures=errors)


def message_of(run: dg.DagsterRun, error: Any, ui_address: str, **more: Any) -> dict[str, Any]:
    """The JSON for the webhook about a run, with what there is ``more`` to say."""
    return {
        "job": run.job_name,
        "run_id": run.run_id,
        "assets": sorted(key.to_user_string() for key in run.asset_selection or ()),
        "clip": run.tags.get("dagster/partition"),  # or the shard
        **more,
        "error": error,
        "link": f"{ui_address}/runs/{run.run_id}",
    }


def failed_clips(instance: dg.DagsterInstance, run_id: str) -> list[dict[str, str]]:
    """Asset, clip and error of the clips of shards that failed in a run, which went on."""
    return [
        {"asset": asset, "clip": clip, "error": error}
        for asset, clip, error in failed_in(instance, run_id)
    ]


def tell(
    log: logging.Logger, automation: AutomationSettings, what: str, message: Mapping[str, Any]
) -> None:
    """Log a message about a run, and post it."""
    log.error(f"{what} {message['error']} ({message['link']})")
    post(log, automation.failure_webhook, message)


def post(log: logging.Logger, url: str | None, message: Mapping[str, Any]) -> None:
    """Post a message as JSON; one that cannot be delivered is logged. Without a URL nothing."""
    why = None if url is None else why_not_delivered(url, message)
    if url is not None and why is not None:
        where = shown_address(url)
        log.warning(f"the webhook of {WEBHOOK_VARIABLE}, {where}, failed: {why}")


def failed_clips_sensor(automation: AutomationSettings) -> dg.SensorDefinition:
    """The sensor ``clips_failed``: one message for each run in which clips of a shard failed.

    Such a run has not failed: what could be made of the shard is made.
    """

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="clips_failed",
        default_status=automation.sensor_status("failures"),
        minimum_interval_seconds=15,
        description=f"Posts the clips of a shard that failed as JSON to {WEBHOOK_VARIABLE}, or "
        "logs them; once a run.",
    )
    def clips_failed(context: dg.RunStatusSensorContext) -> dg.SkipReason | None:
        run = context.dagster_run
        failed = failed_clips(context.instance, run.run_id)
        if not failed:
            return dg.SkipReason(f"no clip failed in run {run.run_id[:8]}")
        more = f"; and {len(failed) - 1} more" if len(failed) > 1 else ""
        error = f"{failed[0]['error']}{more}"
        message = message_of(run, error, automation.ui_address, failures=failed)
        tell(context.log, automation, "clips failed:", message)
        return None

    return clips_failed


def failure_sensor(automation: AutomationSettings) -> dg.SensorDefinition:
    """The sensor ``run_failed``: one message for each failed run.

    A webhook that does not answer is logged and is never an error.
    """

    @dg.run_failure_sensor(
        default_status=automation.sensor_status("failures"),
        minimum_interval_seconds=15,
        description=f"Posts every failed run as JSON to {WEBHOOK_VARIABLE}, or logs it; not one "
        "that was interrupted and is tried again.",
    )
    def run_failed(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        run = context.dagster_run
        if run.tags.get(WILL_RETRY_TAG) == "true":
            return dg.SkipReason(f"run {run.run_id[:8]} was interrupted and is tried again")
        message = failure_message(context, automation.ui_address)
        tell(context.log, automation, f"{message['job']} failed:", message)
        return None

    return run_failed
