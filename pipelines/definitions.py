"""What Dagster loads: assets, jobs and resources. Kept light: every run imports it."""

import dagster as dg

from pipelines.assets import annotations, clips, dataset, evaluation, pretraining, training
from pipelines.compute import TrainingLauncher
from pipelines.partitions import CLIPS
from pipelines.store import Store, default_root

CLIP_ASSETS = ("clip_probe", "pose_annotations", "sampled_frames", "pose_tracks")
DATASET_ASSETS = (
    "pose_dataset",
    "split_manifest",
    "augmented_train",
    "train_split",
    "val_split",
    "test_split",
)

# One job per partition domain: a job that mixes them would re-run the data set for every clip.
ingest_clips = dg.define_asset_job(
    "ingest_clips",
    dg.AssetSelection.assets(*CLIP_ASSETS),
    partitions_def=CLIPS,
    description="Probe, sample and estimate one clip and read its annotations.",
)
build_dataset = dg.define_asset_job(
    "build_dataset",
    dg.AssetSelection.assets(*DATASET_ASSETS),
    description="Join all clips, split by group, augment the training split.",
)
retrain_all = dg.define_asset_job(
    "retrain_all",
    dg.AssetSelection.assets("pose_dataset").downstream(),
    description="Data set, both networks and their reports.",
    tags={"dance/kind": "training"},
)

defs = dg.Definitions(
    assets=dg.load_assets_from_modules(
        [clips, annotations, dataset, pretraining, training, evaluation]
    ),
    asset_checks=dg.load_asset_checks_from_modules([pretraining]),
    jobs=[ingest_clips, build_dataset, retrain_all],
    resources={"store": Store(root=default_root()), "launcher": TrainingLauncher()},
)
