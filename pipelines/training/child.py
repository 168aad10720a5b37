"""The training process that Dagster Pipes starts: ``python -m pipelines.training.child``.

Bridges ``dance_models.training`` (which knows neither tool) to Dagster's log and to MLflow. What
it needs comes as Pipes extras: runs, crops, folder, experiment, frame_split, store, run_id,
datasets, initial.
"""

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dagster_pipes import PipesContext, open_dagster_pipes

from dance_models.checkpoint import experiment_from_plain
from dance_models.config import Experiment
from dance_models.data.pose_runs import PoseRun, load_pose_runs
from dance_models.errors import input_error_of
from dance_models.processes import end_with_starter
from dance_models.tables import file_digest, read_table
from dance_models.training.loop import EpochRecord, TrainingResult
from dance_models.training.resume import discard_damaged
from pipelines.processes import EXIT_INTERRUPTED, TRAINING_STOP_S, stop_on_signals
from pipelines.storage.databases import wait_for_locks
from pipelines.storage.locks import owned
from pipelines.storage.store import Store
from pipelines.tracking.pixel_models import log_pixel_model
from pipelines.tracking.registry import task_of_candidate
from pipelines.tracking.tracker import EXAMPLE, Tracker, short_digest
from pipelines.training.child_error import write_error
from pipelines.training.finished import MODEL_ID, PIXEL_MODEL_ID, finished_result, write_result

if TYPE_CHECKING:
    from dance_models.training.experiments import Wanted

EXIT_FAILED: Final = 1
FIXED: Final = "fixed_split"
DATASETS_LOCK: Final = ".datasets.lock"
# Only a training whose parent was killed still holds the lock on its folder: it is about to end.
FOLDER_WAIT_S: Final = 300.0
OnEpoch = Callable[[str | None, EpochRecord], None]  # seed and fold, or None, and the epoch


def _train(
    job: dict[str, Any], folder: Path, on_epoch: OnEpoch
) -> tuple[TrainingResult, list[list[TrainingResult]]]:
    """The training on the fixed split and, with folds, for each seed those on every fold."""
    from dance_models.training.experiments import train_experiments

    experiment = experiment_from_plain(job["experiment"])
    wanted = _wanted(load_pose_runs(Path(job["runs"])), experiment, folder, job["frame_split"])
    places = [one.folder.relative_to(folder).as_posix() for one in wanted]
    names = [None if place == "." else place.replace("/", ".") for place in places]
    crops, initial = Path(job["crops"]), Path(job["initial"]) if job["initial"] else None

    def told(place: int, record: EpochRecord) -> None:
        on_epoch(names[place], record)

    fixed, *folds = train_experiments(wanted, told, crops=crops, initial=initial)
    count = len(folds) // experiment.seeds
    return fixed, [folds[i : i + count] for i in range(0, len(folds), max(1, count))]


def _wanted(
    runs: list[PoseRun], experiment: Experiment, folder: Path, leaking: bool
) -> list["Wanted"]:
    """The fixed split from the first seed, in ``folder``; with folds, for each seed every fold."""
    from dance_models.data.folds import fold_count
    from dance_models.data.frame_split import leaking_runs
    from dance_models.training.experiments import Wanted, on_folds

    if leaking:
        runs = leaking_runs(runs)
    # The fixed split's test clips are there for the folds alone.
    fixed = Wanted([run for run in runs if run.split != "test"], experiment, folder)
    if not experiment.folds:
        return [fixed]
    seeds, folds = experiment.seeds, fold_count(runs)
    return [fixed, *on_folds(runs, experiment, folder, seeds=seeds, folds=folds)]


