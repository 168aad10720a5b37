"""Which steps of a run get processes of their own."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dance_models.profiles import PROFILES
from pipelines.executors import RunExecutor
from pipelines.graph import build_definitions, stages_of
from pipelines.profile_options import ProfileOptions
from pipelines.storage.store import Store


class Recorded(dg.Executor):
    """Executes nothing and remembers that it was asked to."""

    def __init__(self) -> None:
        self.asked = 0

    @property
    def retries(self) -> Any:
        return "never"

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        self.asked += 1
        yield from ()


@dataclass
class Plan:
    step_keys_to_execute: list[str]


def test_short_steps_alone_stay_in_the_runs_process() -> None:
    forked, with_networks, in_process = Recorded(), Recorded(), Recorded()
    executor = RunExecutor(
        forked, with_networks, in_process,
        networks={"stga_net"}, short={"clip_probe", "pose_tracks"},
    )  # fmt: skip

    def asked(*steps: str) -> tuple[int, int, int]:
        list(executor.execute(None, Plan(list(steps))))
        return forked.asked, with_networks.asked, in_process.asked

    assert asked("clip_probe", "pose_tracks") == (0, 0, 1)
    assert asked("pose_tracks", "pose_dataset") == (1, 0, 1)
    assert asked("pose_dataset", "stga_net") == (1, 1, 1)
    assert executor.retries == "never"


def _made(definition: dg.ExecutorDefinition, most: int) -> RunExecutor:
    create = definition.executor_creation_fn
    assert create is not None
    with dg.instance_for_test() as instance:
        made = create(
            dg.InitExecutorContext(
                job=dg.reconstructable(a_job),
                executor_def=definition,
                executor_config={"max_concurrent": most},
                instance=instance,
            )
        )
    assert isinstance(made, RunExecutor)
    return made


def test_the_assets_of_a_clip_and_observations_are_short(tmp_path) -> None:
    definitions = build_definitions(PROFILES["smoke"], Store(root=str(tmp_path)))
    implicit = definitions.resolve_implicit_global_asset_job_def()
    assert implicit.executor_def.name == "forked"
    made = _made(implicit.executor_def, 0)
    assert {"mkff_st_gcn", "recognition_report", "prediction_champion"} <= made._networks
    assert not made._networks & {"pose_dataset", "split_manifest", "train_split", *made._short}
    assert made._short == {
        "raw_clips", "raw_annotations", "raw_motion",
        "clip_probe", "pose_annotations", "sampled_frames", "pose_tracks",
    }  # fmt: skip


@pytest.mark.parametrize(("devices", "trainings"), [(2, 4), (3, 2), (16, 1)])
def test_trainings_on_several_devices_share_the_places(
    tmp_path: Path, devices: int, trainings: int
) -> None:
    """Their steps have the tag that is counted."""
    store = Store(root=str(tmp_path))
    profile = ProfileOptions("smoke", devices=devices).resolve(store)
    definition = build_definitions(profile, store).executor
    assert isinstance(definition, dg.ExecutorDefinition)
    (limit,) = _made(definition, 8)._with_networks._tag_concurrency_limits  # type: ignore[attr-defined]
    assert limit["limit"] == trainings
    (network,) = (stage for stage in stages_of(profile) if stage.name == "stga_net")
    assert network.op_tags[limit["key"]] == limit["value"]


@dg.job
def a_job() -> None:
    """A job that another process can load."""
