"""Logged models: read in place, loaded without pickle, identified by their digest."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from mlflow.exceptions import MlflowException
from registry_case import ASSET, Case, gate, make_case

from dance_models.inference.loading import load_forecaster
from dance_models.serving.tracks import forecast_given
from dance_models.tables import file_digest
from dance_models.training.loop import TrainingResult
from dance_models.training.synthetic import synthetic_runs
from pipelines.tracking.model_digest import model_digest
from pipelines.tracking.pixel_models import PIXEL_MODEL_TAG
from pipelines.tracking.promotion_gate import PROMOTED, run_gate
from pipelines.tracking.tracker import MLFLOW_ENVIRONMENT, Tracker
from pipelines.training.child import _log_model
from pipelines.training.finished import MODEL_ID


@pytest.fixture(scope="module")
def restricted() -> Iterator[None]:
    """The environment that training processes get."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in MLFLOW_ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def logged(
    restricted: None, registry_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Case, str]:
    """A store with a training whose model was logged, for tests that add to it; the model's id."""
    folder = tmp_path_factory.mktemp("logged") / "store"
    shutil.copytree(registry_template, folder)
    case = make_case(folder)
    case.tracker.initialise()
    return case, _log_as_a_training_does(case)


def _log_as_a_training_does(case: Case) -> str:
    run_id = case.train("first")
    best = case.tracker.artifact(run_id, "checkpoints/best.pt")
    mlflow.set_tracking_uri(case.store.tracking_uri)
    with mlflow.start_run(run_id=run_id):
        job = {"asset": ASSET, "crops": str(case.store.crops)}
        return _log_model(job, TrainingResult(best, best, []), synthetic_runs(2, 60))[MODEL_ID]


@pytest.mark.slow
@pytest.mark.xdist_group("model_files")
def test_a_version_loads_without_pickle(logged: tuple[Case, str]) -> None:
    case, model_id = logged
    number = case.registry.register(case.store.run_id(ASSET), model_id, {})
    model = mlflow.pyfunc.load_model(f"models:/{case.registry.name}/{number}")
    assert np.shape(model.predict(np.zeros((2, 27, 14, 2), np.float32))) == (2, 10, 14, 2)
    assert (case.tracker.model_folder(model_id) / "data" / "model.pt2").is_file()


@pytest.mark.slow
@pytest.mark.xdist_group("model_files")
def test_a_training_logs_a_model_that_takes_pixels(logged: tuple[Case, str]) -> None:
    """Without pickle; it answers its own example, and says what is wrong with other tables."""
    case, _ = logged
    mlflow.set_tracking_uri(case.store.tracking_uri)
    run = case.tracker.client.get_run(case.store.run_id(ASSET))
    model = mlflow.pyfunc.load_model(f"models:/{run.data.tags[PIXEL_MODEL_TAG]}")
    table = model.input_example
    forecast = model.predict(table)
    assert forecast["ahead_ms"].tolist() == list(range(40, 401, 40))
    best = case.tracker.artifact(run.info.run_id, "checkpoints/best.pt")
    track = synthetic_runs(2, 60)[0]
    given = forecast_given(load_forecaster(best), track)
    np.testing.assert_allclose(
        forecast.iloc[:, 1:].to_numpy().reshape(10, 14, 2), given.poses, atol=0.01
    )
    with pytest.raises(MlflowException, match="neck_x"):
        model.predict(table.drop(columns="neck_x"))


@pytest.mark.slow
@pytest.mark.usefixtures("restricted")
def test_a_pickled_model_does_not_load(tmp_path: Path) -> None:
    mlflow.pytorch.save_model(
        torch.nn.Linear(2, 2), tmp_path / "model", serialization_format="pickle"
    )
    with pytest.raises(MlflowException, match="pickle is disallowed"):
        mlflow.pytorch.load_model(str(tmp_path / "model"))


def test_tracking_does_not_change_the_environment(case: Case) -> None:
    model_id = _model_id(case)
    before = dict(os.environ)
    tracker = Tracker(case.store)
    tracker.initialise()
    assert "float32" in tracker.signature(model_id)
    assert dict(os.environ) == before


def test_another_store_in_the_same_process_does_not_matter(case: Case, tmp_path: Path) -> None:
    """MLflow has one store per process; the gate uses the store that it is given."""
    case.train("first")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'other.db'}")
    assert run_gate(case.store, "prediction", "stga_net", gate()).state == PROMOTED
    assert not (tmp_path / "other.db").exists()


def test_the_digest_does_not_depend_on_who_loaded_the_model(case: Case) -> None:
    """MLflow records in the folder the name by which a model was loaded."""
    model_id = _model_id(case)
    folder = case.tracker.model_folder(model_id)
    digest = model_digest(folder)
    mlflow.set_tracking_uri(case.store.tracking_uri)
    assert mlflow.artifacts.download_artifacts(f"models:/{model_id}") == str(folder)
    assert model_digest(folder) == digest
    assert digest == _digest_of_all_files(folder), "the digest of versions registered before"
    case.registry.register(case.store.run_id(ASSET), model_id, {})
    mlflow.artifacts.download_artifacts(f"models:/{case.registry.name}/1")
    assert "model_version: '1'" in (folder / "registered_model_meta").read_text()
    assert model_digest(folder) == digest
    (folder / "more").write_text("x")
    assert model_digest(folder) != digest


def test_a_missing_model_folder_is_an_error(case: Case) -> None:
    model_id = _model_id(case)
    case.tracker.model_folder(model_id).rename(case.store.path / "elsewhere")
    with pytest.raises(FileNotFoundError):
        case.tracker.model_folder(model_id)


def _model_id(case: Case) -> str:
    run_id = case.train("first")
    found = case.tracker.client.search_logged_models([case.tracker.initialise()])
    return next(str(model.model_id) for model in found if model.source_run_id == run_id)


def _digest_of_all_files(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(f"{path.relative_to(folder).as_posix()} {file_digest(path)}\n".encode())
    return total.hexdigest()