def _log_model(
    job: dict[str, Any], result: TrainingResult, runs: Sequence[PoseRun]
) -> dict[str, str]:
    """Log the best weights as a pt2 model with signature, and both checkpoints as artifacts.

    The example request is of the ``runs``. A network that may be registered is logged a second
    time, as a model that takes pixels. Returns the ids of the models by ``MODEL_IDS``.
    """
    import mlflow
    import mlflow.data.meta_dataset
    from mlflow.models import infer_signature

    from dance_models.export.example import real_example
    from dance_models.export.program import exportable

    module, example = exportable(result.best)
    real = real_example(result.best, runs, Path(job["crops"]))
    if real is not None:  # else no run holds a whole window: its shape alone is shown
        module, example = real.network, real.inputs
        mlflow.log_dict(real.facts(), EXAMPLE)
    output = module(example).detach().numpy()
    mlflow.log_artifact(str(result.best), "checkpoints")
    mlflow.log_artifact(str(result.last), "checkpoints")
    info = mlflow.pytorch.log_model(
        module,
        name=job["asset"],
        input_example=example.numpy(),
        signature=infer_signature(example.numpy(), output),
        pip_requirements=["torch==2.13.0", "numpy"],
        # It would load the program and only warn; export_difference loads it, and compares values.
        validate_serving_input=False,
    )
    task = task_of_candidate(job["asset"])
    ids = {MODEL_ID: str(info.model_id)}
    if task is not None:
        ids[PIXEL_MODEL_ID] = log_pixel_model(job["asset"], result.best, runs, task)
    return ids


def _export_difference(result: TrainingResult, model_id: str) -> float:
    """Of the program that was just logged. Computed here, where torch is already loaded."""
    import mlflow

    from dance_models.quality.models import export_difference

    logged = Path(mlflow.artifacts.download_artifacts(f"models:/{model_id}"))
    return export_difference(result.best, logged / "data" / "model.pt2")


def _log_datasets(job: dict[str, Any]) -> None:
    import mlflow

    contexts = {
        "train_split": "training",
        "val_split": "validation",
        "pretraining_motion": "pre-training",
        "rendered_motion": "pre-training",
    }
    for split, context in contexts.items():
        if split not in job["datasets"]:
            continue
        source = job["datasets"][split]
        frame = read_table(Path(source["path"]), columns=["clip", "frame", "style"])
        dataset = mlflow.data.from_polars(
            frame, source=source["path"], name=split, digest=short_digest(source["version"])
        )
        # If two trainings log the same data set at once, MLflow's second insert fails.
        store = Store(root=job["store"])
        with store.database_lock(store.mlflow / DATASETS_LOCK):
            mlflow.log_input(dataset, context=context)


def run(pipes: PipesContext, job: dict[str, Any]) -> None:
    """Train, log to MLflow, report the result through Pipes.

    Under a lock on the training folder, which this process takes itself: it may outlive the one
    that started it. A training that ended in the meantime is reported as it is. Raises InputError
    when another process trains in the folder for longer than ``FOLDER_WAIT_S``.
    """
    warnings.filterwarnings("ignore", module="mlflow.data")
    # Views that a recurrent layer keeps of its weights; the program holds the weights themselves.
    warnings.filterwarnings("ignore", message="The tensor attributes .*_flat_weights")
    warnings.filterwarnings("ignore", message="No complete tensor found in the group")

    store, folder = Store(root=job["store"]), Path(job["folder"])
    what = f"the training folder {store.relative(folder)}"
    with owned(store.training_lock(folder), what, pipes.log.warning, FOLDER_WAIT_S):
        result = finished_result(store, folder)
        if result is None:
            for line in discard_damaged(folder):
                pipes.log.warning(line)
            result = _train_and_log(pipes, job, store, folder)
            write_result(store, folder, job["run_id"], result)
    pipes.report_custom_message(result)


