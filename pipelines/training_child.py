"""The training process that Dagster Pipes starts: ``python -m pipelines.training_child``.

Bridges ``dance_models.training`` (which knows neither tool) to Dagster's log and to MLflow. What
it needs comes as Pipes extras: task, runs, folder, config, store, run_id, datasets.
"""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dagster_pipes import PipesContext, open_dagster_pipes

from dance_models.config import RecognitionExperiment
from dance_models.data.pose_runs import load_pose_runs
from dance_models.tables import file_digest
from dance_models.training.checkpoint import experiment_from_plain
from dance_models.training.loop import EpochRecord, TrainingResult
from pipelines.store import Store
from pipelines.tracking import Tracker, short_digest


def _train(
    job: dict[str, Any], folder: Path, on_epoch: Callable[[EpochRecord], None]
) -> TrainingResult:
    from dance_models.training.prediction import train_prediction
    from dance_models.training.recognition import train_recognition

    runs = load_pose_runs(Path(job["runs"]))
    experiment = experiment_from_plain({"task": job["task"], **job["config"]})
    if isinstance(experiment, RecognitionExperiment):
        return train_recognition(runs, experiment.net, experiment.training, folder, on_epoch)
    return train_prediction(runs, experiment.net, experiment.training, folder, on_epoch)


def _log_model(job: dict[str, Any], result: TrainingResult) -> str:
    """Log the best weights as a pt2 model with signature, and both checkpoints as artifacts."""
    import mlflow
    import mlflow.data.meta_dataset
    from mlflow.models import infer_signature

    from dance_models.export.program import exportable

    module, example = exportable(result.best)
    output = module(example).detach().numpy()
    mlflow.log_artifact(str(result.best), "checkpoints")
    mlflow.log_artifact(str(result.last), "checkpoints")
    info = mlflow.pytorch.log_model(
        module,
        name=job["asset"],
        input_example=example.numpy(),
        signature=infer_signature(example.numpy(), output),
        pip_requirements=["torch==2.13.0", "numpy"],
    )
    return str(info.model_id)


def _log_datasets(job: dict[str, Any]) -> None:
    import mlflow
    import polars as pl

    for split, context in (("train_split", "training"), ("val_split", "validation")):
        source = job["datasets"][split]
        frame = pl.read_parquet(source["path"], columns=["clip", "frame", "style"])
        dataset = mlflow.data.from_polars(
            frame, source=source["path"], name=split, digest=short_digest(source["version"])
        )
        mlflow.log_input(dataset, context=context)


def run(pipes: PipesContext, job: dict[str, Any]) -> None:
    """Train, log to MLflow, report the result through Pipes."""
    import mlflow

    # Its notes on monitors and sources would bury the epochs in Dagster's log.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="mlflow.data")

    store = Store(root=job["store"])
    tracker = Tracker(store)
    folder = Path(job["folder"])
    mlflow.set_tracking_uri(store.tracking_uri)

    def on_epoch(record: EpochRecord) -> None:
        pipes.log.info(record.line())
        tracker.log_metrics(job["run_id"], record.metrics(), step=record.epoch)

    with mlflow.start_run(run_id=job["run_id"], log_system_metrics=True):
        _log_datasets(job)
        result = _train(job, folder, on_epoch)
        pipes.log.info(f"Best epoch {result.best_epoch}; logging the model to MLflow.")
        model_id = _log_model(job, result)
    pipes.report_custom_message(
        {
            "model_id": model_id,
            "best": {"path": str(result.best), "sha256": file_digest(result.best)},
            "last": {"path": str(result.last), "sha256": file_digest(result.last)},
            "best_epoch": result.best_epoch,
            "best_score": result.best_score,
            "history": [record.metrics() for record in result.history],
        }
    )


def main() -> None:
    """Entry point of the child process."""
    with open_dagster_pipes() as pipes:
        run(pipes, dict(pipes.extras))


if __name__ == "__main__":
    main()
