"""The networks, one stage each. Training runs in a separate process and resumes exactly.

A network is trained on the fixed split and, when its configuration says ``folds``, on every
grouped fold, from one or several seeds. All of it is one asset, one folder and one MLflow run, and
finished parts are kept.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import dagster as dg
import polars as pl

from dance_models.config import Experiment, HrnetExperiment, Profile
from dance_models.errors import DamagedFileError, InputError
from dance_models.rows import FRAME_SPLIT, ROW_OF_ASSET, ROW_OF_PRETRAINING, Row, Task
from dance_models.skeleton import DANCE_14
from dance_models.tables import read_note, write_text
from pipelines import previews
from pipelines.assets.dataset import SPLITS
from pipelines.checks.models import OUTCOME, network_checks
from pipelines.checks.motion_leak import MOTION, RENDERED, refuse_shared_motion
from pipelines.stage import Inputs, Metadata, Stage, StageContext
from pipelines.storage.motion import motion_facts
from pipelines.storage.store import TRAININGS, Store, making
from pipelines.tracking.kept_versions import keep_versions
from pipelines.tracking.lineage_record import CHECKPOINT_TAG, log_record
from pipelines.tracking.registry import PROFILE_TAG
from pipelines.tracking.tracker import DAGSTER_RUN_TAG, Tracker, flat_parameters, git_commit
from pipelines.training.finished import MODEL_IDS, forget_if_damaged, logged_files

# Recognition 3: sides that pass each other in a fast turn are no longer exchanged.
CODE_VERSION: Final[dict[Task, str]] = {"recognition": "3", "prediction": "2"}
RUNS: Final = "runs.npz"  # in the folder of a training: all that it reads
READ_TABLES: Final = "tables.json"  # in the folder of a training: the digests of what it reads
HOW_TRAINED: Final = (
    "Trained on the training split, selected on validation, resumed exactly when it was "
    "interrupted; with `folds`, also on every grouped fold."
)


def network_stage(row: Row) -> Stage:
    """The stage that trains the network of one row."""
    groups = {"headline": "training", "pretrained": "pretraining"}
    group = groups.get(row.kind, "ablations" if row.ablation else "baselines")
    return _training_stage(
        row.asset,
        row,
        group=group,
        deps=[
            *SPLITS,
            *(["person_crops"] if row.needs_crops else []),
            *([row.pretraining_asset] if row.pretraining_asset else []),
        ],
        config=lambda profile: profile.networks[row.id],
        checks=network_checks(row.asset),
        description=f"{row.description}\n\n{HOW_TRAINED}",
    )


def _training_stage(asset: str, row: Row, **declared: Any) -> Stage:
    """A stage that trains a row's network; ``declared`` is what differs between trainings."""

    @Stage(
        name=asset,
        inputs=lambda context: _inputs(asset, context),
        outputs=lambda store, clip: _training_files(store, asset),
        version=CODE_VERSION[row.task],
        pool="gpu",
        kinds={"pytorch", "mlflow"},
        op_tags={"dance/kind": "training"},
        **declared,
    )
    def network(context: StageContext[Experiment]) -> Metadata:
        return _train(asset, context)

    return network


def pretraining_stage(asset: str, row: Row, motion: Stage) -> Stage:
    """The stage that trains the network of a row on motion only, with the row's recipe."""
    return _training_stage(
        asset,
        row,
        group="pretraining",
        deps=[motion, *SPLITS],  # the splits are in the run's record of its data
        config=lambda profile: replace(profile.networks[row.id], folds=False),
        description=f"{row.description}\n\nTrained on motion alone, to be fine-tuned.",
    )


# --- what goes into a training ----------------------------------------------------------------


def _initial(asset: str) -> str | None:
    """The pre-training that a row starts from, None for random weights and for pre-trainings."""
    return ROW_OF_ASSET[asset].pretraining_asset if asset in ROW_OF_ASSET else None


def motion_table_of(pretraining: str, profile: Profile) -> str:
    """The table that a pre-training reads: rendered motion for recognition, where there is any."""
    rendered = profile.rendered.pieces > 0
    recognition = ROW_OF_PRETRAINING[pretraining].task == "recognition"
    return RENDERED if rendered and recognition else MOTION


def _splits(asset: str, context: StageContext[Experiment]) -> tuple[str, ...]:
    """Tables that a training reads: only folds and the frame split read the test split."""
    if asset not in ROW_OF_ASSET:
        return (motion_table_of(asset, context.profile),)
    whole = context.config.folds or asset == FRAME_SPLIT.asset
    return ("train_split", "val_split", *(["test_split"] if whole else []))


