"""Training a recognition network on pose runs."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from dance_models.batches.geometry import draw_geometry
from dance_models.batches.refine import RefineBatch, RefineTensors, draw_hidden, jittered
from dance_models.checkpoint import Initial
from dance_models.config import (
    MkffStGcnConfig,
    RecognitionExperiment,
    RecognitionNet,
    TrainingConfig,
)
from dance_models.data.pose_runs import PoseRun
from dance_models.data.refine_windows import annotated_windows, refine_frames
from dance_models.errors import InputError
from dance_models.inference.refine import refine_runs
from dance_models.nets.build import build_refiner, is_refiner
from dance_models.nets.mkff_st_gcn import MkffStGcn
from dance_models.training.loop import (
    EpochRecord,
    Task,
    Trainer,
    TrainingResult,
    epoch_indices,
    prepare,
)
from dance_models.training.losses import laplace_loss, refinement_loss, style_loss
from dance_models.training.selection import refinement_scores, split_runs

VALIDATION_STRIDE: Final = 3  # frames between the windows that validation averages


def _labels(runs: Sequence[PoseRun], classes: int) -> tuple[str, ...]:
    """The styles of the optional head, in the order of its logits."""
    names = tuple(sorted({run.style for run in runs}))
    if classes and len(names) != classes:
        raise InputError(
            f"style_classes is {classes}, but the training runs have {len(names)} styles: "
            + ", ".join(names)
        )
    return names if classes else ()


def train_recognition(
    runs: Sequence[PoseRun],
    net: RecognitionNet,
    training: TrainingConfig,
    folder: Path,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    initial: Path | None = None,
) -> TrainingResult:
    """Train on the runs of split "train" (all variants), select on "val"; resumes in ``folder``.

    ``initial`` is the ``best.pt`` of a pre-training of the same network: fine-tune from there.
    Raises InputError when no training window is annotated, or ``initial`` does not fit.
    """
    device = prepare(training)
    learn, select = split_runs(runs, lambda run: bool(run.annotated.any()))
    labels = _labels(learn, net.style_classes if isinstance(net, MkffStGcnConfig) else 0)
    frames = refine_frames(learn, net)
    windows = torch.from_numpy(annotated_windows(frames, net))
    if not len(windows):
        raise InputError(
            "the estimator found nobody in the annotated training frames",
            hint="Look at the preview of the pose tracks",
        )
    data = RefineTensors(frames, net, device)
    style = torch.tensor([labels.index(run.style) for run in learn for _ in run.frame if labels])
    steps = training.steps_per_epoch or math.ceil(len(windows) / training.batch_size)

    def batches(generator: torch.Generator) -> Iterator[RefineBatch]:
        for chosen in epoch_indices(len(windows), training.batch_size, steps, generator):
            geometry = draw_geometry(len(chosen), training, generator, device)
            hidden = draw_hidden(len(chosen), net.window, training, generator).to(device)
            batch = data.batch(windows[chosen], geometry, hidden)
            if training.jitter:
                batch = jittered(batch, training.jitter, generator)
            yield batch

    def loss(model: nn.Module, batch: RefineBatch) -> Tensor:
        if isinstance(model, MkffStGcn):
            refined, log_scale, logits = model.refine(batch.packed)
        else:
            refined, log_scale, logits = model(batch.packed), None, None
        if log_scale is not None:
            keypoints = laplace_loss(refined, log_scale, batch.target, batch.visible)
        else:
            keypoints = refinement_loss(
                refined,
                batch.target,
                batch.visible,
                top_k=net.top_k,
                top_k_weight=net.top_k_weight,
            )
        if logits is None:
            return keypoints
        return keypoints + style_loss(logits, style[batch.frames[:, 0]].to(device))

    def validate(model: nn.Module) -> dict[str, float]:
        assert is_refiner(model)
        return refinement_scores(select, refine_runs(model, select, stride=VALIDATION_STRIDE))

    torch.manual_seed(training.seed)
    model = build_refiner(net).to(device)
    task = Task(RecognitionExperiment(net, training), steps, batches, loss, validate, labels)
    start = Initial(initial) if initial else None
    return Trainer(model, task, folder, start).fit(on_epoch)
