"""Steps one by one, ahead on the device, and replayed."""

import gc
import math
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dance_models.checkpoint import load_checkpoint
from dance_models.config import MkffStGcnConfig, StgaNetConfig, TrainingConfig
from dance_models.training.averaging import average_by, moving_average
from dance_models.training.loop import Trainer
from dance_models.training.optimiser import (
    learning_rate,
    load_optimiser_state,
    make_optimiser,
    optimiser_state,
)
from dance_models.training.prediction import prediction_training
from dance_models.training.recognition import recognition_training
from dance_models.training.steps import WARM_UP, AheadSteps, Replay, Steps, cuda_graph_of
from dance_models.training.synthetic import synthetic_runs
from dance_models.training.task import Task

REFINER = MkffStGcnConfig(
    spatial_channels=8,
    spatial_blocks=1,
    kinematic_channels=16,
    attention_blocks=1,
    landmarks=33,
    evidence=True,
    style_classes=3,
)
FORECASTER = StgaNetConfig(channels=4, hidden=16, dct_inputs=5)
ADAMW = TrainingConfig(
    epochs=1,
    steps_per_epoch=5,
    batch_size=8,
    warmup_steps=2,
    ema_decay=0.9,
    jitter=0.01,
    estimate_probability=0.5,
)
SGD = replace(ADAMW, optimiser="sgd", learning_rate=0.01, ema_decay=0.0, jitter=0.0)
Made = tuple[nn.Module, Task[Any]]


def _made(kind: str, config: TrainingConfig) -> Made:
    runs = synthetic_runs(5, 50)
    build, task = (
        recognition_training(runs, REFINER, config)
        if kind == "recognition"
        else prediction_training(runs, FORECASTER, config)
    )
    torch.manual_seed(0)
    return build(), task


def _epoch(
    steps_of: Callable[..., Steps[Any]], kind: str, config: TrainingConfig
) -> tuple[Tensor, dict[str, Tensor]]:
    """The sum of the losses of an epoch, and all that it changed."""
    model, task = _made(kind, config)
    average = moving_average(model, config.ema_decay) if config.ema_decay else None
    steps = steps_of(model.train(), task, make_optimiser(model, config), average)
    rates = ((learning_rate(config, step, 5),) for step in range(5))
    torch.manual_seed(1)
    total = steps.run(task.batches(torch.Generator().manual_seed(2)), rates)
    changed = dict(model.state_dict())
    if average is not None:
        changed |= {f"average {k}": v for k, v in average.state_dict().items()}
    return total, changed


@pytest.mark.parametrize("config", [ADAMW, SGD], ids=["adamw", "sgd"])
@pytest.mark.parametrize("kind", ["recognition", "prediction"])
def test_steps_ahead_are_the_steps_one_by_one(kind: str, config: TrainingConfig) -> None:
    """Dropout, the average and the statistics included; the rate is in single precision there."""
    total, one_by_one = _epoch(Steps, kind, config)
    total_ahead, ahead = _epoch(AheadSteps, kind, config)
    assert total_ahead.item() == pytest.approx(total.item(), rel=1e-5)
    assert one_by_one.keys() == ahead.keys()
    for name, value in one_by_one.items():
        gap = (ahead[name].float() - value.float()).abs().max()
        assert gap < 1e-3 * max(1.0, float(value.float().abs().max())), name


def test_an_epoch_longer_than_what_is_sent_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = _epoch(AheadSteps, "prediction", SGD)
    monkeypatch.setattr("dance_models.training.steps.AHEAD", 2)
    parts, _ = _epoch(AheadSteps, "prediction", SGD)
    assert parts == whole


def test_a_trainer_takes_the_steps_of_a_plain_loop_bit_for_bit(tmp_path: Path) -> None:
    model, task = _made("recognition", ADAMW)
    Trainer(model, task, tmp_path).fit()
    plain, task = _made("recognition", ADAMW)
    optimiser, average = make_optimiser(plain, ADAMW), moving_average(plain, ADAMW.ema_decay)
    torch.manual_seed(1)  # seed 0 x 1,000,003 + epoch 1
    total = torch.zeros(())
    plain.train()
    for i, draw in enumerate(task.batches(torch.Generator().manual_seed(1))):
        assert task.assemble is not None
        optimiser.param_groups[0]["lr"] = learning_rate(ADAMW, i, 5)
        optimiser.param_groups[1]["lr"] = learning_rate(ADAMW, i, 5)
        optimiser.zero_grad()
        loss = task.loss(plain, task.assemble(draw))
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(plain.parameters(), ADAMW.gradient_clip)
        optimiser.step()
        average.update_parameters(plain)
        total += loss.detach()
    last = load_checkpoint(tmp_path / "last.pt")
    assert last["history"][0]["train_loss"] == total.item() / 5
    for name, value in plain.state_dict().items():
        assert torch.equal(last["model"][name], value), name
    for name, value in average.module.state_dict().items():
        assert torch.equal(last["average"][name], value), name


