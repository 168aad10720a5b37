"""What the training process writes to MLflow beside the metrics."""

from pathlib import Path

import mlflow
import polars as pl
import pytest
from filelock import FileLock, Timeout

from pipelines.storage.store import Store
from pipelines.training.child import DATASETS_LOCK, _log_datasets


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
