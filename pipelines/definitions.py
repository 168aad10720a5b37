"""What Dagster loads: assets, jobs, automation and resources. Kept light: every run imports it."""

import dagster as dg

from pipelines.assets import (
    annotations,
    champion_exports,
    champions,
    clips,
    crops,
    dataset,
    evaluation,
    pretraining,
    training,
)
from pipelines.automation.champions import champion_changed
from pipelines.automation.dataset import rebuild_dataset
from pipelines.automation.failures import run_failed
from pipelines.automation.ingestion import changed_annotations, new_clips
from pipelines.automation.jobs import JOBS
from pipelines.automation.retraining import weekly_retrain
from pipelines.execution.training_launcher import TrainingLauncher
from pipelines.storage.store import Store, default_root

defs = dg.Definitions(
    assets=dg.load_assets_from_modules(
        [
            clips,
            annotations,
            dataset,
            crops,
            pretraining,
            training,
            evaluation,
            champions,
            champion_exports,
        ]
    ),
    asset_checks=dg.load_asset_checks_from_modules([pretraining]),
    jobs=list(JOBS),
    sensors=[new_clips, changed_annotations, rebuild_dataset, champion_changed, run_failed],
    schedules=[weekly_retrain],
    resources={"store": Store(root=default_root()), "launcher": TrainingLauncher()},
)
