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

from dance_models.config import Experiment, HrnetExperiment
from dance_models.errors import InputError
from dance_models.profiles import HEADLINE
from dance_models.rows import (
    ABLATIONS,
    CROP_NETWORKS,
    FRAME_SPLIT,
    INITIAL,
    NETWORKS,
    PRETRAININGS,
    asset_name,
)
from dance_models.skeleton import SKELETON_ID
from dance_models.tables import file_digest, write_text
from pipelines import previews
from pipelines.assets.dataset import test_split, train_split, val_split
from pipelines.checks.models import OUTCOME, network_checks
from pipelines.checks.motion_leak import refuse_shared_motion
from pipelines.execution.training_launcher import TrainingLauncher
from pipelines.settings import active_profile, network_settings
from pipelines.skip_rule import Inputs, Made, Result, inputs_digest, run_stage
from pipelines.storage.motion import motion_facts
from pipelines.storage.store import Store
from pipelines.tracking.lineage_record import CHECKPOINT_TAG, log_record
from pipelines.tracking.tracker import Tracker, flat_parameters, git_commit

CODE_VERSION: Final = "2"
HOW_TRAINED: Final = (
    "Trained on the training split, selected on validation, resumed exactly when it was "
    "interrupted; with `folds`, also on every grouped fold."
)


def splits_of(asset: str, config: Experiment) -> tuple[str, ...]:
    """The tables that a training reads: the test split is read by folds and by the leak alone."""
    if asset in PRETRAININGS:
        return ("pretraining_motion",)
    whole = config.folds or asset == asset_name(FRAME_SPLIT)
    return ("train_split", "val_split", *(["test_split"] if whole else []))


def training_inputs(asset: str, store: Store, config: Experiment, clip: str | None) -> Inputs:
    """The tables it reads, the network and the recipe; of a fine-tuned row, its first weights."""
    crops = ["person_crops"] if isinstance(config, HrnetExperiment) else []
    tables = {table: store.digest(table) for table in (*splits_of(asset, config), *crops)}
    first = {"initial": store.weights_digest(INITIAL[asset])} if asset in INITIAL else {}
    network = type(config.net).__name__
    return {"code": CODE_VERSION, **tables, **first, "config": config, "network": network}


def training_folder(store: Store, asset: str, config: Experiment) -> Path:
    """Where a training with these inputs keeps its checkpoints."""
    return store.model(asset) / inputs_digest(training_inputs(asset, store, config, None))[:12]


def initial_weights(store: Store, asset: str) -> dict[str, Any]:
    """The pre-training that a fine-tuned row starts from, as its ``current.json`` says.

    Raises InputError when it is not there, is of other motion than today's, or when that motion
    holds what is judged.
    """
    said = store.training(INITIAL[asset])
    if said["splits"]["pretraining_motion"] != store.digest("pretraining_motion"):
        raise InputError(
            f"{INITIAL[asset]} was trained on other motion than there is today",
            file=store.output(INITIAL[asset]),
            hint=f"Materialize {INITIAL[asset]} again",
        )
    refuse_shared_motion(store)
    return {"asset": INITIAL[asset], **said["best"], "motion": said["motion"]}


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
    context: dg.AssetExecutionContext, store: Store, asset: str, tables: Sequence[str]
) -> dict[str, str]:
    """Tags that lead from the MLflow run back to Dagster, the code and the data."""
    return {
        "dagster/run_id": context.run.run_id,
        "dagster/asset_key": asset,
        "git_commit": git_commit(),
        "skeleton": SKELETON_ID,
        **{f"data_version/{name}": store.digest(name) for name in tables},
    }


def _ancestors(asset: str, splits: Sequence[str]) -> Sequence[str]:
    """The tables that a training stands on, beside those it reads."""
    if asset in PRETRAININGS:
        return splits
    return (*splits, "split_manifest", *(["pretraining_motion"] if asset in INITIAL else []))


def train_network(
    context: dg.AssetExecutionContext,
    store: Store,
    launcher: TrainingLauncher,
    config: Experiment,
) -> Made:
    """Train in the launcher's process and record what came of it; goes on from where it was.

    Raises InputError when what it is to start from is not there, or is of motion that leaks.
    """
    from dance_models.training.checkpoint import experiment_to_plain

    asset = context.asset_key.to_user_string()
    splits = splits_of(asset, config)
    initial = initial_weights(store, asset) if asset in INITIAL else None
    if asset in PRETRAININGS:
        refuse_shared_motion(store)
    folder = training_folder(store, asset, config)
    runs = _runs_file(store, folder, splits)
    tracker = Tracker(store)
    run_id = tracker.open_run(
        folder, asset, _lineage(context, store, asset, _ancestors(asset, splits))
    )
    log_record(tracker, run_id)
    if not (folder / "last.pt").exists():  # a resumed run has its parameters already
        for key, value in flat_parameters(asdict(config)).items():
            tracker.client.log_param(run_id, key, value)
    job = {
        "asset": asset,
        "runs": str(runs),
        "folder": str(folder),
        "experiment": experiment_to_plain(config),
        "frame_split": asset == asset_name(FRAME_SPLIT),
        "crops": str(store.crops),
        "store": str(store.path),
        "run_id": run_id,
        "datasets": {
            split: {"path": str(store.table(split)), "version": store.digest(split)}
            for split in splits
        },
        "initial": str(store.path / initial["path"]) if initial else None,
    }
    try:
        result = launcher.launch(context, job)
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | dg.DagsterExecutionInterruptedError)
        status = "KILLED" if stopped else "FAILED"
        tracker.close_run(run_id, status)
        raise
    tracker.close_run(run_id, "FINISHED")
    return _record(store, tracker, asset, run_id, result, config, initial)


def _record(
    store: Store,
    tracker: Tracker,
    asset: str,
    run_id: str,
    result: Any,
    config: Experiment,
    initial: dict[str, Any] | None,
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
        "splits": {
            split: store.digest(split)
            for split in splits_of(asset, config)
            if split != "test_split"
        },
        **({"initial": initial} if initial else {}),
        **({"motion": motion_facts(store)} if asset in PRETRAININGS else {}),
    }
    tracker.client.set_tag(run_id, CHECKPOINT_TAG, result["best"]["sha256"])
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
    group = "pretraining" if name in INITIAL else group

    @dg.asset(
        name=name,
        deps=[
            *(train_split, val_split, test_split),
            *(["person_crops"] if method in CROP_NETWORKS else []),
            *([INITIAL[name]] if name in INITIAL else []),
        ],
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
            training_inputs(name, store, experiment, None),
            lambda: train_network(context, store, launcher, experiment),
            network_checks(name),
        )

    return network


# A graph of the networks that the active profile compares; the others have no asset in it.
ROWS: Final = active_profile().rows
network_assets = [network_asset(method) for method in ROWS]
