"""Trainings of folds and seeds: together on a GPU, one after the other elsewhere."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dance_models.config import (
    HbrnnConfig,
    HrnetConfig,
    HrnetExperiment,
    PredictionExperiment,
    RecognitionExperiment,
    SimlpeConfig,
    StgaNetConfig,
    TrainingConfig,
)
from dance_models.data.folds import fold_runs
from dance_models.errors import InputError
from dance_models.training import experiments
from dance_models.training.experiments import Wanted, train_experiment, train_experiments
from dance_models.training.synthetic import synthetic_runs

SHORT = TrainingConfig(epochs=1, steps_per_epoch=2, batch_size=4, warmup_steps=0)
FORECASTER = PredictionExperiment(StgaNetConfig(channels=4, hidden=8, dropout=0.0), SHORT)


def _wanted(experiment: Any, folder: Path) -> list[Wanted]:
    runs = synthetic_runs(5, 50)
    return [Wanted(fold_runs(runs, fold), experiment, folder / str(fold)) for fold in range(2)]


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The choice that is made on a GPU; the numbers of trainings that went together."""
    stacks: list[int] = []
    real = experiments.train_stacked

    def counted(trainings: Any, on_epoch: Any = None) -> Any:
        stacks.append(len(trainings))
        return real(trainings, on_epoch)

    monkeypatch.setattr(experiments, "choose_device", lambda config: torch.device("cuda"))
    monkeypatch.setattr(experiments, "train_stacked", counted)
    return stacks


def test_on_a_cpu_each_is_trained_when_it_is_asked_for(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = train_experiments(
        _wanted(FORECASTER, tmp_path), lambda place, record: seen.append((place, record.epoch))
    )
    assert next(found).best == tmp_path / "0" / "best.pt"
    assert seen == [(0, 1)]
    assert next(found).best == tmp_path / "1" / "best.pt"
    assert seen == [(0, 1), (1, 1)]


def test_on_a_gpu_they_step_as_one(tmp_path: Path, as_on_a_gpu: list[int]) -> None:
    """From the same initial weights, in the same folders, with the same epochs told."""
    first = train_experiment(_wanted(FORECASTER, tmp_path / "first")[0])
    seen: list[tuple[int, int]] = []
    found = list(
        train_experiments(
            _wanted(FORECASTER, tmp_path / "together"),
            lambda place, record: seen.append((place, record.epoch)),
            initial=first.best,
        )
    )
    assert as_on_a_gpu == [2]
    assert seen == [(0, 1), (1, 1)]
    for one, result in zip(_wanted(FORECASTER, tmp_path / "alone"), found, strict=True):
        alone = train_experiment(one, initial=first.best)
        assert result.best_score == pytest.approx(alone.best_score, rel=1e-3)
        assert result.best == tmp_path / "together" / one.folder.name / "best.pt"


@pytest.mark.parametrize(
    "experiment",
    [
        replace(FORECASTER, training=replace(SHORT, stacked=False)),
        RecognitionExperiment(HbrnnConfig(), SHORT),
    ],
)
def test_on_a_gpu_they_go_alone_where_they_must(
    experiment: Any, tmp_path: Path, as_on_a_gpu: list[int]
) -> None:
    found = list(train_experiments(_wanted(experiment, tmp_path)))
    assert as_on_a_gpu == []
    assert len(found) == 2


def test_where_the_memory_of_a_gpu_does_not_hold_all_they_go_on_alone(
    tmp_path: Path, as_on_a_gpu: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(trainings: Any, on_epoch: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(experiments, "train_stacked", full)
    with pytest.warns(UserWarning, match="does not hold 2 trainings together"):
        found = list(train_experiments(_wanted(FORECASTER, tmp_path)))
    assert [result.best for result in found] == [tmp_path / f"{i}" / "best.pt" for i in range(2)]


def test_a_network_on_pixels_needs_crops_and_starts_from_random_weights(tmp_path: Path) -> None:
    pixels = HrnetExperiment(HrnetConfig(), SHORT)
    wanted = _wanted(pixels, tmp_path)
    with pytest.raises(InputError, match="reads person crops"):
        train_experiment(wanted[0])
    with pytest.raises(InputError, match="random weights"):
        train_experiment(wanted[0], crops=tmp_path / "crops.npy", initial=tmp_path / "best.pt")
    other = PredictionExperiment(SimlpeConfig(), SHORT)
    with pytest.raises(InputError, match="another network"):
        first = train_experiment(_wanted(FORECASTER, tmp_path / "first")[0])
        train_experiment(_wanted(other, tmp_path / "other")[0], initial=first.best)
