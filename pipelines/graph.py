"""The graph, built from arguments: assets, jobs, automation and resources of one store."""

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any

import dagster as dg

from dance_models.config import Profile
from dance_models.rows import ROW_OF_PRETRAINING, ROWS, TASKS
from pipelines.assets.annotations import (
    annotation_report_stage,
    pose_annotations,
    raw_annotations_asset,
)
from pipelines.assets.champion_exports import champion_exports
from pipelines.assets.champions import champion_stage
from pipelines.assets.clips import clip_probe, pose_tracks, raw_clips_asset, sampled_frames
from pipelines.assets.crops import person_crops
from pipelines.assets.dataset import SPLITS, augmented_train, pose_dataset, split_manifest
from pipelines.assets.evaluation import html_report, paired_comparisons, report_stage
from pipelines.assets.pretraining import (
    no_shared_motion_check,
    pretraining_motion,
    raw_motion_asset,
)
from pipelines.assets.rendered import rendered_motion
from pipelines.assets.training import motion_table_of, network_stage, pretraining_stage
from pipelines.automation.champions import champion_sensor
from pipelines.automation.dataset import dataset_sensor
from pipelines.automation.failures import failed_clips_sensor, failure_sensor
from pipelines.automation.ingestion import annotation_sensor, clip_sensor
from pipelines.automation.jobs import jobs_of
from pipelines.automation.queue import queue_sensor
from pipelines.automation.recovery import recovery_sensor
from pipelines.automation.retraining import retraining_schedule
from pipelines.automation.switches import AutomationSettings
from pipelines.cluster import LOCAL
from pipelines.executors import run_executor
from pipelines.known_warnings import known_warnings_ignored
from pipelines.profile_options import ProfileOptions
from pipelines.stage import Stage
from pipelines.storage.shards import shards_of
from pipelines.storage.store import Store
from pipelines.training.launcher import TrainingLauncher


def stages_of(profile: Profile) -> tuple[Stage, ...]:
    """The stages of a profile's graph, upstream before downstream."""
    rows = [row for row in ROWS if row.id in profile.rows]
    networks = {row.id: network_stage(row) for row in rows}
    motion = {stage.name: stage for stage in (pretraining_motion, rendered_motion)}
    pretrainings = [
        pretraining_stage(asset, row, motion[motion_table_of(asset, profile)])
        for asset, row in ROW_OF_PRETRAINING.items()
        if any(fine_tuned.pretraining_asset == asset for fine_tuned in rows)
    ]
    # The footnotes of both reports name all rows that were pre-trained.
    reports = [
        report_stage(
            task,
            [networks[row.id] for row in rows if row.task == task or row.pretraining_asset],
        )
        for task in TASKS
    ]
    stages = (
        clip_probe,
        pose_annotations,
        annotation_report_stage,
        sampled_frames,
        pose_tracks,
        pose_dataset,
        split_manifest,
        augmented_train,
        *([person_crops] if any(row.needs_crops for row in rows) else []),
        *SPLITS,
        pretraining_motion,
        *([rendered_motion] if profile.rendered.pieces else []),
        *pretrainings,
        *networks.values(),
        *reports,
        paired_comparisons,
        html_report,
        *(champion_stage(task, {network.name for network in networks.values()}) for task in TASKS),
        champion_exports,
    )
    by_name = {stage.name: stage for stage in stages}
    order = TopologicalSorter({stage.name: stage.dependencies for stage in stages})
    return tuple(by_name[name] for name in order.static_order() if name in by_name)


def _short_steps(stages: Sequence[Stage]) -> set[str]:
    """Steps of seconds: the tables of a clip, and observing the raw folders."""
    raw = {name for stage in stages for name in stage.dependencies}
    raw -= {stage.name for stage in stages}
    return raw | {stage.name for stage in stages if stage.partitioned}


def network_steps(stages: Sequence[Stage]) -> set[str]:
    """Steps that work with networks."""
    return {stage.name for stage in stages if stage.kinds & {"pytorch", "mlflow"}}


def _devices(profile: Profile) -> int:
    """The most devices that one training of the profile has."""
    return max((profile.networks[row].training.devices for row in profile.rows), default=1)


def build_definitions(
    profile: Profile,
    store: Store,
    automation: AutomationSettings | None = None,
    engine: str = LOCAL,
    shards: int = 0,
) -> dg.Definitions:
    """The graph of a store under a profile; reads neither the environment nor the disk.

    ``engine`` says where trainings run. ``shards``: how many the clips of the store are in; 0: each
    clip is a partition.
    """
    automation = automation or AutomationSettings()
    with known_warnings_ignored():  # observable source assets, checks with partitions
        stages = stages_of(profile)
        return dg.Definitions(
            assets=[
                raw_clips_asset(shards),
                raw_annotations_asset(),
                raw_motion_asset(),
                *(stage.asset(profile, shards) for stage in stages),
            ],
            asset_checks=[no_shared_motion_check()],
            jobs=jobs_of(stages),
            sensors=[
                clip_sensor(profile, automation),
                annotation_sensor(profile, automation),
                dataset_sensor(automation),
                champion_sensor(automation),
                failure_sensor(automation),
                *([failed_clips_sensor(automation)] if shards else []),
                recovery_sensor(),
                queue_sensor(automation),
            ],
            schedules=[retraining_schedule(profile, automation)],
            resources={"store": store, "launcher": TrainingLauncher(engine=engine)},
            executor=run_executor(network_steps(stages), _short_steps(stages), _devices(profile)),
        )


def job_of(
    store_root: str, options: Mapping[str, Any], job: str, engine: str = LOCAL
) -> dg.JobDefinition:
    """A job of the graph, built again in another process from plain arguments."""
    store = Store(root=store_root)
    profile = ProfileOptions.from_plain(dict(options)).resolve(store)
    graph = build_definitions(profile, store, engine=engine, shards=shards_of(store))
    return graph.resolve_job_def(job)