def _train_and_log(
    pipes: PipesContext, job: dict[str, Any], store: Store, folder: Path
) -> dict[str, Any]:
    """Train and log to MLflow; what the parent process is told."""
    import mlflow

    wait_for_locks()  # MLflow's own functions open the database, too
    tracker = Tracker(store)
    mlflow.set_tracking_uri(store.tracking_uri)
    logged: set[tuple[str | None, int]] = set()

    def log_epoch(fold: str | None, record: EpochRecord) -> None:
        pipes.log.info(f"{fold or 'fixed split'}: {record.line()}")
        metrics = {_prefix(fold) + name: value for name, value in record.metrics().items()}
        tracker.log_metrics(job["run_id"], metrics, step=record.epoch)
        logged.add((fold, record.epoch))

    with mlflow.start_run(run_id=job["run_id"], log_system_metrics=True):
        _log_datasets(job)
        result, folds = _train(job, folder, log_epoch)
        parts = {FIXED: result, **_named_folds(folds)}
        for name, part in parts.items():
            fold = None if name == FIXED else name
            earlier = [record for record in part.history if (fold, record.epoch) not in logged]
            _log_lacking(tracker, job["run_id"], _prefix(fold), earlier)
        mlflow.log_params(_outcome_parameters(parts))
        pipes.log.info(f"Best epoch {result.best_epoch}; logging the model to MLflow.")
        ids = _log_model(job, result, load_pose_runs(Path(job["runs"])))
        difference = _export_difference(result, ids[MODEL_ID])
    return {
        **ids,
        "export_difference": difference,
        "best": _located(store, result.best),
        "last": _located(store, result.last),
        "folds": [[_located(store, fold.best) for fold in seed] for seed in folds],
        "best_epoch": result.best_epoch,
        "best_score": result.best_score,
        "history": [record.metrics() for record in result.history],
        "plateau": {name: part.plateau for name, part in parts.items()},
        "learning_rates": {name: list(part.rates.items()) for name, part in parts.items()},
    }


def _prefix(fold: str | None) -> str:
    """How the names of the metrics of a fold begin; those of the fixed split have no prefix."""
    return f"{fold}." if fold else ""


def _log_lacking(
    tracker: Tracker, run_id: str, prefix: str, earlier: Sequence[EpochRecord]
) -> None:
    """Log of epochs that this process did not train what the run lacks.

    A run that is opened anew lacks all of them, and a process that was killed after it saved an
    epoch leaves that epoch without metrics, or with some of them.
    """
    for name in earlier[0].metrics() if earlier else ():
        there = tracker.logged_steps(run_id, prefix + name)
        for record in earlier:
            if record.epoch not in there:
                value = record.metrics()[name]
                tracker.log_metrics(run_id, {prefix + name: value}, step=record.epoch)


def _named_folds(folds: list[list[TrainingResult]]) -> dict[str, TrainingResult]:
    """The trainings on folds, the first seed's first, by the names that MLflow has them under."""
    return {
        f"{f'seed_{seed}.' if seed else ''}fold_{k}": fold
        for seed, of_seed in enumerate(folds)
        for k, fold in enumerate(of_seed)
    }


def _outcome_parameters(parts: Mapping[str, TrainingResult]) -> dict[str, str]:
    """What the trainings decided or turned out to be: they stand beside the configuration."""
    found = {"reached_plateau": str(all(part.plateau for part in parts.values()))}
    for name, part in parts.items():
        if part.chosen_rate is not None:
            found[f"chosen_learning_rate.{name}"] = f"{part.chosen_rate:g}"
    return found


def _located(store: Store, path: Path) -> dict[str, str]:
    return {"path": store.relative(path), "sha256": file_digest(path)}


def main() -> None:
    """Entry point of the child process."""
    stop_on_signals(lambda text: None, TRAINING_STOP_S)
    end_with_starter(TRAINING_STOP_S)
    try:
        with open_dagster_pipes() as pipes:
            job = dict(pipes.extras)
            try:
                run(pipes, job)
            except Exception as error:
                write_error(Path(job["folder"]), error)
                raise
    except KeyboardInterrupt:  # its epochs are saved; a traceback would hide that message
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        # What is wrong and what to do is said by who started it; the trace is in the run's log.
        if input_error_of(error) is None:
            raise
        sys.exit(EXIT_FAILED)


if __name__ == "__main__":
    main()
