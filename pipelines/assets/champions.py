"""The champions: the trained headline networks, registered, evaluated by the gate and promoted."""

from collections.abc import Container
from typing import Final

import dagster as dg

from dance_models.config import GateConfig, Profile
from dance_models.rows import Task
from pipelines.assets.dataset import train_split, val_split
from pipelines.stage import Inputs, Metadata, Stage, StageContext
from pipelines.tracking.promotion_gate import approval, run_gate
from pipelines.tracking.registry import CHAMPION_ASSETS, MODELS, candidate_asset
from pipelines.tracking.tracker import Tracker

GROUP: Final = "registry"
DESCRIPTION: Final = """`{model}@champion`: the {task} network in use.

Registers the newest training in MLflow and compares it with the champion on the same validation
clips: better than the trivial rows and not worse than the champion, no style lost, left and right
treated alike, fast enough, same signature. The alias `champion` moves last. The test split has no
part in the decision; its scores are only recorded. Materializing again is harmless.
"""


def champion_stage(task: Task, networks: Container[str]) -> Stage:
    """The champion of a task, with its candidate among the assets of the profile's ``networks``."""
    network = candidate_asset(task, networks)

    def inputs(context: StageContext[GateConfig]) -> Inputs:
        """Training, splits, thresholds and the approval of a person, if required."""
        store = context.store
        tables = (network, "train_split", "val_split")
        return {
            "config": context.config,
            "approval": approval(store, task),
            **{name: store.digest(name) for name in tables},
        }

    def gate(profile: Profile) -> GateConfig:
        return profile.recognition_gate if task == "recognition" else profile.prediction_gate

    @Stage(
        name=CHAMPION_ASSETS[task],
        description=DESCRIPTION.format(model=MODELS[task], task=task),
        deps=[network, train_split, val_split, f"{task}_report"],
        inputs=inputs,
        config=gate,
        reuse=False,  # the aliases are in MLflow, and may have been moved by hand
        group=GROUP,
        version="3",  # 3: models of shortened profiles are no candidates
        kinds={"mlflow"},
    )
    def champion(context: StageContext[GateConfig]) -> Metadata:
        outcome = run_gate(
            context.store, task, network, context.config, context.log.info, context.profile.name
        )
        context.log.info(outcome.line())
        tracker = Tracker(context.store)
        return {
            **outcome.metadata(),
            "decision": dg.MetadataValue.md(outcome.table),
            "mlflow_version": dg.MetadataValue.url(
                tracker.version_url(MODELS[task], outcome.version)
            ),
            "mlflow_run": dg.MetadataValue.url(tracker.run_url(outcome.run_id)),
        }

    return champion
