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

from dance_models.batches.geometry import Geometry, draw_geometry
from dance_models.config import PredictionExperiment, PredictionNet, TrainingConfig
from dance_models.data.forecast_windows import ForecastWindows, cut_windows
from dance_models.data.pose_runs import PoseRun, check_skeleton
from dance_models.inference.forecast import forecast, window_scale
from dance_models.metrics.torso import torso_by_clip, visible_annotation
from dance_models.nets.build import build_forecaster
from dance_models.skeleton import DANCE_14, Skeleton
from dance_models.training.devices import prepare
from dance_models.training.loop import EpochRecord, TrainingResult, epoch_indices
from dance_models.training.losses import forecast_loss
from dance_models.training.ranks import all_ranks
from dance_models.training.rate_search import train_network
from dance_models.training.selection import forecast_scores, split_runs
from dance_models.training.shared_batch import in_parts
from dance_models.training.task import Task

VALIDATION_STRIDE: Final = 3  # frames between validation windows


class ForecastBatch(NamedTuple):
    """Observed and future poses in torso lengths about the last observed pelvis."""

    observed: Tensor  # (B, 27, J, D)
    future: Tensor  # (B, 10, J, D), 0 where unknown
    known: Tensor  # (B, 10, J) 1 where the future is annotated


class ForecastDraw(NamedTuple):
    """What is drawn for a batch, on the CPU, so that a seed means the same on every device."""

    windows: Tensor  # (B,) window numbers
    matrix: Tensor  # (B, D, D)
    mirrored: Tensor  # (B,) bool


def reversed_run(run: PoseRun) -> PoseRun:
    """The run reversed in time; the time stamps still increase."""
    return replace(
        run,
        time_s=run.time_s[-1] - run.time_s[::-1],
        annotation=run.annotation[::-1],
        visibility=run.visibility[::-1],
        derived=run.derived[::-1],
    )


def _has_windows(run: PoseRun, skeleton: Skeleton) -> bool:
    poses = [visible_annotation(run)]
    return len(cut_windows([run], poses, stride=VALIDATION_STRIDE, skeleton=skeleton)) > 0


class ForecastTensors:
    """All windows as tensors on the device.

    Annotated ones forward and backward in time; with ``estimated`` also those whose past is the
    estimate, while the future is annotated.
    """

    def __init__(
        self,
        runs: Sequence[PoseRun],
        device: torch.device,
        *,
        estimated: bool = False,
        skeleton: Skeleton = DANCE_14,
    ) -> None:
        self.skeleton = skeleton
        back = [reversed_run(run) for run in runs]
        poses = [(part, [visible_annotation(run) for run in part]) for part in (runs, back)]
        if estimated:
            poses.append((runs, [run.estimate for run in runs]))
        cuts = [cut_windows(*pair, skeleton=skeleton) for pair in poses]
        parts = [self._scaled(windows) for windows in cuts]
        self.observed, self.future, self.known = (
            torch.cat([part[i] for part in parts]).to(device) for i in range(3)
        )
        self.forward, self.backward, *rest = _ranges([len(windows) for windows in cuts])
        self.estimated = rest[0] if rest else range(0)

    def _scaled(self, windows: ForecastWindows) -> ForecastBatch:
        centre, scale = window_scale(windows.observed, skeleton=self.skeleton)
        future = (windows.future - centre) / scale
        known = np.isfinite(future).all(axis=-1)
        return ForecastBatch(
            torch.from_numpy(((windows.observed - centre) / scale).astype(np.float32)),
            torch.from_numpy(np.where(known[..., None], future, 0).astype(np.float32)),
            torch.from_numpy(known.astype(np.float32)),
        )

    def draw(
        self, chosen: Tensor, config: TrainingConfig, generator: torch.Generator
    ) -> ForecastDraw:
        """Draw a batch; some windows are replaced by reversed or estimated ones."""
        chosen = _replaced(chosen, self.backward, config.reverse_probability, generator)
        if self.estimated:
            chosen = _replaced(chosen, self.estimated, config.estimate_probability, generator)
        cpu = torch.device("cpu")
        geometry = draw_geometry(len(chosen), config, generator, cpu, self.skeleton)
        return ForecastDraw(chosen, geometry.matrix, geometry.mirrored)

    def drawn(self, draw: ForecastDraw) -> ForecastBatch:
        """The windows of a draw whose tensors are on the device, all transformed."""
        geometry = Geometry(draw.matrix, draw.mirrored, self.skeleton)
        return ForecastBatch(
            geometry.poses(self.observed[draw.windows]),
            geometry.poses(self.future[draw.windows]),
            geometry.swap_joints(self.known[draw.windows], 2),
        )


