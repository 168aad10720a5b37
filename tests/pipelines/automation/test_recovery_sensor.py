"""The sensor of dead runs: always on, and what it closes."""

import os
import socket
from pathlib import Path

import dagster as dg

from dance_models.profiles import PROFILES
from pipelines.automation.jobs import TRAINING
from pipelines.automation.recovery import recovery_sensor
from pipelines.graph import build_definitions
from pipelines.recovery import PROCESS_TAG
from pipelines.storage.store import Store


@dg.job
def retraining() -> None: ...


def test_a_tick_frees_the_place_of_a_dead_training(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    dead = {PROCESS_TAG: f"{socket.gethostname()}:{os.getpid()}:0.00", **TRAINING}
    instance.create_run_for_job(retraining, status=dg.DagsterRunStatus.STARTED, tags=dead)
    context = dg.build_sensor_context(
        instance=instance, resources={"store": Store(root=str(tmp_path))}
    )
    answer = recovery_sensor()(context)
    assert isinstance(answer, dg.SkipReason)
    assert "was killed" in str(answer.skip_message)
    in_place = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], tags=TRAINING)
    assert instance.get_runs(filters=in_place) == []
    context = dg.build_sensor_context(
        instance=instance, resources={"store": Store(root=str(tmp_path))}
    )
    assert "every unfinished run" in str(recovery_sensor()(context).skip_message)


def test_it_is_on_without_automation(tmp_path: Path) -> None:
    defs = build_definitions(PROFILES["smoke"], Store(root=str(tmp_path)))
    sensor = defs.resolve_sensor_def("dead_runs")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
