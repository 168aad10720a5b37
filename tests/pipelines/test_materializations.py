"""What is read of the event log for all clips together, and read once."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.materializations import INPUTS, MANIFEST, last_of_all_clips
from pipelines.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(root=str(tmp_path))
    store.dagster_home.mkdir()
    return store


def _report(instance: dg.DagsterInstance, clip: str, **metadata: str) -> None:
    named = {f"dance/{name}": value for name, value in metadata.items()}
    event = dg.AssetMaterialization("probe", partition=clip, metadata={**named, "picture": "large"})
    instance.report_runless_asset_event(event)


def _read(instance: dg.DagsterInstance, store: Store, *clips: str) -> dict[str, dict[str, Any]]:
    last = last_of_all_clips(instance, store, ["probe"])
    found = {clip: last("probe", clip) for clip in clips}
    return {
        clip: {name.removeprefix("dance/"): value.value for name, value in made.metadata.items()}
        for clip, made in found.items()
        if made is not None
    }


def _events_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of events that are read from now on."""
    numbers: list[int] = []
    fetch = dg.DagsterInstance.fetch_materializations

    def counted(self: dg.DagsterInstance, wanted: Any, limit: int) -> Any:
        numbers.extend(wanted.storage_ids)
        return fetch(self, wanted, limit)

    monkeypatch.setattr(dg.DagsterInstance, "fetch_materializations", counted)
    return numbers


def test_an_event_is_read_once_and_the_newest_one_counts(
    instance: dg.DagsterInstance, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (INPUTS, MANIFEST) == ("dance/inputs", "dance/manifest")
    for clip in ("a", "b"):
        _report(instance, clip, inputs=f"i {clip}", manifest=f"m {clip}", reused="false")
    events = _events_read(monkeypatch)
    both = {clip: {"inputs": f"i {clip}", "manifest": f"m {clip}"} for clip in ("a", "b")}
    assert _read(instance, store, "a", "b", "c") == both
    assert len(events) == 2
    assert _read(instance, store, "a", "b", "c") == both
    assert len(events) == 2, "nothing is read again"
    _report(instance, "b", inputs="i 2", manifest="m 2")
    assert _read(instance, store, "a", "b") == both | {"b": {"inputs": "i 2", "manifest": "m 2"}}
    assert len(events) == 3


def test_events_of_earlier_versions_are_read_each_time(
    instance: dg.DagsterInstance, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have no manifest, and the rule needs the rest of them."""
    _report(instance, "a", inputs="i", outputs="o")
    events = _events_read(monkeypatch)
    for _ in range(2):
        assert _read(instance, store, "a") == {"a": {"inputs": "i", "outputs": "o"}}
    assert len(events) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"probe": 1}', '{"probe": {"a": [1, "x"]}}'])
def test_a_damaged_note_is_written_again(
    instance: dg.DagsterInstance, store: Store, text: str
) -> None:
    _report(instance, "a", inputs="i", manifest="m")
    note = store.dagster_home / "materializations.json"
    note.write_text(text)
    assert _read(instance, store, "a") == {"a": {"inputs": "i", "manifest": "m"}}
    assert list(json.loads(note.read_text())["probe"]) == ["a"]


def test_another_event_log_is_not_taken_for_the_noted_one(
    instance: dg.DagsterInstance, store: Store
) -> None:
    """A clip that it does not know was never made, whatever the note says."""
    note = {"probe": {"a": [1, "i", "m"], "b": [10**9, "i", "m"]}}
    (store.dagster_home / "materializations.json").write_text(json.dumps(note))
    _report(instance, "b", inputs="new", manifest="m")
    assert _read(instance, store, "a", "b") == {"b": {"inputs": "new", "manifest": "m"}}
