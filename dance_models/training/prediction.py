"""Training a prediction network on annotated poses, or on estimated ones among them."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dance_models.batches.geometry import draw_geometry
from dance_models.checkpoint import Initial
from dance_models.config import PredictionExperiment, PredictionNet, TrainingConfig
from dance_models.data.forecast_windows import ForecastWindows, cut_windows
from dance_models.data.pose_runs import PoseRun
from dance_models.inference.forecast import forecast, window_scale
from dance_models.metrics.torso import torso_by_clip
from dance_models.nets.build import build_forecaster
from dance_models.skeleton import MIRROR
from dance_models.training.loop import (
    EpochRecord,
    Task,
    Trainer,
    TrainingResult,
    epoch_indices,
    prepare,
)
from dance_models.training.losses import forecast_loss
from dance_models.training.selection import forecast_scores, split_runs

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
    """All windows as tensors on the device.

    Annotated ones forward and backward in time; with ``estimated`` also those that show what the
    estimator saw of the past, while the future is annotated.
    """

    def __init__(
        self, runs: Sequence[PoseRun], device: torch.device, *, estimated: bool = False
    ) -> None:
        back = [reversed_run(run) for run in runs]
        cuts = [cut_windows(runs, annotated_poses(runs)), cut_windows(back, annotated_poses(back))]
        if estimated:
            cuts.append(cut_windows(runs, [run.estimate for run in runs]))
        parts = [self._scaled(windows) for windows in cuts]
        self.observed, self.future, self.known = (
            torch.cat([part[i] for part in parts]).to(device) for i in range(3)
        )
        self.device = device
        self.forward, self.backward, *rest = _ranges([len(windows) for windows in cuts])
        self.estimated = rest[0] if rest else range(0)

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
        """A batch; some windows are replaced by reversed or estimated ones, all transformed."""
        chosen = _replaced(chosen, self.backward, config.reverse_probability, generator)
        if self.estimated:
            chosen = _replaced(chosen, self.estimated, config.estimate_probability, generator)
        geometry = draw_geometry(len(chosen), config, generator, self.device)
        chosen = chosen.to(self.device)
        return ForecastBatch(
            geometry.poses(self.observed[chosen]),
            geometry.poses(self.future[chosen]),
            geometry.swap(self.known[chosen][..., None], MIRROR, 2)[..., 0],
        )


def _ranges(lengths: Sequence[int]) -> list[range]:
    """Where parts of these lengths lie when they are joined."""
    stops = np.cumsum(lengths).tolist()
    return [range(stop - length, stop) for length, stop in zip(lengths, stops, strict=True)]


def _replaced(
    chosen: Tensor, others: range, probability: float, generator: torch.Generator
) -> Tensor:
    """Window numbers, each with this probability replaced by one that is drawn from ``others``."""
    swap = torch.rand(len(chosen), generator=generator) < probability
    if not others:
        return chosen
    drawn = torch.randint(0, len(others), (len(chosen),), generator=generator)
    return torch.where(swap, others.start + drawn, chosen)


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
    estimated = training.estimate_probability > 0
    data = ForecastTensors(learn, device, estimated=estimated)
    torso = torso_by_clip(select)
    judged = {"": cut_windows(select, annotated_poses(select), stride=VALIDATION_STRIDE)}
    if estimated:
        poses = [run.estimate for run in select]
        raw = cut_windows(select, poses, stride=VALIDATION_STRIDE)
        judged |= {"raw_": raw} if len(raw) else {}
    steps = training.steps_per_epoch or math.ceil(len(data.forward) / training.batch_size)

    def batches(generator: torch.Generator) -> Iterator[ForecastBatch]:
        for chosen in epoch_indices(len(data.forward), training.batch_size, steps, generator):
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
        errors: list[float] = []
        found: dict[str, float] = {}
        for name, windows in judged.items():
            unit = np.array([torso[select[i].clip] for i in windows.run])
            scores = forecast_scores(windows, forecast(model, windows.observed), unit)
            errors.append(scores.pop("score"))
            found |= {key.replace("val_", f"val_{name}"): value for key, value in scores.items()}
        # Estimated poses count as much as annotated ones.
        return {**found, "score": float(np.mean(errors))}

    torch.manual_seed(training.seed)
    model = build_forecaster(net).to(device)
    experiment = PredictionExperiment(net, training)
    task = Task(experiment, steps, batches, loss, validate)
    start = Initial(initial) if initial else None
    return Trainer(model, task, folder, start).fit(on_epoch)
