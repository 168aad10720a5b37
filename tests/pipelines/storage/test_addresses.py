"""Where links to the two web UIs lead."""

from pathlib import Path

import pytest

from dance_models.errors import InputError
from pipelines.storage.addresses import Addresses, addresses, addresses_of_ports, remember
from pipelines.storage.store import Store
from pipelines.tracking.tracker import Tracker


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=str(tmp_path / "store"))


def test_defaults_then_the_last_ui_then_the_environment(store: Store) -> None:
    assert addresses(store, {}) == Addresses("http://127.0.0.1:3000", "http://127.0.0.1:5000")
    assert not store.path.exists(), "asking creates nothing"
    remember(store, addresses_of_ports({}, 3001, 5001))
    assert addresses(store, {}) == Addresses("http://127.0.0.1:3001", "http://127.0.0.1:5001")
    public = {"DANCE_UI": "https://dance.example/", "DANCE_MLFLOW_UI": "https://mlflow.example"}
    assert addresses(store, public) == Addresses("https://dance.example", "https://mlflow.example")
    assert addresses_of_ports(public, 1, 2) == addresses(store, public)


def test_the_environment_carries_them_to_other_processes(store: Store) -> None:
    found = addresses_of_ports({}, 3001, 5001)
    assert addresses(store, found.environment()) == found


@pytest.mark.parametrize("address", ["dance.example", "javascript:alert(1)", "http://"])
def test_what_is_no_address_is_named(store: Store, address: str) -> None:
    with pytest.raises(InputError, match="DANCE_UI"):
        addresses(store, {"DANCE_UI": address})


def test_a_damaged_note_is_passed_over(store: Store) -> None:
    remember(store, Addresses())
    (store.dagster_home / "addresses.json").write_text("[]")
    assert addresses(store, {}) == Addresses()


def test_links_of_runs_and_versions_lead_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DANCE_MLFLOW_UI", "https://mlflow.example")
    tracker = Tracker(store)
    monkeypatch.setattr(tracker, "initialise", lambda: "1")
    assert (
        tracker.run_url("abc")
        == "https://mlflow.example/#/experiments/1/runs/abc?workflowType=machine_learning"
    )
    assert (
        tracker.version_url("m", 2)
        == "https://mlflow.example/#/models/m/versions/2?workflowType=machine_learning"
    )