def _inputs(asset: str, context: StageContext[Experiment]) -> Inputs:
    """The tables it reads, the network and the recipe; of a fine-tuned row, its first weights."""
    store, config, initial = context.store, context.config, _initial(asset)
    crops = ["person_crops"] if isinstance(config, HrnetExperiment) else []
    tables = {table: store.digest(table) for table in (*_splits(asset, context), *crops)}
    first = {"initial": store.weights_digest(initial)} if initial else {}
    return {**tables, **first, "config": config, "network": type(config.net).__name__}


def _training_files(store: Store, asset: str) -> list[Path]:
    """Everything that a training writes: what it reads, notes, checkpoints, MLflow's copies."""
    note = store.model(asset) / "mlflow.json"
    checkpoints = list(store.checkpoints(asset))
    beside = [path.with_name(name) for path in checkpoints[:1] for name in (RUNS, OUTCOME)]
    try:
        logged = logged_files(store, read_note(note))
    except (DamagedFileError, LookupError):  # missing, or damaged: the note itself says that
        logged = []
    # Trainings of earlier versions have no outcome.
    return [note, *checkpoints, *(path for path in beside if path.is_file()), *logged]


def training_folder(store: Store, asset: str, digest: str) -> Path:
    """Where a training with inputs of this digest keeps its checkpoints."""
    return store.model(asset) / digest[:12]


def _tables_read(asset: str, context: StageContext[Experiment]) -> dict[str, str]:
    """The digests that a training depends on beside its configuration, by asset."""
    plain = _inputs(asset, context)
    initial = _initial(asset)
    tables = {name: value for name, value in plain.items() if isinstance(value, str)}
    kept = {name: value for name, value in tables.items() if name not in {"network", "initial"}}
    return {**kept, **({initial: str(plain["initial"])} if initial else {})}


def would_continue(store: Store, folder: Path) -> bool:
    """Whether the next training may go on in ``folder``: it is unfinished and its data are today's.

    One that has ended, and whose result nobody has taken, is unfinished: its starter was killed, or
    had no room to write. Of folders of earlier versions, which do not say what they read: whether
    it is unfinished.
    """
    if (folder / OUTCOME).is_file():  # the last thing that is written of a training
        return False
    try:
        read = json.loads((folder / READ_TABLES).read_text("utf-8"))
    except (OSError, ValueError):
        return True
    return all(
        digest == (store.weights_digest(name) if name in TRAININGS else store.digest(name))
        for name, digest in read.items()
    )


def _initial_weights(store: Store, pretraining: str, motion: str) -> dict[str, Any]:
    """The pre-training that a fine-tuned row starts from, as its ``current.json`` describes it.

    Raises InputError when it is missing, when it was trained on other motion than today's, or
    when that motion is in a clip that is evaluated.
    """
    trained = store.training(pretraining)
    if trained["splits"] != {motion: store.digest(motion)}:
        raise InputError(
            f"{pretraining} was trained on other motion than there is today",
            file=store.output(pretraining),
            hint=making(pretraining),
        )
    refuse_shared_motion(store, motion)
    return {"asset": pretraining, **trained["best"], "motion": trained["motion"]}


def _runs_file(store: Store, folder: Path, splits: Sequence[str]) -> Path:
    """The one file that the training reads; written only when it is missing or damaged."""
    from dance_models.data.assemble import pose_runs_from_rows
    from dance_models.data.pose_runs import is_whole, save_pose_runs

    path = folder / RUNS
    if not path.is_file() or not is_whole(path):
        folder.mkdir(parents=True, exist_ok=True)
        runs = pose_runs_from_rows(pl.concat([store.read(split) for split in splits]))
        save_pose_runs(runs, path)
    return path


def _lineage_tags(context: StageContext[Experiment], asset: str) -> dict[str, str]:
    """Tags that lead from the MLflow run back to Dagster, the code and the data."""
    tables, initial, commit = _splits(asset, context), _initial(asset), git_commit()
    if asset in ROW_OF_ASSET:
        motion = [motion_table_of(initial, context.profile)] if initial else []
        tables = (*tables, "split_manifest", *motion)
    return {
        DAGSTER_RUN_TAG: context.run.run.run_id,
        "dagster/asset_key": asset,
        PROFILE_TAG: context.profile.name,
        "git_commit": commit,
        # The names under which MLflow's UI shows what made a run.
        "mlflow.source.name": context.run.run.job_name,
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": commit.removesuffix("-dirty"),
        "skeleton": DANCE_14.id,
        **{f"data_version/{table}": context.store.digest(table) for table in tables},
    }


# --- training ---------------------------------------------------------------------------------


