"""An interrupted training ends bit for bit as if it had not been interrupted."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch

from dance_models.checkpoint import load_checkpoint, save_checkpoint
from dance_models.config import MkffStGcnConfig, StgaNetConfig, TrainingConfig
from dance_models.errors import InputError
from dance_models.training.loop import EpochRecord, TrainingResult
from dance_models.training.prediction import train_prediction
from dance_models.training.recognition import train_recognition
from dance_models.training.synthetic import synthetic_runs

RUNS = synthetic_runs(4, 60)
REFINER = MkffStGcnConfig(
    spatial_channels=8, spatial_blocks=1, kinematic_channels=8, attention_blocks=1, landmarks=33
)
FORECASTER = StgaNetConfig(channels=4, hidden=8)
TRAINING = TrainingConfig(
    epochs=4, steps_per_epoch=3, batch_size=8, warmup_steps=2, ema_decay=0.9, jitter=0.01
)

Train = Callable[..., TrainingResult]
TASKS = pytest.mark.parametrize(
    "train",
    [
        lambda folder, config=TRAINING, on_epoch=None: train_recognition(
            RUNS, REFINER, config, folder, on_epoch
        ),
        lambda folder, config=TRAINING, on_epoch=None: train_prediction(
            RUNS, FORECASTER, config, folder, on_epoch
        ),
    ],
    ids=["recognition", "prediction"],
)


def _timeless(history: list[EpochRecord]) -> list[EpochRecord]:
    return [replace(record, steps_per_second=0) for record in history]


def _assert_same(a: Any, b: Any, where: str = "checkpoint") -> None:
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            _assert_same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            _assert_same(x, y, f"{where}.{i}")
    else:
        assert a == b, where


class InterruptionError(Exception):
    pass


@TASKS
@pytest.mark.parametrize("stops", [(1,), (2, 3)])
def test_resumed_equals_uninterrupted(train: Train, stops: tuple[int, ...], tmp_path: Path) -> None:
    whole = train(tmp_path / "whole")

    def stop_at(epoch: int) -> Callable[[EpochRecord], None]:
        def on_epoch(record: EpochRecord) -> None:
            torch.rand(7)  # other random draws must not matter
            if record.epoch == epoch:
                raise InterruptionError

        return on_epoch

    for stop in stops:
        with pytest.raises(InterruptionError):
            train(tmp_path / "parts", on_epoch=stop_at(stop))
    resumed = train(tmp_path / "parts")
    assert _timeless(resumed.history) == _timeless(whole.history)
    for which in ("last", "best"):
        assert getattr(resumed, which).read_bytes() == getattr(whole, which).read_bytes(), which
    # The first epochs were not repeated: their speeds are those that were measured then.
    assert all(record.steps_per_second > 0 for record in resumed.history)


def test_an_interrupted_epoch_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in the middle of an epoch: the checkpoint of the previous epoch counts."""
    from dance_models.training import recognition

    whole = train_recognition(RUNS, REFINER, TRAINING, tmp_path / "whole")
    calls = iter(range(100))
    real = recognition.refinement_loss

    def broken(*args: Any, **kwargs: Any) -> torch.Tensor:
        if next(calls) == 7:  # the second step of the third epoch
            raise InterruptionError
        return real(*args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(InterruptionError):
        patch.setattr(recognition, "refinement_loss", broken)
        train_recognition(RUNS, REFINER, TRAINING, tmp_path / "parts")
    resumed = train_recognition(RUNS, REFINER, TRAINING, tmp_path / "parts")
    assert _timeless(resumed.history) == _timeless(whole.history)
    _assert_same(load_checkpoint(resumed.last), load_checkpoint(whole.last))


@TASKS
def test_a_seed_determines_everything(train: Train, tmp_path: Path) -> None:
    short = replace(TRAINING, epochs=1)
    one, two = train(tmp_path / "one", short), train(tmp_path / "two", short)
    other = train(tmp_path / "other", replace(short, seed=1))
    assert _timeless(one.history) == _timeless(two.history)
    _assert_same(load_checkpoint(one.last), load_checkpoint(two.last))
    assert other.history[0].train_loss != one.history[0].train_loss


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    train_recognition(RUNS, REFINER, TRAINING, tmp_path)
    written = (tmp_path / "last.pt").stat().st_mtime_ns
    seen: list[EpochRecord] = []
    again = train_recognition(RUNS, REFINER, TRAINING, tmp_path, seen.append)
    assert not seen
    assert len(again.history) == TRAINING.epochs
    assert (tmp_path / "last.pt").stat().st_mtime_ns == written


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    train_recognition(RUNS, REFINER, replace(TRAINING, epochs=1), tmp_path)
    with pytest.raises(InputError, match="another configuration"):
        train_recognition(RUNS, REFINER, TRAINING, tmp_path)


def test_a_damaged_checkpoint_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "last.pt").write_bytes(b"half of a checkpoint")
    with pytest.raises(InputError, match=r"last\.pt.*cannot be read.*Delete it"):
        train_recognition(RUNS, REFINER, TRAINING, tmp_path)


def test_a_failed_write_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint({"epoch": 1}, path)

    def half(state: dict[str, Any], handle: BinaryIO) -> None:
        handle.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint({"epoch": 2}, path)
    assert load_checkpoint(path) == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]


def test_equal_states_are_equal_files(tmp_path: Path) -> None:
    """Also when one of them was read from a file, where equal strings are several objects."""
    state = {
        "name": "rate",
        "list": [{"rate": 1.0}, ("rate", None)],
        "net": {"rate": torch.ones(3)},
    }
    save_checkpoint(state, tmp_path / "a.pt")
    read = load_checkpoint(tmp_path / "a.pt")
    read["name"] = "".join(["ra", "te"])
    save_checkpoint(read, tmp_path / "b.pt")
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


def test_checkpoints_hold_no_code(tmp_path: Path) -> None:
    """``weights_only`` reading succeeds; an arbitrary object in the file is refused."""
    torch.save({"model": Path("x")}, tmp_path / "evil.pt")
    with pytest.raises(InputError, match="cannot be read"):
        load_checkpoint(tmp_path / "evil.pt")
