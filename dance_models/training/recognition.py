"""Training MKFF-ST-GCN on pose runs."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from dance_models.config import MkffStGcnConfig, RecognitionExperiment, TrainingConfig
from dance_models.data.pose_runs import PoseRun
from dance_models.data.refine_windows import annotated_windows, refine_frames
from dance_models.errors import InputError
from dance_models.nets.mkff_st_gcn import MkffStGcn
from dance_models.training.geometry import draw_geometry
from dance_models.training.inference import refine_runs
from dance_models.training.loop import (
    EpochRecord,
    Task,
    Trainer,
    TrainingResult,
    epoch_indices,
    prepare,
)
from dance_models.training.losses import refinement_loss
from dance_models.training.refine_batches import RefineBatch, RefineTensors, draw_hidden
from dance_models.training.selection import refinement_scores, split_runs


def train_recognition(
    runs: Sequence[PoseRun],
    net: MkffStGcnConfig,
    training: TrainingConfig,
    folder: Path,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> TrainingResult:
    """Train on the runs of split "train" (all variants), select on "val"; resumes in ``folder``.

    Raises InputError when no training window is annotated.
    """
    device = prepare(training)
    learn, select = split_runs(runs)
    frames = refine_frames(learn, net)
    windows = torch.from_numpy(annotated_windows(frames, net.window))
    if not len(windows):
        raise InputError(
            f"no {net.window} annotated frames in a row to train on",
            hint="Annotate contiguous frames, not single ones",
        )
    data = RefineTensors(frames, net, device)
    steps = training.steps_per_epoch or math.ceil(len(windows) / training.batch_size)

    def batches(generator: torch.Generator) -> Iterator[RefineBatch]:
        for chosen in epoch_indices(len(windows), training.batch_size, steps, generator):
            geometry = draw_geometry(len(chosen), training, generator, device)
            hidden = draw_hidden(len(chosen), net.window, training, generator).to(device)
            batch = data.batch(windows[chosen], geometry, hidden)
            if training.jitter:
                batch = _jittered(batch, training.jitter, generator)
            yield batch

    def loss(model: nn.Module, batch: RefineBatch) -> Tensor:
        return refinement_loss(
            model(batch.packed),
            batch.target,
            batch.visible,
            top_k=net.top_k,
            top_k_weight=net.top_k_weight,
        )

    def validate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, MkffStGcn)
        return refinement_scores(select, refine_runs(model, select))

    torch.manual_seed(training.seed)
    model = MkffStGcn(net).to(device)
    experiment = RecognitionExperiment(net, training)
    return Trainer(model, Task(experiment, steps, batches, loss, validate), folder).fit(on_epoch)


def _jittered(batch: RefineBatch, deviation: float, generator: torch.Generator) -> RefineBatch:
    """Add noise to everything that is observed; visibilities and scores move little by it."""
    noise = deviation * torch.randn(batch.packed.shape, generator=generator)
    return batch._replace(packed=batch.packed + noise.to(batch.packed.device))
