"""The parts of the proof; each returns what it found as plain values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Final, Literal

import torch
from torch import nn

from dance_models.config import (
    GpuProofConfig,
    MkffStGcnConfig,
    PredictionExperiment,
    RecognitionExperiment,
    StgaNetConfig,
    TrainingConfig,
)
from dance_models.data.folds import fold_runs
from dance_models.data.pose_runs import PoseRun
from dance_models.profiles import PROFILES
from dance_models.proof.measures import (
    Running,
    busy_share,
    peak_memory_mib,
    reset_peak,
    steady_rate,
    synchronize,
)
from dance_models.training.loop import EpochRecord, TrainingResult, trainer_of
from dance_models.training.prediction import prediction_training
from dance_models.training.recognition import recognition_training
from dance_models.training.stacked import Together
from dance_models.training.synthetic import synthetic_runs
from dance_models.training.task import Task, Training

# Rows of the profile: both networks, with the paper's recipe and the tuned one.
ROWS: Final = ("mkff_st_gcn.paper", "stga_net.paper", "mkff_st_gcn", "stga_net")
BLOCKS: Final = 4  # of the steps whose losses are compared
AT_80_MS: Final = "val_mpjpe_torso_80"

Ours = RecognitionExperiment | PredictionExperiment
Device = Literal["cpu", "cuda"]
Made = tuple[Callable[[], nn.Module], Task[Any]]


class OutOfTime(Exception):  # noqa: N818 - it says when to stop, and is no error
    """The time of a training is over."""


@dataclass(frozen=True)
class Setting:
    """What all parts share."""

    config: GpuProofConfig
    runs: Sequence[PoseRun]
    device: Device
    threads: int  # of the trainings on the CPU
    shrunk: bool = False  # networks of profile smoke and a few steps, to try the path

    def experiment(self, row: str, **changes: Any) -> Ours:
        """A row at one learning rate, the recipe's, with changes to its training."""
        found = PROFILES[self.config.profile].networks[row]
        assert isinstance(found, Ours)
        recipe = replace(found.training, rate_factors=(), device=self.device, threads=self.threads)
        if self.shrunk:
            recipe = replace(recipe, batch_size=8, steps_per_epoch=4)
            found = _small(found)
        if self.config.epochs:
            recipe = replace(recipe, epochs=self.config.epochs)
        return replace(found, training=replace(recipe, **changes))

    def made(self, experiment: Ours, runs: Sequence[PoseRun] | None = None) -> Made:
        """The task of an experiment, on all runs or on these."""
        runs = self.runs if runs is None else runs
        if isinstance(experiment, RecognitionExperiment):
            return recognition_training(runs, experiment.net, experiment.training)
        return prediction_training(runs, experiment.net, experiment.training)


def _small(experiment: Ours) -> Ours:
    """The experiment with a network that steps in milliseconds on a CPU."""
    if isinstance(experiment, RecognitionExperiment):
        assert isinstance(experiment.net, MkffStGcnConfig)
        mkff = replace(experiment.net, spatial_channels=8, spatial_blocks=1)
        mkff = replace(mkff, kinematic_channels=16, attention_blocks=1)
        return replace(experiment, net=mkff)
    assert isinstance(experiment.net, StgaNetConfig)
    return replace(experiment, net=replace(experiment.net, channels=4, hidden=16))


def _without_dropout(experiment: Ours) -> Ours:
    net = experiment.net
    assert isinstance(net, MkffStGcnConfig | StgaNetConfig)
    still: Any = replace(net, dropout=0.0)
    return replace(experiment, net=still)


def proof_runs(config: GpuProofConfig) -> list[PoseRun]:
    """Synthetic clips: 70 % for training, 15 % to select on, 15 % for the test."""
    runs = synthetic_runs(config.clips, config.frames)
    held = max(1, round(0.15 * len(runs)))
    splits = ["train"] * (len(runs) - 2 * held) + ["val"] * held + ["test"] * held
    return [replace(run, split=split) for run, split in zip(runs, splits, strict=True)]


def agreement(setting: Setting, row: str) -> dict[str, Any]:
    """Losses on the device and on the CPU: the same seed and batches, no dropout.

    Dropout draws its masks on the device, so with it even equal programs differ. On a GPU products
    are in TF32, which has three digits. So there is a comparison without, which tells an error from
    rounding. The first quarter of the steps decides: later ones make much of any rounding. A slow
    CPU takes fewer steps.
    """
    config = setting.config
    begun = perf_counter()
    on_cpu = _losses(setting, row, "cpu", BLOCKS, lambda: perf_counter() - begun)
    found: dict[str, Any] = {"steps": len(on_cpu) * _block(config), "loss_cpu": on_cpu}
    ways = {"": True} if setting.device == "cpu" else {"": True, "_float32": False}
    for name, tf32 in ways.items():
        losses = _losses(setting, row, setting.device, len(on_cpu), lambda: 0.0, tf32=tf32)
        gaps = [abs(there / here - 1) for here, there in zip(on_cpu, losses, strict=True)]
        found |= {f"loss_device{name}": losses, f"gaps{name}": gaps, f"first_gap{name}": gaps[0]}
    # Of the last way: without TF32, where there is that.
    return {**found, "within_tolerance": gaps[0] <= config.tolerance}


def _block(config: GpuProofConfig) -> int:
    """Steps between two losses that are compared: the first agree more closely than the last."""
    return config.agreement_steps // BLOCKS


