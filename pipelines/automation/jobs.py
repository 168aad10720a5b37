"""The jobs that sensors, the schedule, the command line and people start.

One job for each partition domain: a job that mixes them would run the data set again for every
clip.
"""

from collections.abc import Sequence
from typing import Any, Final

import dagster as dg

from pipelines.assets.champion_exports import champion_exports
from pipelines.assets.dataset import pose_dataset
from pipelines.stage import Stage
from pipelines.tracking.registry import CHAMPION_ASSETS, NETWORK_OF_TASK, candidate_asset

INGEST_CLIPS: Final = "ingest_clips"
RETRAIN_ALL: Final = "retrain_all"
EXPORT_CHAMPIONS: Final = "export_champions"
TRAINING: Final = {"dance/kind": "training"}


def jobs_of(stages: Sequence[Stage]) -> list[Any]:
    """The jobs over the stages of a graph."""
    ingest_clips = dg.define_asset_job(
        INGEST_CLIPS,
        dg.AssetSelection.assets(*(stage.name for stage in stages if stage.partitioned)),
        # Starting a process for each step would take longer than most of these steps.
        executor_def=dg.in_process_executor,
        description="Probe, sample and estimate one clip and read its annotations.",
    )
    build_dataset = dg.define_asset_job(
        "build_dataset",
        dg.AssetSelection.groups("dataset"),
        description="Join all clips, split by group, augment the training split.",
    )
    retrain_all = dg.define_asset_job(
        RETRAIN_ALL,
        dg.AssetSelection.assets(pose_dataset.name).downstream(),
        description="Data set, all networks of the profile, their reports, and the gates.",
        tags=TRAINING,
    )
    export_champions = dg.define_asset_job(
        EXPORT_CHAMPIONS,
        dg.AssetSelection.assets(champion_exports.name),
        description="The champions as programs with a description, in the store's `exports/`.",
    )
    names = {stage.name for stage in stages}
    retrainings = [_retrain(task, candidate_asset(task, names)) for task in NETWORK_OF_TASK]
    return [ingest_clips, build_dataset, retrain_all, export_champions, *retrainings, _smoke()]


def _retrain(task: str, network: str) -> Any:
    return dg.define_asset_job(
        f"retrain_{task}",
        dg.AssetSelection.assets(network, f"{task}_report", CHAMPION_ASSETS[task]),
        description=f"{network} on today's splits, its report, and the gate.",
        tags=TRAINING,
    )


def _smoke() -> Any:
    networks = tuple(NETWORK_OF_TASK.values())
    short = {"config": {"training": {"epochs": 1, "steps_per_epoch": 2}}}
    return dg.define_asset_job(
        "smoke",
        dg.AssetSelection.assets(*networks),
        config={"ops": dict.fromkeys(networks, short)},
        description="Two steps of each headline network: whether training starts at all. Train "
        "again afterwards, since these are then the newest networks.",
        tags=TRAINING,
    )
