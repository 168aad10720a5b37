"""The champion sensor on a temporary registry, with aliases moved by hand."""

import time
from pathlib import Path

import dagster as dg
import pytest

from pipelines.automation.champions import champion_sensor
from pipelines.automation.switches import AutomationSettings
from pipelines.storage.store import Store
from pipelines.tracking.tracker import Tracker


def test_every_move_of_an_alias_starts_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(root=str(tmp_path / "store")).initialise()
    cursor: str | None = None
    champion_changed = champion_sensor(AutomationSettings())

    def tick() -> list[str | None]:
        nonlocal cursor
        with dg.build_sensor_context(cursor=cursor, resources={"store": store}) as context:
            answer = champion_changed(context)
        if isinstance(answer, dg.SkipReason):
            return []
        assert isinstance(answer, dg.SensorResult)
        cursor = answer.cursor
        return [request.run_key for request in answer.run_requests or []]

    assert tick() == []  # not even a database
    client = Tracker(store).client
    name = "dance-recognition"
    client.create_registered_model(name)
    for _ in range(2):
        client.create_model_version(name, source="file:///nowhere")
    assert tick() == []

    keys = []
    for version in ("1", "2", "1"):  # the last is a rollback to an earlier state
        client.set_registered_model_alias(name, "champion", version)
        keys += tick()
        assert tick() == []
    monkeypatch.setattr(time, "time", lambda: 1e9)
    cursor = None  # reset in the web UI
    keys += tick()
    for number, damaged in enumerate(('{"a": 1}', "7", "[1"), 1):
        monkeypatch.setattr(time, "time", lambda number=number: 1e9 + 100 * number)
        cursor = damaged
        keys += tick()
    assert len(set(keys)) == 7, "Dagster starts no run under a key that it knows"
