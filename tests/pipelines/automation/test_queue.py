"""The sensor that tells of runs that are queued for hours."""

import json

import dagster as dg
import pytest

from pipelines.automation import failures, queue
from pipelines.automation.failures import TIMEOUT_S
from pipelines.automation.queue import queue_message, queue_sensor, told_of
from pipelines.automation.switches import AutomationSettings


@dg.job
def a_job() -> None:
    """A job that is queued."""


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    sent: list[dict[str, object]] = []
    monkeypatch.setattr(failures, "post", lambda log, url, message: sent.append(dict(message)))
    return sent


def _as_queued(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> list[dg.RunRecord]:
    """The instance's runs as if they were queued; only a code location can queue a run."""
    records = list(instance.get_run_records())

    def queued(self: dg.DagsterInstance, filters: dg.RunsFilter) -> list[dg.RunRecord]:
        assert filters.statuses == [dg.DagsterRunStatus.QUEUED]
        return list(records)

    monkeypatch.setattr(dg.DagsterInstance, "get_run_records", queued)
    return records


def test_each_waiting_run_is_told_of_once(
    instance: dg.DagsterInstance,
    posted: list[dict[str, object]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = instance.create_run_for_job(a_job)
    waiting = _as_queued(instance, monkeypatch)
    sensor = queue_sensor(AutomationSettings(queue_alert_hours=2.0))
    created = waiting[0].create_timestamp.timestamp()
    cursor = None

    def tick(hours: float) -> None:
        nonlocal cursor
        monkeypatch.setattr(queue.time, "time", lambda: created + 3600 * hours)
        context = dg.build_sensor_context(instance, cursor=cursor)
        sensor(context)
        cursor = context.cursor

    tick(1.9)
    assert posted == []
    tick(2.5)
    tick(3.0)
    (message,) = posted
    assert (message["run_id"], message["job"], message["queued_hours"]) == (
        run.run_id,
        "a_job",
        2.5,
    )
    waiting.clear()
    tick(4.0)
    assert json.loads(cursor or "") == [], "runs that left the queue are forgotten"


def test_many_waiting_runs_and_a_slow_webhook_are_told_of_in_several_ticks(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster ends a tick after a minute, without its cursor: all would be told of again."""
    runs = {instance.create_run_for_job(a_job).run_id for _ in range(12)}
    waiting = _as_queued(instance, monkeypatch)
    sensor = queue_sensor(AutomationSettings(queue_alert_hours=2.0))
    late = waiting[0].create_timestamp.timestamp() + 3 * 3600
    clock, sent = [0.0], []

    def slow(log: object, url: object, message: dict[str, object]) -> None:
        clock[0] += TIMEOUT_S
        sent.append(message["run_id"])

    monkeypatch.setattr(failures, "post", slow)
    monkeypatch.setattr(queue.time, "time", lambda: late)
    monkeypatch.setattr(queue.time, "monotonic", lambda: clock[0])
    cursor = None
    for _ in range(len(runs)):
        began = clock[0]
        context = dg.build_sensor_context(instance, cursor=cursor)
        sensor(context)
        cursor = context.cursor
        assert clock[0] - began < 50
    assert sorted(map(str, sent)) == sorted(runs), "each once"


@pytest.mark.parametrize("cursor", [None, "", "[", "7", '{"a": 1}'])
def test_a_damaged_cursor_tells_again(cursor: str | None) -> None:
    assert told_of(cursor) == []


def test_the_link_leads_to_the_run(instance: dg.DagsterInstance) -> None:
    run = instance.create_run_for_job(a_job)
    (record,) = instance.get_run_records()
    message = queue_message(record, record.create_timestamp.timestamp(), "https://dance.example")
    assert message["link"] == f"https://dance.example/runs/{run.run_id}"


def test_it_is_off_by_default() -> None:
    assert queue_sensor(AutomationSettings()).default_status is dg.DefaultSensorStatus.STOPPED
    on = AutomationSettings.from_environment({"DANCE_AUTOMATION_QUEUE": "on"})
    assert queue_sensor(on).default_status is dg.DefaultSensorStatus.RUNNING
