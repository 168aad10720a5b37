"""The two networks. Each is one asset; training runs out of process and resumes exactly."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from dance_models.config import PredictionExperiment, RecognitionExperiment
from dance_models.skeleton import SKELETON_ID
from dance_models.tables import file_digest, write_text
from pipelines import previews
from pipelines.assets.dataset import train_split, val_split
from pipelines.compute import TrainingLauncher
from pipelines.settings import PredictionSettings, RecognitionSettings
from pipelines.skip_rule import Inputs, Made, inputs_digest, run_stage
from pipelines.store import Store
from pipelines.tracking import Tracker, flat_parameters, git_commit

GROUP = "training"
SPLITS = ("train_split", "val_split")


def training_inputs(
    store: Store, config: RecognitionExperiment | PredictionExperiment, clip: str | None
) -> Inputs:
    """The training and validation tables, the network and the recipe."""
    return {"code": "1", **{s: store.digest(s) for s in SPLITS}, "config": config}


def _runs_file(store: Store, folder: Path) -> Path:
    """The one file that the training reads; rewritten only when it is not there."""
    from dance_models.data.assemble import pose_runs_from_rows
    from dance_models.data.pose_runs import save_pose_runs

    path = folder / "runs.npz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        runs = pose_runs_from_rows(pl.concat([store.read(split) for split in SPLITS]))
        save_pose_runs(runs, path)
    return path


def _lineage(context: dg.AssetExecutionContext, store: Store, asset: str) -> dict[str, str]:
    """Tags that lead from the MLflow run back to Dagster, the code and the data."""
    return {
        "dagster/run_id": context.run.run_id,
        "dagster/asset_key": asset,
        "git_commit": git_commit(),
        "skeleton": SKELETON_ID,
        **{f"data_version/{name}": store.digest(name) for name in (*SPLITS, "split_manifest")},
    }


def _train(
    context: dg.AssetExecutionContext,
    store: Store,
    launcher: TrainingLauncher,
    task: str,
    config: RecognitionExperiment | PredictionExperiment,
) -> Made:
    asset = context.asset_key.to_user_string()
    folder = store.model(asset) / inputs_digest(training_inputs(store, config, None))[:12]
    runs = _runs_file(store, folder)
    tracker = Tracker(store)
    run_id = tracker.open_run(folder, asset, _lineage(context, store, asset))
    if not (folder / "last.pt").exists():  # a resumed run has its parameters already
        for key, value in flat_parameters(asdict(config)).items():
            tracker.client.log_param(run_id, key, value)
    job = {
        "task": task,
        "asset": asset,
        "runs": str(runs),
        "folder": str(folder),
        "config": asdict(config),
        "store": str(store.path),
        "run_id": run_id,
        "datasets": {
            split: {"path": str(store.table(split)), "version": store.digest(split)}
            for split in SPLITS
        },
    }
    try:
        result = launcher.launch(context, job)
    except BaseException as error:
        status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        tracker.close_run(run_id, status)
        raise
    tracker.close_run(run_id, "FINISHED")
    return _record(store, tracker, asset, run_id, result, asdict(config))


def _record(
    store: Store,
    tracker: Tracker,
    asset: str,
    run_id: str,
    result: Any,
    config: dict[str, Any],
) -> Made:
    """Point ``current.json`` at the new checkpoints; the run id lies beside, outside the digest."""
    from dance_models.render.plots import loss_curve

    def located(which: str) -> dict[str, str]:
        return {
            "path": store.relative(Path(result[which]["path"])),
            "sha256": result[which]["sha256"],
        }

    current = {"best": located("best"), "last": located("last"), "config": config}
    path = store.output(asset)
    write_text(path, json.dumps(current, indent=2, sort_keys=True) + "\n")
    write_text(
        store.model(asset) / "mlflow.json",
        json.dumps({"run_id": run_id, "model_id": result["model_id"]}, indent=2) + "\n",
    )
    history = result["history"]
    return Made(
        file_digest(path),
        {
            "mlflow_run": dg.MetadataValue.url(tracker.run_url(run_id)),
            "mlflow_run_id": run_id,
            "mlflow_model_id": result["model_id"],
            "best_epoch": result["best_epoch"],
            "best_validation_score": float(result["best_score"]),
            "loss_curve": previews.picture(loss_curve(history), f"loss of {asset}"),
            "history": previews.records(pl.DataFrame(history), limit=100),
        },
    )


def _make(
    context: dg.AssetExecutionContext,
    store: Store,
    launcher: TrainingLauncher,
    task: str,
    config: RecognitionExperiment | PredictionExperiment,
) -> Callable[[], Made]:
    return lambda: _train(context, store, launcher, task, config)


@dg.asset(
    deps=[train_split, val_split],
    group_name=GROUP,
    code_version="1",
    pool="gpu",
    kinds={"pytorch", "mlflow"},
    op_tags={"dance/kind": "training"},
)
def mkff_st_gcn(
    context: dg.AssetExecutionContext,
    config: RecognitionSettings,
    store: Store,
    launcher: TrainingLauncher,
) -> dg.MaterializeResult[Any]:
    """MKFF-ST-GCN, the recognition network: refines the keypoints of the estimator.

    Keypoint flow, velocity and acceleration with attention on top of ST-GCN. Trained on the
    training split, selected on validation, resumed exactly when it was interrupted.
    """
    experiment = config.value()
    return run_stage(
        context,
        store,
        training_inputs(store, experiment, None),
        _make(context, store, launcher, "recognition", experiment),
    )


@dg.asset(
    deps=[train_split, val_split],
    group_name=GROUP,
    code_version="1",
    pool="gpu",
    kinds={"pytorch", "mlflow"},
    op_tags={"dance/kind": "training"},
)
def stga_net(
    context: dg.AssetExecutionContext,
    config: PredictionSettings,
    store: Store,
    launcher: TrainingLauncher,
) -> dg.MaterializeResult[Any]:
    """STGA-Net, the prediction network: the next 400 ms from the last 1.08 s.

    Local and global graph attention, dilated temporal convolutions, a G-GRU decoder. Trained on
    annotated poses of the training split, selected on validation, resumed exactly.
    """
    experiment = config.value()
    return run_stage(
        context,
        store,
        training_inputs(store, experiment, None),
        _make(context, store, launcher, "prediction", experiment),
    )
