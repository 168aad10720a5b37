"""The networks, one asset each; training runs out of process and resumes exactly.

A network is trained on the fixed split and, when its config says ``folds``, on every grouped fold:
all of it is one asset, one folder and one MLflow run, and what is done of it is not done again.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import dagster as dg
import polars as pl

from dance_models.config import Experiment
from dance_models.methods import ABLATIONS, NETWORKS, asset_name
from dance_models.profiles import HEADLINE
from dance_models.skeleton import SKELETON_ID
from dance_models.tables import file_digest, write_text
from pipelines import previews
from pipelines.assets.dataset import test_split, train_split, val_split
from pipelines.checks.models import OUTCOME, network_checks
from pipelines.compute import TrainingLauncher
from pipelines.settings import active_profile, network_settings
from pipelines.skip_rule import Inputs, Made, Result, inputs_digest, run_stage
from pipelines.store import Store
from pipelines.tracking import Tracker, flat_parameters, git_commit

CODE_VERSION: Final = "2"
HOW_TRAINED: Final = (
    "Trained on the training split, selected on validation, resumed exactly when it was "
    "interrupted; with `folds`, also on every grouped fold."
)


def splits_of(config: Experiment) -> tuple[str, ...]:
    """The tables that a training reads: the test split is read by folds alone."""
    return ("train_split", "val_split", *(["test_split"] if config.folds else []))


def training_inputs(store: Store, config: Experiment, clip: str | None) -> Inputs:
    """The tables it reads, the network and the recipe."""
    tables = {split: store.digest(split) for split in splits_of(config)}
    return {"code": CODE_VERSION, **tables, "config": config, "network": type(config.net).__name__}


def training_folder(store: Store, asset: str, config: Experiment) -> Path:
    """Where a training with these inputs keeps its checkpoints."""
    return store.model(asset) / inputs_digest(training_inputs(store, config, None))[:12]


def _runs_file(store: Store, folder: Path, splits: Sequence[str]) -> Path:
    """The one file that the training reads; rewritten only when it is not there."""
    from dance_models.data.assemble import pose_runs_from_rows
    from dance_models.data.pose_runs import save_pose_runs

    path = folder / "runs.npz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        runs = pose_runs_from_rows(pl.concat([store.read(split) for split in splits]))
        save_pose_runs(runs, path)
    return path


def _lineage(
    context: dg.AssetExecutionContext, store: Store, asset: str, splits: Sequence[str]
) -> dict[str, str]:
    """Tags that lead from the MLflow run back to Dagster, the code and the data."""
    return {
        "dagster/run_id": context.run.run_id,
        "dagster/asset_key": asset,
        "git_commit": git_commit(),
        "skeleton": SKELETON_ID,
        **{f"data_version/{name}": store.digest(name) for name in (*splits, "split_manifest")},
    }


def _train(
    context: dg.AssetExecutionContext,
    store: Store,
    launcher: TrainingLauncher,
    config: Experiment,
) -> Made:
    from dance_models.training.checkpoint import experiment_to_plain

    asset, splits = context.asset_key.to_user_string(), splits_of(config)
    folder = training_folder(store, asset, config)
    runs = _runs_file(store, folder, splits)
    tracker = Tracker(store)
    run_id = tracker.open_run(folder, asset, _lineage(context, store, asset, splits))
    if not (folder / "last.pt").exists():  # a resumed run has its parameters already
        for key, value in flat_parameters(asdict(config)).items():
            tracker.client.log_param(run_id, key, value)
    job = {
        "asset": asset,
        "runs": str(runs),
        "folder": str(folder),
        "experiment": experiment_to_plain(config),
        "store": str(store.path),
        "run_id": run_id,
        "datasets": {
            split: {"path": str(store.table(split)), "version": store.digest(split)}
            for split in splits
        },
    }
    try:
        result = launcher.launch(context, job)
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | dg.DagsterExecutionInterruptedError)
        status = "KILLED" if stopped else "FAILED"
        tracker.close_run(run_id, status)
        raise
    tracker.close_run(run_id, "FINISHED")
    return _record(store, tracker, asset, run_id, result, config)


def _record(
    store: Store,
    tracker: Tracker,
    asset: str,
    run_id: str,
    result: Any,
    config: Experiment,
) -> Made:
    """Point ``current.json`` at the new checkpoints; the run id lies beside, outside the digest."""
    from dance_models.render.plots import loss_curve

    def located(file: dict[str, str]) -> dict[str, str]:
        return {"path": store.relative(Path(file["path"])), "sha256": file["sha256"]}

    current = {
        "best": located(result["best"]),
        "last": located(result["last"]),
        "folds": [located(file) for file in result["folds"]],
        "config": asdict(config),
        "splits": {split: store.digest(split) for split in ("train_split", "val_split")},
    }
    path = store.output(asset)
    write_text(path, json.dumps(current, indent=2, sort_keys=True) + "\n")
    write_text(
        store.model(asset) / "mlflow.json",
        json.dumps({"run_id": run_id, "model_id": result["model_id"]}, indent=2) + "\n",
    )
    history = result["history"]
    outcome = {"history": history, "export_difference": result["export_difference"]}
    best = Path(result["best"]["path"])
    write_text(best.with_name(OUTCOME), json.dumps(outcome, indent=2) + "\n")
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


def network_asset(method: str) -> dg.AssetsDefinition:
    """The asset that trains one network, with the active profile's experiment as its config."""
    name, settings = asset_name(method), network_settings(method)
    headline = method in HEADLINE
    group = "training" if headline else "ablations" if method in ABLATIONS else "baselines"

    @dg.asset(
        name=name,
        deps=[train_split, val_split, test_split],
        group_name=group,
        code_version=CODE_VERSION,
        pool="gpu",
        check_specs=network_checks(name).specs(),
        kinds={"pytorch", "mlflow"},
        op_tags={"dance/kind": "training"},
        description=f"{NETWORKS[method]}\n\n{HOW_TRAINED}",
    )
    def network(
        context: dg.AssetExecutionContext,
        config: settings,  # type: ignore[valid-type]
        store: Store,
        launcher: TrainingLauncher,
    ) -> Result:
        experiment = config.value()  # type: ignore[attr-defined]
        return run_stage(
            context,
            store,
            training_inputs(store, experiment, None),
            lambda: _train(context, store, launcher, experiment),
            network_checks(name),
        )

    return network


# A graph of the networks that the active profile compares; the others have no asset in it.
ROWS: Final = active_profile().rows
network_assets = [network_asset(method) for method in ROWS]
