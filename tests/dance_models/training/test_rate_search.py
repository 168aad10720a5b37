"""The search for a learning rate, on a model with one parameter that is pulled to one."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dance_models.checkpoint import experiment_from_plain, load_checkpoint
from dance_models.config import PredictionExperiment, StgaNetConfig, TrainingConfig
from dance_models.errors import InputError
from dance_models.training import rate_search
from dance_models.training.loop import TrainingResult
from dance_models.training.rate_search import PILOTS, RATES, pilot_training, train_network
from dance_models.training.task import Task

CONFIG = TrainingConfig(
    epochs=10,
    optimiser="sgd",
    learning_rate=0.01,
    schedule="exponential",
    decay_per_epoch=1.0,
    warmup_steps=0,
    weight_decay=0.0,
    gradient_clip=0.0,
    rate_factors=(0.01, 1.0, 1e4),
    pilot_share=0.2,
)


class Number(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(()))


def _train(
    folder: Path, config: TrainingConfig = CONFIG, built: list[int] | None = None
) -> TrainingResult:
    def batches(generator: torch.Generator) -> Iterator[Tensor]:
        yield from torch.ones(2)

    def validate(model: nn.Module) -> dict[str, float]:
        return {"score": abs(float(model.get_parameter("value")) - 1)}

    def pull(model: nn.Module, batch: Tensor) -> Tensor:
        value = model.get_parameter("value") - batch
        return value.square() if abs(float(value.detach())) < 100 else value * math.inf

    def build() -> nn.Module:
        if built is not None:
            built.append(1)
        return Number()

    task = Task(PredictionExperiment(StgaNetConfig(), config), 2, batches, pull, validate)
    return train_network(build, task, folder)


def test_a_pilot_is_a_short_training_at_its_rate() -> None:
    pilot = pilot_training(replace(CONFIG, warmup_steps=50, patience=3), 0.5)
    assert pilot == replace(
        CONFIG, learning_rate=0.5, rate_factors=(), epochs=2, warmup_steps=10, patience=0
    )
    assert pilot_training(replace(CONFIG, epochs=2), 0.5).epochs == 1


def test_validation_picks_the_rate_and_the_checkpoint_records_it(tmp_path: Path) -> None:
    result = _train(tmp_path)
    assert result.chosen_rate == 0.01
    assert list(result.rates) == [0.0001, 0.01, 100.0]
    assert result.rates[0.01] < result.rates[0.0001] < 1.0
    assert result.rates[100.0] == math.inf  # diverged
    assert len(result.history) == 10
    trained = experiment_from_plain(load_checkpoint(result.best)["experiment"]).training
    assert trained == replace(CONFIG, rate_factors=())
    assert not (tmp_path / PILOTS).exists()


def test_the_chosen_rate_trains_as_if_it_had_been_configured(tmp_path: Path) -> None:
    searched = _train(tmp_path / "a")
    plain = _train(tmp_path / "b", replace(CONFIG, rate_factors=()))
    assert plain.rates == {}
    assert plain.chosen_rate is None
    assert [r.score for r in searched.history] == [r.score for r in plain.history]


def test_a_search_is_not_repeated(tmp_path: Path) -> None:
    built: list[int] = []
    first = _train(tmp_path, built=built)
    assert len(built) == 4  # three pilots and the training
    (tmp_path / "last.pt").unlink()
    again = _train(tmp_path, built=built)
    assert len(built) == 5
    assert again.rates == first.rates


def test_an_interrupted_search_goes_on_with_its_pilots(tmp_path: Path) -> None:
    whole = _train(tmp_path / "whole")
    pilot = tmp_path / "cut" / PILOTS / "0.0001"
    _train(pilot, pilot_training(CONFIG, 0.0001))
    assert _train(tmp_path / "cut").rates == whole.rates


def test_pilots_that_a_kill_left_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the scores and the removal of the pilots."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rate_search.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        _train(tmp_path)
    assert (tmp_path / RATES).is_file()
    monkeypatch.undo()
    assert _train(tmp_path).chosen_rate == 0.01
    assert not (tmp_path / PILOTS).exists()


def test_a_search_of_another_configuration_is_refused(tmp_path: Path) -> None:
    _train(tmp_path)
    with pytest.raises(InputError, match="chosen for another configuration"):
        _train(tmp_path, replace(CONFIG, rate_factors=(1.0, 2.0)))


def test_rates_that_all_diverge_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match=r"every learning rate tried \(100.0, 200.0\)"):
        _train(tmp_path, replace(CONFIG, rate_factors=(1e4, 2e4)))
    assert not (tmp_path / RATES).exists()


def test_scores_are_kept_beside_the_checkpoints(tmp_path: Path) -> None:
    result = _train(tmp_path)
    found = json.loads((tmp_path / RATES).read_text("utf-8"))
    assert dict(found["scores"]) == result.rates
