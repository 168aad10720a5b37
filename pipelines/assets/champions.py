"""The champions: the trained headline networks, registered, judged and promoted."""

from collections.abc import Callable
from typing import Any, Final

import dagster as dg

from dance_models.config import GateConfig
from pipelines.assets.dataset import train_split, val_split
from pipelines.settings import PredictionGateSettings, RecognitionGateSettings
from pipelines.skip_rule import INPUTS_TAG, Inputs, inputs_digest
from pipelines.storage.store import Store
from pipelines.tracking.promotion_gate import approval, run_gate
from pipelines.tracking.registry import CHAMPION_ASSETS, MODELS, NETWORK_OF_TASK
from pipelines.tracking.tracker import UI_ADDRESS, Tracker

GROUP = "registry"
CODE_VERSION: Final = "1"
HOW: Final = """

Registers the newest training in MLflow and judges it beside the champion on the same validation
clips: better than the trivial rows, not worse than the champion, no style lost, left and right
treated alike, fast enough, same signature. The alias `champion` moves last. The test split has no
say; its scores are recorded for the record. Materializing again is harmless.
"""


def champion_inputs(task: str) -> Callable[[Store, GateConfig, str | None], Inputs]:
    """Inputs of one champion: training, splits, thresholds and an approval that was waited for."""

    def inputs(store: Store, config: GateConfig, clip: str | None) -> Inputs:
        tables = (NETWORK_OF_TASK[task], "train_split", "val_split")
        return {
            "code": CODE_VERSION,
            "config": config,
            "approval": approval(store, task),
            **{name: store.digest(name) for name in tables},
        }

    return inputs


def _materialize(
    context: dg.AssetExecutionContext, store: Store, task: str, config: GateConfig
) -> dg.MaterializeResult[Any]:
    """Unlike a table it is made anew whenever it is asked for: the truth lies in MLflow."""
    inputs = champion_inputs(task)(store, config, None)
    outcome = run_gate(store, task, config, context.log.info)
    context.log.info(outcome.line())
    url = f"{UI_ADDRESS}/#/models/{MODELS[task]}/versions/{outcome.version}"
    return dg.MaterializeResult(
        data_version=dg.DataVersion(store.digest(CHAMPION_ASSETS[task])),
        metadata={
            **outcome.metadata(),
            "decision": dg.MetadataValue.md(outcome.table),
            "mlflow_version": dg.MetadataValue.url(url),
            "mlflow_run": dg.MetadataValue.url(Tracker(store).run_url(outcome.run_id)),
        },
        tags={INPUTS_TAG: inputs_digest(inputs)},
    )


@dg.asset(
    deps=["mkff_st_gcn", train_split, val_split, "recognition_report"],
    group_name=GROUP,
    code_version=CODE_VERSION,
    kinds={"mlflow"},
    description=f"`{MODELS['recognition']}@champion`: the recognition network in use.{HOW}",
)
def recognition_champion(
    context: dg.AssetExecutionContext, config: RecognitionGateSettings, store: Store
) -> dg.MaterializeResult[Any]:
    """The recognition network in use."""
    return _materialize(context, store, "recognition", config.value())


@dg.asset(
    deps=["stga_net", train_split, val_split, "prediction_report"],
    group_name=GROUP,
    code_version=CODE_VERSION,
    kinds={"mlflow"},
    description=f"`{MODELS['prediction']}@champion`: the prediction network in use.{HOW}",
)
def prediction_champion(
    context: dg.AssetExecutionContext, config: PredictionGateSettings, store: Store
) -> dg.MaterializeResult[Any]:
    """The prediction network in use."""
    return _materialize(context, store, "prediction", config.value())
