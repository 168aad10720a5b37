"""The weekly tick: a run, or a reason for none."""

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from dance_models.profiles import PROFILES
from dance_models.tables import write_table, write_text
from pipelines.automation.retraining import retraining_schedule
from pipelines.automation.switches import AutomationSettings
from pipelines.checks.dataset_clips import CLIPS
from pipelines.graph import stages_of
from pipelines.recovery import PROCESS_TAG
from pipelines.stage import INPUTS_TAG
from pipelines.storage.registration import VERSION_TAG
from pipelines.storage.store import Store

NETWORKS = ("mkff_st_gcn", "stga_net")
GATES = ("recognition_champion", "prediction_champion")
SMOKE = PROFILES["smoke"]
weekly_retrain = retraining_schedule(SMOKE, AutomationSettings())


@dataclass
class Weeks:
    """A store with a made-up data set and made-up trainings."""

    store: Store
    instance: dg.DagsterInstance

    def tick(self) -> dg.RunRequest | str:
        """The run that a tick requests, or its reason for requesting none."""
        resources = {"store": self.store}
        with dg.build_schedule_context(instance=self.instance, resources=resources) as context:
            answer = weekly_retrain(context)
        if isinstance(answer, dg.SkipReason):
            return str(answer.skip_message)
        assert isinstance(answer, dg.RunRequest)
        return answer

    def write(self, table: str, frames: int) -> None:
        write_table(pl.DataFrame({"frame": range(frames)}), self.store.table(table), {})

    def note(self, *assets: str) -> None:
        """Record what a successful run records: the inputs of an asset and its version."""
        for stage in (stage for stage in stages_of(SMOKE) if stage.name in assets):
            inputs = stage.digest(stage.context(self.store, SMOKE))
            if stage.checks is not None:
                stage.checks.record(self.store, SMOKE.quality, None, inputs, [])
            tags = {INPUTS_TAG: inputs, VERSION_TAG: self.store.digest(stage.name)}
            event = dg.AssetMaterialization(stage.name, tags=tags)
            self.instance.report_runless_asset_event(event)

    def train(self) -> None:
        for asset in NETWORKS:
            file = {"path": f"models/{asset}/best.pt", "sha256": self.store.digest("train_split")}
            write_text(self.store.path / file["path"], asset)
            current = {"best": file, "last": file, "folds": []}
            write_text(self.store.output(asset), json.dumps(current))
            write_text(self.store.model(asset) / "mlflow.json", "{}")
        self.note(*NETWORKS)

    def decide(self) -> None:
        """What the gates leave behind."""
        for gate in GATES:
            write_text(self.store.output(gate), json.dumps({"state": ""}))
        self.note(*GATES)

    def build(self, frames: int) -> None:
        for table in ("pose_dataset", CLIPS, "train_split", "val_split", "test_split"):
            self.write(table, frames)
        self.note("pose_dataset")


@pytest.fixture
def weeks(tmp_path: Path) -> Iterator[Weeks]:
    store = Store(root=str(tmp_path / "store"))
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        yield Weeks(store, instance)


def test_nothing_is_trained_without_a_data_set(weeks: Weeks) -> None:
    assert weeks.tick() == "there is no data set yet"


def test_networks_are_retrained_only_when_their_data_changed(weeks: Weeks) -> None:
    weeks.build(frames=10)
    first = weeks.tick()
    assert isinstance(first, dg.RunRequest)
    assert first.tags["dance/stale"] == "mkff_st_gcn, stga_net"
    weeks.train()
    weeks.decide()
    assert "unchanged since they were trained" in str(weeks.tick())
    weeks.build(frames=11)
    assert isinstance(weeks.tick(), dg.RunRequest)


def test_an_outdated_data_set_is_a_reason_to_retrain(weeks: Weeks) -> None:
    weeks.build(frames=10)
    weeks.train()
    weeks.decide()
    weeks.write("pose_dataset", 3)  # not what the last run left
    request = weeks.tick()
    assert isinstance(request, dg.RunRequest)
    assert request.tags["dance/stale"] == "pose_dataset"


def test_a_failed_training_is_retried(weeks: Weeks) -> None:
    weeks.build(frames=10)
    weeks.train()
    weeks.store.output("stga_net").unlink()
    request = weeks.tick()
    assert isinstance(request, dg.RunRequest)
    assert request.tags["dance/stale"] == "stga_net"


def test_a_gate_that_the_last_run_did_not_reach_is_run(weeks: Weeks) -> None:
    """That run trained the networks; it failed or was cancelled between them and the gates."""
    weeks.build(frames=10)
    weeks.train()
    weeks.decide()
    weeks.build(frames=11)
    weeks.train()
    request = weeks.tick()
    assert isinstance(request, dg.RunRequest)
    assert request.tags["dance/stale"] == "recognition_champion, prediction_champion"
    weeks.decide()
    assert "unchanged" in str(weeks.tick())


def test_only_one_retraining_runs_at_a_time(weeks: Weeks) -> None:
    @dg.job(name="retrain_all")
    def stand_in() -> None: ...

    weeks.build(frames=10)
    run = weeks.instance.create_run_for_job(stand_in, status=dg.DagsterRunStatus.STARTED)
    assert weeks.tick() == f"run {run.run_id[:8]} of retrain_all is in progress"
    weeks.instance.report_run_failed(run)
    assert isinstance(weeks.tick(), dg.RunRequest)


def test_a_killed_run_does_not_block_retraining(weeks: Weeks) -> None:
    """`dance run` was killed during its run of the same job."""

    @dg.job(name="retrain_all")
    def stand_in() -> None: ...

    weeks.build(frames=10)
    dead = {PROCESS_TAG: f"{socket.gethostname()}:{os.getpid()}:0.00"}  # the pid is reused
    run = weeks.instance.create_run_for_job(stand_in, status=dg.DagsterRunStatus.STARTED, tags=dead)
    assert isinstance(weeks.tick(), dg.RunRequest)
    closed = weeks.instance.get_run_by_id(run.run_id)
    assert closed is not None
    assert closed.status == dg.DagsterRunStatus.FAILURE
