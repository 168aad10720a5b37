"""What the training process writes to MLflow beside the metrics."""

from pathlib import Path

import mlflow
import polars as pl
import pytest
from filelock import FileLock, Timeout

from dance_models.training.loop import EpochRecord, TrainingResult
from pipelines.storage.store import Store
from pipelines.training.child import DATASETS_LOCK, _log_datasets, _outcome_parameters


def test_only_one_training_at_a_time_logs_its_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow looks a data set up and inserts a new one: two processes at once would both insert."""
    store = Store(root=str(tmp_path)).initialise()
    table = tmp_path / "split.parquet"
    pl.DataFrame({"clip": ["a"], "frame": [0], "style": ["ballet"]}).write_parquet(table)
    noted = []

    def log_input(dataset: object, context: str) -> None:
        with pytest.raises(Timeout):
            FileLock(store.mlflow / DATASETS_LOCK).acquire(blocking=False)
        noted.append(context)

    monkeypatch.setattr(mlflow, "log_input", log_input)
    known = {"path": str(table), "version": "0" * 64}
    _log_datasets(
        {"store": str(store.path), "datasets": {"train_split": known, "val_split": known}}
    )
    assert noted == ["training", "validation"]


def _result(scores: list[float], rates: dict[float, float]) -> TrainingResult:
    history = [EpochRecord(i + 1, 1.0, score, 0.1, 1.0, {}) for i, score in enumerate(scores)]
    return TrainingResult(Path("best.pt"), Path("last.pt"), history, rates)


def test_the_chosen_rates_and_the_plateau_stand_beside_the_parameters() -> None:
    flat, falling = [3.0, 2.0, 1.0, 1.0, 1.0], [5.0, 4.0, 3.0, 2.0, 1.0]
    parts = {"fixed_split": _result(flat, {0.01: 2.0, 0.001: 1.5}), "fold_0": _result(flat, {})}
    assert _outcome_parameters(parts) == {
        "reached_plateau": "True",
        "chosen_learning_rate.fixed_split": "0.001",
    }
    parts["fold_0"] = _result(falling, {})
    assert _outcome_parameters(parts)["reached_plateau"] == "False"