def _train(asset: str, context: StageContext[Experiment]) -> Metadata:
    """Train in the launcher's process and record the result; continues an interrupted training.

    Raises InputError when the weights to start from are missing, or are of motion that leaks.
    """
    from dance_models.checkpoint import experiment_to_plain

    store, splits = context.store, _splits(asset, context)
    initial = _starting_weights(asset, context)
    folder = training_folder(store, asset, context.digest)
    runs = _runs_file(store, folder, splits)
    write_text(folder / READ_TABLES, json.dumps(_tables_read(asset, context), indent=2) + "\n")
    forget_if_damaged(store, folder, OUTCOME)
    tracker = Tracker(store)
    new_run = tracker.opened_run(folder) is None
    run_id = tracker.open_run(folder, asset, _lineage_tags(context, asset))
    keep_versions(store, log_record(tracker, run_id))
    if new_run or not (folder / "last.pt").exists():  # a resumed run has its parameters already
        for key, value in flat_parameters(asdict(context.config)).items():
            tracker.client.log_param(run_id, key, value)
    job = {
        "asset": asset,
        "runs": str(runs),
        "folder": str(folder),
        "experiment": experiment_to_plain(context.config),
        "frame_split": asset == FRAME_SPLIT.asset,
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
        result = context.run.resources.launcher.launch(context.run, job)
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | dg.DagsterExecutionInterruptedError)
        tracker.close_run(run_id, "KILLED" if stopped else "FAILED")
        raise
    tracker.close_run(run_id, "FINISHED")
    _write_current(context, asset, result, initial)
    _write_notes(context, tracker, asset, run_id, result)
    return _metadata(tracker, asset, run_id, result)


def _starting_weights(asset: str, context: StageContext[Experiment]) -> dict[str, Any] | None:
    """What a fine-tuned row starts from, None for random weights.

    Raises InputError when it is missing, or when the motion of a pre-training leaks.
    """
    pretraining = _initial(asset)
    if pretraining:
        motion = motion_table_of(pretraining, context.profile)
        return _initial_weights(context.store, pretraining, motion)
    if asset not in ROW_OF_ASSET:
        refuse_shared_motion(context.store, _splits(asset, context)[0])
    return None


def _write_current(
    context: StageContext[Experiment],
    asset: str,
    result: Mapping[str, Any],
    initial: Mapping[str, Any] | None,
) -> None:
    """Point ``current.json`` at the new checkpoints."""
    store, config = context.store, context.config

    def located(file: Mapping[str, str]) -> dict[str, str]:
        return {"path": store.relative(store.path / file["path"]), "sha256": file["sha256"]}

    splits = [split for split in _splits(asset, context) if split != "test_split"]
    first, *others = result["folds"] or [[]]
    further = [[located(file) for file in seed] for seed in others]
    current = {
        "best": located(result["best"]),
        "last": located(result["last"]),
        "folds": [located(file) for file in first],
        **({"fold_seeds": further} if further else {}),
        "plateau": result["plateau"],
        "learning_rates": result["learning_rates"],
        "config": asdict(config),
        "splits": {split: store.digest(split) for split in splits},
        **({"initial": initial} if initial else {}),
        **({} if asset in ROW_OF_ASSET else {"motion": motion_facts(store, splits[0])}),
    }
    write_text(store.output(asset), json.dumps(current, indent=2, sort_keys=True) + "\n")


def _write_notes(
    context: StageContext[Experiment],
    tracker: Tracker,
    asset: str,
    run_id: str,
    result: Mapping[str, Any],
) -> None:
    """Write the run's id, separately so that it is in no digest, and values for the checks."""
    tracker.client.set_tag(run_id, CHECKPOINT_TAG, result["best"]["sha256"])
    ids = {"run_id": run_id, **{name: result[name] for name in MODEL_IDS if name in result}}
    write_text(context.store.model(asset) / "mlflow.json", json.dumps(ids, indent=2) + "\n")
    outcome = {"history": result["history"], "export_difference": result["export_difference"]}
    best = context.store.path / result["best"]["path"]
    write_text(best.with_name(OUTCOME), json.dumps(outcome, indent=2) + "\n")


def _metadata(tracker: Tracker, asset: str, run_id: str, result: Mapping[str, Any]) -> Metadata:
    from dance_models.render.plots import loss_curve

    history = result["history"]
    return {
        "mlflow_run": dg.MetadataValue.url(tracker.run_url(run_id)),
        "mlflow_run_id": run_id,
        "mlflow_model_id": result["model_id"],
        "best_epoch": result["best_epoch"],
        "best_validation_score": float(result["best_score"]),
        "loss_curve": previews.picture(
            tracker.store, asset, "loss_curve", loss_curve(history), f"loss of {asset}"
        ),
        "history": previews.records(pl.DataFrame(history), limit=100),
    }
