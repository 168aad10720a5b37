from pathlib import Path

import numpy as np
import pytest
from small_networks import one_run, small_forecaster, small_refiner

from dance_models.checkpoint import experiment_to_plain, save_checkpoint
from dance_models.config import (
    PredictionExperiment,
    RecognitionExperiment,
    TrainingConfig,
)
from dance_models.errors import InputError
from dance_models.inference.loading import load_forecaster, load_refiner
from dance_models.inference.refine import refine_runs


def test_checkpoints_load_only_as_their_own_kind_of_network(tmp_path: Path) -> None:
    training = TrainingConfig()
    refiner, forecaster = small_refiner(), small_forecaster()
    for name, model, experiment in (
        ("r.pt", refiner, RecognitionExperiment(refiner.config, training)),
        ("f.pt", forecaster, PredictionExperiment(forecaster.config, training)),
    ):
        state = {"model": model.state_dict(), "experiment": experiment_to_plain(experiment)}
        save_checkpoint(state, tmp_path / name)
    run = one_run()
    (expected,) = refine_runs(refiner, [run])
    np.testing.assert_array_equal(refine_runs(load_refiner(tmp_path / "r.pt"), [run])[0], expected)
    assert load_forecaster(tmp_path / "f.pt").config == forecaster.config
    with pytest.raises(InputError, match="not a recognition network"):
        load_refiner(tmp_path / "f.pt")
    with pytest.raises(InputError, match="not a prediction network"):
        load_forecaster(tmp_path / "r.pt")
