"""The failure sensor against a local web server."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest
from dagster._core.storage.tags import WILL_RETRY_TAG

from dance_models.errors import VideoError
from pipelines.automation.failures import (
    failed_clips_sensor,
    failure_message,
    failure_sensor,
    shown_address,
    why_not_delivered,
)
from pipelines.automation.switches import AutomationSettings
from pipelines.shard_step import CLIPS


@dg.op
def breaks() -> None:
    try:
        raise ValueError("clip_07: frame 12: no such joint")
    except ValueError as error:
        raise RuntimeError("the stage failed") from error


@dg.job
def a_job() -> None:
    breaks()


@dg.op
def refuses() -> None:
    try:
        int("no number")
    except ValueError as error:
        raise VideoError("is cut off", file="a.mp4", hint="Copy it again") from error


@dg.job
def other_job() -> None:
    refuses()


def failed(
    instance: dg.DagsterInstance, job: dg.JobDefinition = a_job
) -> dg.RunFailureSensorContext:
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    return dg.build_run_status_sensor_context(
        sensor_name="run_failed",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
    ).for_run_failure()


@pytest.fixture
def server() -> Iterator[tuple[str, list[dict[str, object]]]]:
    received: list[dict[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            received.append(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    listening = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}/hook", received
    listening.shutdown()


def test_the_innermost_error_reaches_the_webhook(
    server: tuple[str, list[dict[str, object]]],
) -> None:
    url, received = server
    run_failed = failure_sensor(AutomationSettings(failure_webhook=url))
    with dg.DagsterInstance.ephemeral() as instance:
        context = failed(instance)
        run_failed(context)
    (message,) = received
    assert message["job"] == "a_job"
    assert message["error"] == "ValueError: clip_07: frame 12: no such joint"
    assert str(message["link"]).endswith(f"/runs/{message['run_id']}")


def test_a_dead_webhook_is_logged_and_raises_nothing() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        context = failed(instance)
        for url in ("http://127.0.0.1:9/none", "no url", None):
            failure_sensor(AutomationSettings(failure_webhook=url))(context)
        assert failure_message(context, "http://127.0.0.1:3000")["failures"]


def test_the_error_with_the_hint_is_told_rather_than_its_cause() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        message = failure_message(failed(instance, other_job), "http://127.0.0.1:3000")
    assert message["error"] == "a.mp4: is cut off. Copy it again"


@dg.asset(check_specs=[dg.AssetCheckSpec("enough", asset="numbers", blocking=True)])
def numbers() -> dg.MaterializeResult:  # type: ignore[type-arg]
    lines = "enough: 2 takes. Annotate 1 more\nenough: none of ballet"
    failed = dg.AssetCheckResult(check_name="enough", passed=False, description=lines)
    return dg.MaterializeResult(check_results=[failed])


def test_what_a_blocking_check_found_is_told() -> None:
    """Dagster's own error says that one check failed, and no more."""
    job = dg.Definitions([numbers], jobs=[dg.define_asset_job("made")]).resolve_job_def("made")
    with dg.DagsterInstance.ephemeral() as instance:
        message = failure_message(failed(instance, job), "http://127.0.0.1:3000")
    assert message["error"] == "enough: 2 takes. Annotate 1 more; enough: none of ballet"
    assert message["failures"] == [{"asset": "numbers", "error": message["error"]}]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/s3cret?token=s3cret",
        "http://127.0.0.1:9/s3cret\x01",
        "http://127.0.0.1:9/s3cret a",
        "s3cret://s3cret",
        "http://[s3cret",
        "file:///s3cret",
    ],
)
def test_the_token_in_a_webhook_is_never_told(url: str) -> None:
    settings = AutomationSettings(failure_webhook=url)
    told = f"{why_not_delivered(url, {})} {shown_address(url)} {settings}"
    assert "s3cret" not in told


def test_an_interrupted_run_that_is_tried_again_is_not_reported(
    instance: dg.DagsterInstance, server: tuple[str, list[dict[str, object]]]
) -> None:
    url, received = server
    sensor = failure_sensor(AutomationSettings(failure_webhook=url))
    context = failed(instance)
    context.dagster_run.tags[WILL_RETRY_TAG] = "true"
    assert isinstance(sensor(context), dg.SkipReason)
    assert received == []


def test_clips_that_failed_in_a_run_that_went_on_are_told(
    instance: dg.DagsterInstance, server: tuple[str, list[dict[str, object]]]
) -> None:
    url, received = server

    @dg.asset
    def numbers() -> dg.MaterializeResult:  # type: ignore[type-arg]
        became = {"made": ["b"], "failed": {"a": "InputError: no such joint", "c": "ValueError: x"}}
        return dg.MaterializeResult(metadata={CLIPS: became})

    sensor = failed_clips_sensor(AutomationSettings(failure_webhook=url))
    for made in ([numbers], [dg.asset(lambda: None, name="others")]):
        result = dg.materialize(made, instance=instance, tags={"dagster/partition": "shard-0001"})
        sensor(
            dg.build_run_status_sensor_context(
                sensor_name=sensor.name,
                dagster_event=result.get_run_success_event(),
                dagster_instance=instance,
                dagster_run=result.dagster_run,
            )
        )
    (message,) = received
    assert message["clip"] == "shard-0001"
    assert message["error"] == "a: InputError: no such joint; and 1 more"
    assert message["failures"] == [
        {"asset": "numbers", "clip": "a", "error": "a: InputError: no such joint"},
        {"asset": "numbers", "clip": "c", "error": "c: ValueError: x"},
    ]
