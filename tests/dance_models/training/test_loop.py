"""The training loop on a model with one parameter."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dance_models.checkpoint import load_checkpoint
from dance_models.config import (
    PredictionExperiment,
    StgaNetConfig,
    TrainingConfig,
    paper_training,
)
from dance_models.errors import InputError
from dance_models.training.devices import choose_device
from dance_models.training.loop import (
    EpochRecord,
    Trainer,
    epoch_indices,
)
from dance_models.training.optimiser import learning_rate, make_optimiser
from dance_models.training.task import Task

CONFIG = TrainingConfig(
    epochs=6, optimiser="sgd", learning_rate=0.1, warmup_steps=0, weight_decay=0.0
)


class Number(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(()))


def _trainer(
    folder: Path,
    config: TrainingConfig = CONFIG,
    scores: list[float] | None = None,
    loss: Callable[[nn.Module, Tensor], Tensor] | None = None,
) -> Trainer[Tensor]:
    planned = iter(scores or [])

    def batches(generator: torch.Generator) -> Iterator[Tensor]:
        yield from torch.ones(2)

    def validate(model: nn.Module) -> dict[str, float]:
        value = float(model.get_parameter("value"))
        return {"score": next(planned) if scores else value, "value": value}

    def pull(model: nn.Module, batch: Tensor) -> Tensor:
        return (model.get_parameter("value") - batch).square()

    task = Task(PredictionExperiment(StgaNetConfig(), config), 2, batches, loss or pull, validate)
    return Trainer(Number(), task, folder)


def test_best_weights_are_those_of_the_best_score(tmp_path: Path) -> None:
    result = _trainer(tmp_path, scores=[5, 3, 4, 3, 9, 8]).fit()
    assert (result.best_epoch, result.best_score) == (2, 3)
    best, last = load_checkpoint(result.best), load_checkpoint(result.last)
    assert float(best["model"]["value"]) == result.history[1].validation["value"]
    assert float(last["model"]["value"]) == result.history[5].validation["value"]


def test_a_score_that_is_no_number_ends_a_training(tmp_path: Path) -> None:
    """Nothing is smaller than NaN: the weights of that epoch stayed the best ones."""
    with pytest.raises(FloatingPointError, match="validation score of epoch 1 is nan"):
        _trainer(tmp_path, scores=[math.nan, 3, 2, 1, 1, 1]).fit()
    assert not list(tmp_path.glob("*.pt"))


@pytest.mark.parametrize("progress", ["", "{", "[]", "null", "{}", '{"steps_per_second": null}'])
def test_a_damaged_record_of_the_progress_does_not_stop_a_training(
    tmp_path: Path, progress: str
) -> None:
    _trainer(tmp_path).fit()
    (tmp_path / "progress.json").write_text(progress)
    assert len(_trainer(tmp_path).fit().history) == CONFIG.epochs


def test_early_stop_after_patience_epochs_without_a_better_score(tmp_path: Path) -> None:
    result = _trainer(tmp_path, replace(CONFIG, patience=2), [5, 3, 3, 4, 1, 0]).fit()
    assert [record.epoch for record in result.history] == [1, 2, 3, 4]


def test_epochs_are_reported_after_saving(tmp_path: Path) -> None:
    seen: list[int] = []

    def on_epoch(record: EpochRecord) -> None:
        assert len(load_checkpoint(tmp_path / "last.pt")["history"]) == record.epoch
        assert math.isfinite(record.steps_per_second)
        seen.append(record.epoch)

    _trainer(tmp_path).fit(on_epoch)
    assert seen == [1, 2, 3, 4, 5, 6]


def test_averaged_weights_follow_the_weights_and_are_selected(tmp_path: Path) -> None:
    """EMA after n steps: sum of decay^(n-i) (1 - decay) w_i, from w_0 = 0."""
    config = replace(
        CONFIG,
        ema_decay=0.5,
        ema_warmup=False,
        epochs=1,
        gradient_clip=0.0,
        schedule="exponential",
    )
    result = _trainer(tmp_path, config).fit()
    # Nesterov SGD at rate 0.1, momentum 0.9: the gradient of the first step is -2.
    first = 0.1 * 2 * 1.9
    gradient = 2 * (first - 1)
    second = first - 0.1 * (gradient + 0.9 * (-2 * 0.9 + gradient))
    expected = 0.5 * (0.5 * first) + 0.5 * second
    assert result.history[0].validation["value"] == pytest.approx(expected, rel=1e-5)
    assert float(load_checkpoint(result.last)["model"]["value"]) == pytest.approx(second, rel=1e-5)
    assert float(load_checkpoint(result.best)["model"]["value"]) == pytest.approx(expected)


def test_a_diverged_loss_stops_with_advice(tmp_path: Path) -> None:
    def explode(model: nn.Module, batch: Tensor) -> Tensor:
        return model.get_parameter("value") * math.inf

    with pytest.raises(FloatingPointError, match=r"epoch 1.*lower the learning rate"):
        _trainer(tmp_path, loss=explode).fit()
    assert not (tmp_path / "last.pt").exists()


def test_batches_do_not_repeat_a_window_before_all_were_drawn() -> None:
    batches = list(epoch_indices(10, 4, 5, torch.Generator().manual_seed(0)))
    assert all(len(batch) == 4 for batch in batches)
    drawn = torch.cat(batches)
    assert sorted(drawn[:10].tolist()) == list(range(10))
    assert sorted(drawn[10:].tolist()) == list(range(10))


def test_a_batch_larger_than_the_data_is_filled_by_repetition() -> None:
    (batch,) = epoch_indices(3, 8, 1, torch.Generator().manual_seed(0))
    assert len(batch) == 8
    assert set(batch.tolist()) == {0, 1, 2}


def test_cosine_schedule_warms_up_and_ends_at_zero() -> None:
    config = TrainingConfig(learning_rate=1.0, warmup_steps=4, epochs=2)
    rates = [learning_rate(config, step, 10) for step in range(20)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[12] == pytest.approx(0.5)  # half of the 16 steps after the warm-up
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert learning_rate(config, 20, 10) == pytest.approx(0)


def test_the_papers_recipe() -> None:
    """SGD, Nesterov momentum 0.9, 0.01 x 0.95^epoch, batch 16, 80 epochs."""
    config = paper_training()
    assert (config.batch_size, config.epochs) == (16, 80)
    rates = [learning_rate(config, step, 10) for step in (0, 9, 10, 25)]
    assert rates == pytest.approx([0.01, 0.01, 0.0095, 0.01 * 0.95**2])
    optimiser = make_optimiser(Number(), config)
    assert isinstance(optimiser, torch.optim.SGD)
    assert optimiser.defaults["momentum"] == 0.9
    assert optimiser.defaults["nesterov"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_gpu_is_reported() -> None:
    with pytest.raises(InputError, match=r"no CUDA device.*Of torch .* it was built for"):
        choose_device(TrainingConfig(device="cuda"))
    assert choose_device(TrainingConfig()).type == "cpu"
