"""The jobs that sensors, the schedule and people start.

One job per partition domain: a job that mixes them would re-run the data set for every clip.
"""

from typing import Final

import dagster as dg

from pipelines.partitions import CLIPS

CLIP_ASSETS: Final = ("clip_probe", "pose_annotations", "sampled_frames", "pose_tracks")
TRAINING: Final = {"dance/kind": "training"}

ingest_clips = dg.define_asset_job(
    "ingest_clips",
    dg.AssetSelection.assets(*CLIP_ASSETS),
    partitions_def=CLIPS,
    # A process a step would take longer to start than most of these steps take.
    executor_def=dg.in_process_executor,
    description="Probe, sample and estimate one clip and read its annotations.",
)
build_dataset = dg.define_asset_job(
    "build_dataset",
    dg.AssetSelection.groups("dataset"),
    description="Join all clips, split by group, augment the training split.",
)
retrain_recognition = dg.define_asset_job(
    "retrain_recognition",
    dg.AssetSelection.assets("mkff_st_gcn", "recognition_report", "recognition_champion"),
    description="MKFF-ST-GCN on today's splits, its report, and the gate.",
    tags=TRAINING,
)
retrain_prediction = dg.define_asset_job(
    "retrain_prediction",
    dg.AssetSelection.assets("stga_net", "prediction_report", "prediction_champion"),
    description="STGA-Net on today's splits, its report, and the gate.",
    tags=TRAINING,
)
retrain_all = dg.define_asset_job(
    "retrain_all",
    dg.AssetSelection.assets("pose_dataset").downstream(),
    description="Data set, all networks of the profile, their reports, and the gates.",
    tags=TRAINING,
)
export_champions = dg.define_asset_job(
    "export_champions",
    dg.AssetSelection.assets("champion_exports"),
    description="The champions as programs with a description, in the store's `exports/`.",
)
smoke = dg.define_asset_job(
    "smoke",
    dg.AssetSelection.assets("mkff_st_gcn", "stga_net"),
    config={
        "ops": {
            name: {"config": {"training": {"epochs": 1, "steps_per_epoch": 2}}}
            for name in ("mkff_st_gcn", "stga_net")
        }
    },
    description="Two steps of each headline network: whether training starts at all. Train again "
    "afterwards, since these are then the newest networks.",
    tags=TRAINING,
)
JOBS: Final = (
    ingest_clips,
    build_dataset,
    retrain_recognition,
    retrain_prediction,
    retrain_all,
    export_champions,
    smoke,
)
