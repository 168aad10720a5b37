"""Measuring a device: rate of the steps, busy time, memory, description."""

import gc
import os
import platform
import resource
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count, islice
from time import perf_counter
from typing import Any, Final

import torch
from torch import Tensor, nn

from dance_models.training.averaging import moving_average
from dance_models.training.optimiser import learning_rate, make_optimiser
from dance_models.training.steps import Steps, make_steps
from dance_models.training.task import Task

LONGEST_RUN: Final = 256  # steps without waiting for the device
MIB: Final = 2**20


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def described(device: torch.device) -> dict[str, Any]:
    """The machine, for the record. Asks the device for nothing, so that CUDA is not begun."""
    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": str(device),
    }


def described_device(kind: str) -> dict[str, Any]:
    """The GPU, for the record; nothing of a CPU."""
    if kind != "cuda":
        return {}
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    return {
        "gpu": properties.name,
        "gpu_memory_mib": round(properties.total_memory / MIB),
        "compute_capability": f"{properties.major}.{properties.minor}",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
    }


def reset_peak(device: torch.device) -> None:
    """Count the peak of the memory from here on; on a CPU it is that of the whole process."""
    gc.collect()  # steps and what replays them are a cycle: those before would count
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_mib(device: torch.device) -> float:
    """Largest memory of tensors on a GPU since :func:`reset_peak`, or of this process, MiB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MIB
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB


@dataclass
class Running:
    """A training whose steps are taken by hand: no validation, no files."""

    steps: Steps[Any]
    draws: Iterator[Any]
    rates: Iterator[tuple[float, ...]]

    @classmethod
    def of(cls, build: Callable[[], nn.Module], task: Task[Any]) -> "Running":
        """Start one, as a Trainer does."""
        config = task.experiment.training
        torch.manual_seed(config.seed)
        model = build().train()
        average = None
        if config.ema_decay:
            average = moving_average(model, config.ema_decay, warmup=config.ema_warmup)
        steps = make_steps(model, task, make_optimiser(model, config), average)
        seeds = (torch.Generator().manual_seed(config.seed + epoch) for epoch in count(1))
        draws = chain.from_iterable(task.batches(generator) for generator in seeds)
        rates = ((learning_rate(config, step, task.steps_per_epoch),) for step in count())
        return cls(steps, draws, rates)

    def run(self, number: int) -> Tensor:
        """Take ``number`` steps; the sum of their losses, on the device."""
        return self.steps.run(islice(self.draws, number), self.rates)

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self.steps.device


@dataclass(frozen=True)
class Rate:
    """Steps a second, and the mean of what the driver calls utilisation meanwhile, percent."""

    steps_per_second: float
    utilisation: float | None


def steady_rate(running: Running, seconds: float, warm_up: int) -> Rate:
    """The rate after ``warm_up`` steps, over at least ``seconds``."""
    running.run(warm_up)
    synchronize(running.device)
    started, done, samples = perf_counter(), 0, []
    run = warm_up
    while perf_counter() - started < seconds or not done:
        running.run(run)
        samples.append(utilisation(running.device))  # while the device still works
        synchronize(running.device)
        done += run
        run = min(2 * run, LONGEST_RUN)
    known = [sample for sample in samples if sample is not None]
    rate = done / (perf_counter() - started)
    return Rate(rate, sum(known) / len(known) if known else None)


def utilisation(device: torch.device) -> float | None:
    """Percent of the last moments in which a kernel ran; None without a GPU or without pynvml."""
    if device.type != "cuda":
        return None
    try:
        return float(torch.cuda.utilization(device))
    except Exception:  # pynvml is absent, or has no access to the driver
        return None


def busy_share(running: Running, steps: int) -> float | None:
    """Share of the time in which a kernel runs, by torch's profiler; None on a CPU.

    Kernels of a captured step are in a row, so their durations are added.
    """
    if running.device.type != "cuda":
        return None
    activities = [torch.profiler.ProfilerActivity.CUDA]
    synchronize(running.device)
    with torch.profiler.profile(activities=activities) as profile:
        started = perf_counter()
        running.run(steps)
        synchronize(running.device)
        wall = perf_counter() - started
    return kernel_seconds(profile.key_averages()) / wall


def kernel_seconds(events: Iterable[Any]) -> float:
    """The time of the kernels and copies among the events of a profile.

    Spans that torch names, such as an optimiser's step, lie over kernels that are counted already.
    """
    on_device = (event for event in events if event.device_type.name == "CUDA")
    kernels = (e for e in on_device if not getattr(e, "is_user_annotation", False))
    return float(sum(kernel.self_device_time_total for kernel in kernels)) / 1e6
