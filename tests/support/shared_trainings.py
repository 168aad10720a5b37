"""What the processes of a training do in tests: they are spawned and import it by name."""

import copy
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from network_cases import NETWORKS, NetConfig, build, inputs, perturbed
from small_networks import SMALL
from torch import Tensor, nn

from dance_models.config import StgaNetConfig, TrainingConfig
from dance_models.data.pose_runs import PoseRun
from dance_models.nets.mkff_st_gcn import MkffStGcn
from dance_models.training.loop import EpochRecord
from dance_models.training.prediction import train_prediction
from dance_models.training.ranks import Ranks
from dance_models.training.recognition import train_recognition
from dance_models.training.shared_batch import SharedBatch, in_parts
from dance_models.training.synthetic import synthetic_runs

BATCH = 5  # parts of 3 and 2
COUNTED = (0.1, 0.05, 0.1, 0.9, 0.8)  # of the entries of a window: few in the first part
# One of each kind, and those with several outputs or with evidence; more of them cost time.
COMPARED = (
    "mkff_st_gcn, style head",
    "mkff_st_gcn, uncertainty",
    "mkff_st_gcn, evidence",
    "st_gcn",
    "mlp",
    "smoothnet",
    "hbrnn",
    "stga_net, dct",
    "simlpe",
    "t_gcn",
    "traj_gcn",
    "dmgnn",
    "eqmotion",
    "hrnet",
)
REFINER = replace(SMALL, dropout=0.0)
FORECASTER = StgaNetConfig(channels=4, hidden=8, dropout=0.0)
TRAINING = TrainingConfig(
    epochs=2, steps_per_epoch=3, batch_size=BATCH, warmup_steps=2, ema_decay=0.9, device="cpu"
)
# Updates in proportion to the gradient: AdamW makes large ones of what is all rounding.
SGD = replace(TRAINING, optimiser="sgd", learning_rate=0.02)


@cache
def gappy_runs() -> list[PoseRun]:
    """Runs in some frames of which few joints are annotated."""
    runs = synthetic_runs(4, 50)
    for run in runs[:2]:
        run.visibility[20:35, 3:] = 0
        run.visibility[::4, :5] = 0
    return runs


# --- one batch ----------------------------------------------------------------------------------


def compare(folder: Path) -> None:
    """Write how far loss, gradients and statistics of every network are from those of one."""
    torch.set_num_threads(1)
    found = {name: _gap(NETWORKS[name]) for name in COMPARED}
    if Ranks.present().is_first:
        (folder / "gaps.json").write_text(json.dumps(found))


def _gap(config: NetConfig) -> float:
    names = {field.name for field in fields(config)}
    still: Any = replace(config, **({"dropout": 0.0} if "dropout" in names else {}))
    one = perturbed(build(still)).double().train()
    two = copy.deepcopy(one)
    shared, batch = SharedBatch(two, Ranks.present()), inputs(still, BATCH).double()
    gap = 0.0
    for _ in range(2):  # the second shows what the first left behind
        losses = [_loss(model, batch) for model in (one, shared)]
        for model, loss in zip((one, two), losses, strict=True):
            model.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        gap = max(gap, *(_apart(*pair) for pair in zip(_values(one), _values(two), strict=True)))
        gap = max(gap, _apart(*losses))
    return gap


def _values(model: nn.Module) -> Iterator[Tensor]:
    for parameter in model.parameters():
        assert parameter.grad is not None
        yield parameter.grad
    yield from model.buffers()


def _apart(one: Tensor, two: Tensor) -> float:
    one, two = one.detach().double(), two.detach().double()
    return float((one - two).abs().max() / (1 + one.abs().max()))


def _outputs(model: nn.Module, batch: Tensor) -> Any:
    return model.refine(batch) if isinstance(model, MkffStGcn) else model(batch)


def _loss(model: nn.Module, batch: Tensor) -> Tensor:
    """A mean over entries nearly all of which are in the second part."""
    found = in_parts(model, batch, _outputs)
    total = batch.new_zeros(())
    for output in [found] if isinstance(found, Tensor) else [o for o in found if o is not None]:
        generator = torch.Generator().manual_seed(1)
        target = torch.randn(output.shape, generator=generator, dtype=output.dtype)
        drawn = torch.rand(output.shape, generator=generator)
        share = torch.tensor(COUNTED).view(-1, *[1] * (output.dim() - 1))
        counts = (drawn < share).double()
        total = total + ((output - target).square() * counts).sum() / counts.sum()
    return total


# --- whole trainings ----------------------------------------------------------------------------


def train_both(folder: Path, devices: int) -> None:
    """Train a network of each kind, the first with a search of its rate."""
    search = replace(SGD, devices=devices, rate_factors=(0.5, 1.0))
    train_recognition(gappy_runs(), REFINER, search, folder / "recognition")
    train_prediction(gappy_runs(), FORECASTER, replace(SGD, devices=devices), folder / "prediction")


def train_on(folder: Path, devices: int) -> None:
    """Train with dropout, and once more from the checkpoint of its first epoch."""
    config, net = replace(TRAINING, devices=devices), replace(FORECASTER, dropout=0.2)

    def keep(record: EpochRecord) -> None:
        if record.epoch == 1:
            (folder / "resumed").mkdir()
            for name in ("last.pt", "best.pt"):
                shutil.copy(folder / "whole" / name, folder / "resumed" / name)

    first = Ranks.present().is_first
    train_prediction(gappy_runs(), net, config, folder / "whole", keep if first else None)
    train_prediction(gappy_runs(), net, config, folder / "resumed")


def everything(folder: Path) -> None:
    """All of the above, in processes that are started once."""
    compare(folder)
    train_both(folder, 2)
    train_on(folder, 2)


def wait_for_each_other(folder: Path) -> None:
    """The second process notes its id and hangs, and the first one waits for it."""
    ranks = Ranks.present()
    if not ranks.is_first:
        (folder / "part").write_text(str(os.getpid()))
        (folder / "part").rename(folder / "second")
        time.sleep(600)
    ranks.by_first(lambda: 1)
    torch.distributed.barrier()


def fail_in_the_second(folder: Path) -> None:
    """The second process fails."""
    if not Ranks.present().is_first:
        raise ValueError("no room on its device")
    torch.distributed.barrier()