def _ranges(lengths: Sequence[int]) -> list[range]:
    """The slices of parts of these lengths after concatenation."""
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


class _Prediction:
    """Training windows, their loss and the validation of one training."""

    def __init__(
        self,
        runs: Sequence[PoseRun],
        training: TrainingConfig,
        skeleton: Skeleton,
        device: torch.device,
    ) -> None:
        check_skeleton(runs, skeleton)
        self.training = training
        learn, self.select = split_runs(
            runs, lambda run: _has_windows(run, skeleton), skeleton=skeleton
        )
        estimated = training.estimate_probability > 0
        self.data = ForecastTensors(learn, device, estimated=estimated, skeleton=skeleton)
        self.torso = torso_by_clip(self.select, skeleton=skeleton)
        poses = [visible_annotation(run) for run in self.select]
        self.windows = {"": self._validation_windows(poses, skeleton)}
        if estimated:
            raw = self._validation_windows([run.estimate for run in self.select], skeleton)
            self.windows |= {"raw_": raw} if len(raw) else {}
        per_pass = math.ceil(len(self.data.forward) / training.batch_size)
        self.steps = training.steps_per_epoch or per_pass

    def _validation_windows(
        self, poses: Sequence[NDArray[np.floating]], skeleton: Skeleton
    ) -> ForecastWindows:
        return cut_windows(self.select, poses, stride=VALIDATION_STRIDE, skeleton=skeleton)

    def batches(self, generator: torch.Generator) -> Iterator[ForecastDraw]:
        """The draws of one epoch."""
        config, count = self.training, len(self.data.forward)
        for chosen in epoch_indices(count, config.batch_size, self.steps, generator):
            yield self.data.draw(chosen, config, generator)

    def loss(self, model: nn.Module, batch: ForecastBatch) -> Tensor:
        """Of the positions and of the steps between frames."""
        return forecast_loss(
            in_parts(model, batch.observed),
            batch.future,
            batch.observed[:, -1],
            batch.known,
            velocity_weight=self.training.velocity_weight,
        )

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Scores of annotated windows and, where they are trained on, of estimated ones."""
        errors: list[float] = []
        found: dict[str, float] = {}
        for name, windows in self.windows.items():
            unit = np.array([self.torso[self.select[i].clip] for i in windows.run])
            scores = forecast_scores(windows, forecast(model, windows.observed), unit)
            errors.append(scores.pop("score"))
            found |= {key.replace("val_", f"val_{name}"): value for key, value in scores.items()}
        # Estimated poses count as much as annotated ones.
        return {**found, "score": float(np.mean(errors))}


def train_prediction(
    runs: Sequence[PoseRun],
    net: PredictionNet,
    training: TrainingConfig,
    folder: Path,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    initial: Path | None = None,
    skeleton: Skeleton = DANCE_14,
) -> TrainingResult:
    """Train on the runs of split "train" (all variants), select on "val"; resumes in ``folder``.

    ``initial`` is the ``best.pt`` of a pre-training of the same network: fine-tune from there.
    ``skeleton`` is that of the runs. Raises InputError when no run is annotated for a whole window
    (37 steps of 40 ms), the runs are of another skeleton, or ``initial`` does not fit.
    """
    arguments = (runs, net, training, folder, None, initial, skeleton)
    with all_ranks(training, train_prediction, *arguments):
        build, task = prediction_training(runs, net, training, skeleton)
        return train_network(build, task, folder, initial, on_epoch)


def prediction_training(
    runs: Sequence[PoseRun],
    net: PredictionNet,
    training: TrainingConfig,
    skeleton: Skeleton = DANCE_14,
) -> tuple[Callable[[], nn.Module], Task[ForecastBatch]]:
    """What builds the network, and the task of :func:`train_prediction`; raises what that does."""
    device = prepare(training)
    parts = _Prediction(runs, training, skeleton, device)
    experiment = PredictionExperiment(net, training)
    task = Task(
        experiment,
        parts.steps,
        parts.batches,
        parts.loss,
        parts.validate,
        assemble=parts.data.drawn,
    )

    def build() -> nn.Module:
        return build_forecaster(net, skeleton).to(device)

    return build, task
