"""Fine-tuning: a training starts from another's weights, and still ends as if never interrupted."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dance_models.checkpoint import Initial, load_checkpoint
from dance_models.config import MkffStGcnConfig, StgaNetConfig, TrainingConfig
from dance_models.errors import InputError
from dance_models.training.loop import EpochRecord, TrainingResult
from dance_models.training.prediction import train_prediction
from dance_models.training.recognition import train_recognition
from dance_models.training.synthetic import synthetic_runs

RUNS, MOTION = synthetic_runs(4, 60), synthetic_runs(3, 60, seed=5)
REFINER = MkffStGcnConfig(
    spatial_channels=8, spatial_blocks=1, kinematic_channels=8, attention_blocks=1, landmarks=33
)
FORECASTER = StgaNetConfig(channels=4, hidden=8)
TRAINING = TrainingConfig(epochs=2, steps_per_epoch=3, batch_size=8, warmup_steps=2, ema_decay=0.9)

Train = Callable[..., TrainingResult]


def _recognition(runs: object, folder: Path, **more: object) -> TrainingResult:
    return train_recognition(runs, REFINER, TRAINING, folder, **more)  # type: ignore[arg-type]


def _prediction(runs: object, folder: Path, **more: object) -> TrainingResult:
    return train_prediction(runs, FORECASTER, TRAINING, folder, **more)  # type: ignore[arg-type]


TASKS = pytest.mark.parametrize("train", [_recognition, _prediction])


class InterruptionError(Exception):
    pass


def _weights(path: Path) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = load_checkpoint(path)["model"]
    return weights


def _same(one: Path, other: Path) -> bool:
    a, b = _weights(one), _weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@TASKS
def test_fine_tuning_resumes_bit_for_bit(train: Train, tmp_path: Path) -> None:
    initial = train(MOTION, tmp_path / "pre").best

    def stop(record: EpochRecord) -> None:
        raise InterruptionError

    whole = train(RUNS, tmp_path / "whole", initial=initial)
    with pytest.raises(InterruptionError):
        train(RUNS, tmp_path / "parts", initial=initial, on_epoch=stop)
    resumed = train(RUNS, tmp_path / "parts", initial=initial)
    assert _same(whole.last, resumed.last)
    assert _same(whole.best, resumed.best)
    assert not _same(whole.last, train(RUNS, tmp_path / "random").last)
    assert load_checkpoint(whole.best)["initial"] == Initial(initial).digest()
    assert load_checkpoint(tmp_path / "random" / "best.pt")["initial"] is None


@TASKS
def test_without_steps_the_weights_are_the_initial_ones(train: Train, tmp_path: Path) -> None:
    """A learning rate of zero keeps the initial weights."""
    initial = train(MOTION, tmp_path / "pre").best
    still = replace(TRAINING, learning_rate=0.0, weight_decay=0.0, epochs=1, ema_decay=0.0)
    if train is _recognition:
        kept = train_recognition(RUNS, REFINER, still, tmp_path / "still", initial=initial)
    else:
        kept = train_prediction(RUNS, FORECASTER, still, tmp_path / "still", initial=initial)
    given = _weights(initial)
    learnt = {k for k, v in _weights(kept.last).items() if not torch.equal(v, given[k])}
    assert all("running_" in k or "num_batches" in k for k in learnt)  # of batch normalisation


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    initial = _prediction(MOTION, tmp_path / "pre").best
    with pytest.raises(InputError, match="another network or of other sizes"):
        _recognition(RUNS, tmp_path / "a", initial=initial)
    wider = replace(FORECASTER, hidden=16)
    with pytest.raises(InputError, match="another network or of other sizes"):
        train_prediction(RUNS, wider, TRAINING, tmp_path / "b", initial=initial)
    with pytest.raises(InputError, match=r"gone\.pt.*cannot be read"):
        _prediction(RUNS, tmp_path / "c", initial=tmp_path / "gone.pt")


def test_a_checkpoint_started_from_other_weights_is_not_continued(tmp_path: Path) -> None:
    initial = _prediction(MOTION, tmp_path / "pre").best
    _prediction(RUNS, tmp_path / "random")
    with pytest.raises(InputError, match="started from other initial weights"):
        _prediction(RUNS, tmp_path / "random", initial=initial)
