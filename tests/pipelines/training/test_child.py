"""What the training process trains, and writes to MLflow beside the metrics."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import polars as pl
import pytest
from filelock import FileLock, Timeout
from registry_case import ASSET, Case
from waiting import stop_waiting_for_locks, waits_for_locks

from dance_models.checkpoint import experiment_to_plain
from dance_models.data.pose_runs import save_pose_runs
from dance_models.errors import InputError
from dance_models.profiles import PROFILES
from dance_models.training import experiments
from dance_models.training.experiments import Wanted
from dance_models.training.loop import EpochRecord, TrainingResult
from dance_models.training.synthetic import synthetic_runs
from pipelines.storage.store import Store
from pipelines.training import child
from pipelines.training.child import DATASETS_LOCK, _log_datasets, _outcome_parameters
from pipelines.training.child_error import error_of


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


def test_every_fold_is_trained_from_every_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fixed split has the first seed alone; names in MLflow have the seed before the fold."""
    runs = [replace(run, fold=i % 3) for i, run in enumerate(synthetic_runs(6, 20))]
    save_pose_runs(runs, tmp_path / "runs.npz")
    experiment = replace(PROFILES["smoke"].networks["stga_net.no_b"], folds=True)
    assert experiment.seeds == 3
    trained: list[tuple[str, int, int]] = []
    logged: list[str | None] = []

    def train_one(wanted: Wanted, on_epoch: Any, **_: Any) -> str:
        place = wanted.folder.relative_to(tmp_path).as_posix()
        trained.append((place, wanted.experiment.training.seed, len(wanted.runs)))
        on_epoch(None)
        return place

    monkeypatch.setattr(experiments, "train_experiment", train_one)
    job = {
        "runs": str(tmp_path / "runs.npz"),
        "experiment": experiment_to_plain(experiment),
        "frame_split": False, "crops": "", "initial": None,
    }  # fmt: skip
    best, folds = child._train(job, tmp_path, lambda name, record: logged.append(name))
    assert best == "."
    assert folds == [
        [f"{seed}fold_{k}" for k in range(3)] for seed in ("", "seed_1/", "seed_2/")
    ]  # fmt: skip
    assert [seed for _, seed, _ in trained] == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert {count for _, _, count in trained[1:]} == {4}
    assert logged[0] is None and logged[1] == "fold_0" and logged[-1] == "seed_2.fold_2"
    job["experiment"] = experiment_to_plain(replace(experiment, folds=False))
    assert child._train(job, tmp_path, lambda name, record: None) == (".", [])


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


@pytest.mark.parametrize(
    ("error", "raised"),
    [(InputError("too few clips", hint="Add some"), SystemExit), (RuntimeError("?"), RuntimeError)],
)
def test_an_error_that_says_what_to_do_leaves_no_trace_in_the_terminal(
    error: Exception, raised: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training writes to the terminal of the command, where errors are one line."""

    def run(*arguments: object) -> None:
        raise error

    job = {"folder": str(tmp_path)}
    monkeypatch.setattr(
        child, "open_dagster_pipes", lambda: nullcontext(SimpleNamespace(extras=job))
    )
    for name in ("stop_on_signals", "end_with_starter"):
        monkeypatch.setattr(child, name, lambda *arguments: None)
    monkeypatch.setattr(child, "run", run)
    with pytest.raises(raised) as found:
        child.main()
    assert not isinstance(found.value, SystemExit) or found.value.code == 1
    assert str(error) in str(error_of(tmp_path, RuntimeError("code 1")))


def test_an_epoch_whose_process_was_killed_before_its_metrics_is_logged_later(case: Case) -> None:
    """A kill between the checkpoint of the second epoch and its metrics, or amid these."""
    tracker, folder = case.tracker, case.store.model("unfinished")
    folder.mkdir(parents=True)
    run_id = tracker.open_run(folder, "unfinished", {})
    history = _result([3.0, 2.0, 1.0], {}).history
    names = list(history[0].metrics())
    for record in (history[0], history[2]):
        metrics = {f"fold_1.{name}": value for name, value in record.metrics().items()}
        tracker.log_metrics(run_id, metrics, step=record.epoch)
    tracker.log_metrics(run_id, {"fold_1.epoch": 2.0}, step=2)
    child._log_lacking(tracker, run_id, "fold_1.", history)
    child._log_lacking(tracker, run_id, "", [])
    for name in names:
        logged = tracker.client.get_metric_history(run_id, f"fold_1.{name}")
        assert {metric.step: metric.value for metric in logged} == {
            record.epoch: record.metrics()[name] for record in history
        }
        assert len(logged) == len(history)  # none a second time


def test_a_training_waits_for_mlflows_database(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a process of its own, and failed when another program held the database for 5 s."""

    def log_datasets(job: object) -> None:
        assert waits_for_locks()
        raise StopIteration

    monkeypatch.setattr(child, "_log_datasets", log_datasets)
    folder = case.store.model(ASSET) / "unfinished"
    folder.mkdir(parents=True)
    job = {"run_id": case.tracker.open_run(folder, "unfinished", {})}
    stop_waiting_for_locks()
    pipes: Any = None
    with pytest.raises(StopIteration):
        child._train_and_log(pipes, job, case.store, folder)