def test_a_step_is_captured_after_the_warm_up() -> None:
    calls: list[str] = []

    def capture(body: Callable[[], None]) -> Callable[[], None]:
        calls.append("capture")
        return lambda: calls.append("replay")

    replay = Replay(lambda: calls.append("body"), capture)
    for _ in range(WARM_UP + 2):
        replay()
    assert calls == ["body"] * WARM_UP + ["capture", "replay", "replay"]


def test_a_step_that_cannot_be_captured_goes_on_as_it_is() -> None:
    calls: list[str] = []

    def capture(body: Callable[[], None]) -> Callable[[], None]:
        try:
            raise RuntimeError("operation not permitted when stream is capturing")
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    replay = Replay(lambda: calls.append("body"), capture)
    with pytest.warns(UserWarning, match=r"could not be captured.*not permitted.*goes on without"):
        for _ in range(WARM_UP + 3):
            replay()
    assert calls == ["body"] * (WARM_UP + 3)


class _Capture:
    """What torch.cuda has for captures, of a machine without a GPU."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, fails: bool) -> None:
        self.stream = "the default"
        cuda = {
            "CUDAGraph": lambda: self,
            "current_stream": lambda: self.stream,
            "set_stream": lambda stream: setattr(self, "stream", stream),
            "current_device": lambda: 0,
            "default_generators": (self,),
        }
        for name, value in cuda.items():
            monkeypatch.setattr(torch.cuda, name, value)
        self.fails, self.states = fails, ["of the failed capture"]
        monkeypatch.setattr(torch.cuda, "graph", self.graph)

    @contextmanager
    def graph(self, graph: object) -> Iterator[None]:
        """As torch: an error at the end leaves the stream of the capture."""
        self.stream = "the capture's"
        yield
        if self.fails:
            raise RuntimeError("operation failed due to a previous error during capture")
        self.stream = "the default"

    def replay(self) -> None:
        """Of a graph."""

    def clone_state(self) -> str:
        """Of a generator."""
        return "a copy"

    def graphsafe_set_state(self, state: str) -> None:
        """Of a generator."""
        self.states.append(state)


def test_after_a_failed_capture_the_device_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the steps without the graph fail too, at their first dropout."""
    fake = _Capture(monkeypatch, fails=True)
    with pytest.raises(RuntimeError, match="previous error during capture"):
        cuda_graph_of(lambda: None)
    assert fake.stream == "the default"
    assert fake.states[-1] == "a copy"
    assert gc.isenabled()


def test_no_garbage_is_collected_during_a_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be the graph of a training that is over, and CUDA refuses to free memory then."""

    class Old:
        """Part of a cycle, as a graph and what it replays are."""

        def __init__(self) -> None:
            self.own = self

    old = weakref.ref(Old())
    seen: list[object] = []
    _Capture(monkeypatch, fails=False)
    cuda_graph_of(lambda: seen.extend((gc.isenabled(), old())))
    assert seen == [False, None]
    assert gc.isenabled()


def test_the_warm_up_ends_with_the_capture() -> None:
    calls: list[str] = []

    def warm_up(body: Callable[[], None]) -> None:
        calls.append("aside")
        body()

    replay = Replay(lambda: calls.append("body"), lambda body: lambda: calls.append("r"), warm_up)
    for _ in range(WARM_UP + 1):
        replay()
    assert calls == ["aside", "body"] * WARM_UP + ["r"]


def test_the_average_on_the_device_is_the_average() -> None:
    """Weights and statistics by the share, counters copied."""
    model = nn.BatchNorm1d(2)
    one, two = moving_average(model, 0.75, warmup=False), moving_average(model, 0.75)
    nn.init.constant_(model.weight, 3.0)
    model(torch.randn(4, 2))
    one.update_parameters(model)
    average_by(torch.tensor(0.25), two.module, model)
    for name, value in one.module.state_dict().items():
        torch.testing.assert_close(two.module.state_dict()[name], value)
    assert two.module.num_batches_tracked == 1


def test_the_optimisers_state_names_no_device() -> None:
    """A checkpoint of a GPU goes on with the CPU's own ways of computing, and its rate a number."""
    model = nn.Linear(2, 2)
    optimiser = make_optimiser(model, ADAMW)
    model(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    of_gpu = make_optimiser(model, ADAMW)
    of_gpu.load_state_dict(optimiser.state_dict())
    for group in of_gpu.param_groups:
        group |= {"lr": torch.tensor(0.5), "capturable": True}
    saved, expected = optimiser_state(of_gpu, 0.5), optimiser_state(optimiser, 0.5)
    assert saved["param_groups"] == expected["param_groups"]
    load_optimiser_state(optimiser, of_gpu.state_dict())
    assert optimiser.param_groups[0]["capturable"] is False
    optimiser.step()


def test_bfloat16_is_an_option(tmp_path: Path) -> None:
    losses = []
    for on in (False, True):
        model, task = _made("prediction", replace(ADAMW, bf16=on))
        history = Trainer(model, task, tmp_path / str(on)).fit().history
        losses.append(history[0].train_loss)
    assert losses[0] != losses[1]
    assert math.isclose(*losses, rel_tol=0.05)