def _losses(
    setting: Setting,
    row: str,
    device: Device,
    blocks: int,
    clock: Callable[[], float],
    *,
    tf32: bool = True,
) -> list[float]:
    """Mean losses of blocks of steps, at least one, while there is time."""
    experiment = _without_dropout(setting.experiment(row))
    training = replace(experiment.training, device=device)
    running = Running.of(*setting.made(replace(experiment, training=training)))
    if device == "cuda" and not tf32:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    block, losses = _block(setting.config), []
    for _ in range(blocks):
        losses.append(float(running.run(block)) / block)
        if clock() > setting.config.agreement_seconds:
            break
    return losses


def speed(setting: Setting, row: str, *, graph: bool) -> dict[str, Any]:
    """Steps a second, with the graph or without, and memory."""
    experiment, device = setting.experiment(row, cuda_graph=graph), torch.device(setting.device)
    reset_peak(device)
    running = Running.of(*setting.made(experiment))
    rate = steady_rate(running, setting.config.rate_seconds, setting.config.warm_up_steps)
    return {
        "batch_size": experiment.training.batch_size,
        "is_captured": running.steps.is_captured,
        "steps_per_second": rate.steps_per_second,
        "utilisation_percent": rate.utilisation,
        "peak_memory_mib": peak_memory_mib(device),
    }


def busy(setting: Setting, row: str) -> dict[str, Any]:
    """How busy the device is in captured steps; the profiler needs rights that not all hosts give.

    A part of its own: its library has crashed in processes that have CUDA graphs, and may slow
    down what comes after it.
    """
    running = Running.of(*setting.made(setting.experiment(row)))
    running.run(setting.config.warm_up_steps)
    return {"busy_share": busy_share(running, setting.config.profiled_steps)}


def folds(setting: Setting, row: str, folder: Path) -> dict[str, Any]:
    """Five folds as one batched training against the training of one of them."""
    experiment = setting.experiment(row)
    timing = (setting.config.rate_seconds, setting.config.warm_up_steps)
    count = setting.config.folds
    parts = [setting.made(experiment, fold_runs(setting.runs, fold)) for fold in range(count)]
    one = steady_rate(Running.of(*parts[0]), *timing).steps_per_second
    torch_device = torch.device(setting.device)
    reset_peak(torch_device)
    trainings = [Training(*part, folder / str(i)) for i, part in enumerate(parts)]
    five = Together([trainer_of(training) for training in trainings])
    five.stack.train()
    running = Running(five.steps, five.draws(), five.rates())
    rate = steady_rate(running, *timing).steps_per_second
    return {
        "folds": count,
        "is_captured": running.steps.is_captured,
        "one_steps_per_second": one,
        "together_steps_per_second": rate,  # each is a step of all folds
        "time_of_all_over_one": one / rate,
        "peak_memory_mib": peak_memory_mib(torch_device),
    }


def bf16(setting: Setting, row: str, folder: Path) -> dict[str, Any]:
    """Validation after a short training with the forward pass in bfloat16, and without."""
    found: dict[str, Any] = {}
    for name, on in (("float32", False), ("bfloat16", True)):
        steps = setting.config.bf16_steps
        experiment = setting.experiment(row, bf16=on, epochs=1, steps_per_epoch=steps)
        result = _trained(setting.made(experiment), folder / name, None)
        record = result.history[0]
        found[name] = {
            "steps_per_second": record.steps_per_second,
            "loss": record.train_loss,
            **record.validation,
        }
    if AT_80_MS in found["float32"]:
        moved = found["bfloat16"][AT_80_MS] - found["float32"][AT_80_MS]
        found["error_at_80_ms_moved_by"] = moved  # % of the torso
    return found


def _trained(
    made: Made, folder: Path, on_epoch: Callable[[EpochRecord], None] | None
) -> TrainingResult:
    return trainer_of(Training(*made, folder)).fit(on_epoch)


def training(
    setting: Setting, row: str, folder: Path, until: float, clock: Callable[[], float]
) -> dict[str, Any]:
    """A whole training, up to the time ``until``; what it would have taken when it was cut."""
    made = setting.made(setting.experiment(row))
    config: TrainingConfig = made[1].experiment.training
    records: list[EpochRecord] = []
    device = torch.device(setting.device)
    reset_peak(device)
    started = perf_counter()

    def on_epoch(record: EpochRecord) -> None:
        records.append(record)
        if clock() > until and record.epoch < config.epochs:
            raise OutOfTime

    try:
        _trained(made, folder, on_epoch)
        cut = False
    except OutOfTime:
        cut = True
    synchronize(device)
    seconds, per_epoch = perf_counter() - started, made[1].steps_per_epoch
    in_steps = sum(per_epoch / record.steps_per_second for record in records)
    best = min(records, key=lambda record: record.score)
    return {
        "epochs": len(records),
        "epochs_of_recipe": config.epochs,
        "steps_per_epoch": per_epoch,
        "seconds": seconds,
        "seconds_in_steps": in_steps,
        "stopped_for_time": cut,
        "seconds_of_recipe_projected": seconds / len(records) * config.epochs if cut else None,
        "first_loss": records[0].train_loss,
        "last_loss": records[-1].train_loss,
        "best_epoch": best.epoch,
        "best": {"score": best.score, **best.validation},
        "peak_memory_mib": peak_memory_mib(device),
    }
