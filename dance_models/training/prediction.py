"""Training a prediction network on annotated poses."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dance_models.config import PredictionExperiment, PredictionNet, TrainingConfig
from dance_models.data.forecast_windows import ForecastWindows, cut_windows
from dance_models.data.pose_runs import PoseRun
from dance_models.nets.build import build_forecaster
from dance_models.skeleton import MIRROR
from dance_models.training.checkpoint import Initial
from dance_models.training.geometry import draw_geometry
from dance_models.training.inference import forecast, window_scale
from dance_models.training.loop import (
    EpochRecord,
    Task,
    Trainer,
    TrainingResult,
    epoch_indices,
    prepare,
)
from dance_models.training.losses import forecast_loss
from dance_models.training.selection import annotated_torso, forecast_scores, split_runs

VALIDATION_STRIDE: Final = 3  # frames between validation windows


class ForecastBatch(NamedTuple):
    """Observed and future poses in torso lengths about the last observed pelvis."""

    observed: Tensor  # (B, 27, 14, 2)
    future: Tensor  # (B, 10, 14, 2), 0 where unknown
    known: Tensor  # (B, 10, 14) 1 where the future is annotated


def annotated_poses(runs: Sequence[PoseRun]) -> list[NDArray[np.float32]]:
    """Annotated keypoints of every run, NaN where a joint is absent."""
    return [np.where(run.visibility[..., None] > 0, run.annotation, np.nan) for run in runs]


def reversed_run(run: PoseRun) -> PoseRun:
    """The run played backwards; time still rises."""
    return replace(
        run,
        time_s=run.time_s[-1] - run.time_s[::-1],
        annotation=run.annotation[::-1],
        visibility=run.visibility[::-1],
    )


def _has_windows(run: PoseRun) -> bool:
    return len(cut_windows([run], annotated_poses([run]), stride=VALIDATION_STRIDE)) > 0


class ForecastTensors:
    """All windows as tensors on the device, forward and backward in time."""

    def __init__(self, runs: Sequence[PoseRun], device: torch.device) -> None:
        forward = cut_windows(runs, annotated_poses(runs))
        back = [reversed_run(run) for run in runs]
        backward = cut_windows(back, annotated_poses(back))
        self.device, self.forward_count = device, len(forward)
        parts = [self._scaled(windows) for windows in (forward, backward)]
        self.observed, self.future, self.known = (
            torch.cat([part[i] for part in parts]).to(device) for i in range(3)
        )
        self.backward_count = len(backward)

    @staticmethod
    def _scaled(windows: ForecastWindows) -> ForecastBatch:
        centre, scale = window_scale(windows.observed)
        future = (windows.future - centre) / scale
        known = np.isfinite(future).all(axis=-1)
        return ForecastBatch(
            torch.from_numpy(((windows.observed - centre) / scale).astype(np.float32)),
            torch.from_numpy(np.where(known[..., None], future, 0).astype(np.float32)),
            torch.from_numpy(known.astype(np.float32)),
        )

    def draw(
        self, chosen: Tensor, config: TrainingConfig, generator: torch.Generator
    ) -> ForecastBatch:
        """A batch; some windows are replaced by windows of reversed time, all are transformed."""
        backward = torch.rand(len(chosen), generator=generator) < config.reverse_probability
        if self.backward_count:
            other = torch.randint(0, self.backward_count, (len(chosen),), generator=generator)
            chosen = torch.where(backward, self.forward_count + other, chosen)
        geometry = draw_geometry(len(chosen), config, generator, self.device)
        chosen = chosen.to(self.device)
        return ForecastBatch(
            geometry.poses(self.observed[chosen]),
            geometry.poses(self.future[chosen]),
            geometry.swap(self.known[chosen][..., None], MIRROR, 2)[..., 0],
        )


def train_prediction(
    runs: Sequence[PoseRun],
    net: PredictionNet,
    training: TrainingConfig,
    folder: Path,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    initial: Path | None = None,
) -> TrainingResult:
    """Train on the runs of split "train" (all variants), select on "val"; resumes in ``folder``.

    ``initial`` is the ``best.pt`` of a pre-training of the same network: fine-tune from there.
    Raises InputError when no run is annotated for a whole window (37 steps of 40 ms), or
    ``initial`` does not fit.
    """
    device = prepare(training)
    learn, select = split_runs(runs, _has_windows)
    data = ForecastTensors(learn, device)
    windows = cut_windows(select, annotated_poses(select), stride=VALIDATION_STRIDE)
    torso = annotated_torso(select)
    unit = np.array([torso[select[i].clip] for i in windows.run])
    steps = training.steps_per_epoch or math.ceil(data.forward_count / training.batch_size)

    def batches(generator: torch.Generator) -> Iterator[ForecastBatch]:
        for chosen in epoch_indices(data.forward_count, training.batch_size, steps, generator):
            yield data.draw(chosen, training, generator)

    def loss(model: nn.Module, batch: ForecastBatch) -> Tensor:
        return forecast_loss(
            model(batch.observed),
            batch.future,
            batch.observed[:, -1],
            batch.known,
            velocity_weight=training.velocity_weight,
        )

    def validate(model: nn.Module) -> dict[str, float]:
        return forecast_scores(windows, forecast(model, windows.observed), unit)

    torch.manual_seed(training.seed)
    model = build_forecaster(net).to(device)
    experiment = PredictionExperiment(net, training)
    task = Task(experiment, steps, batches, loss, validate)
    start = Initial(initial) if initial else None
    return Trainer(model, task, folder, start).fit(on_epoch)
