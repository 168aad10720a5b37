"""Training a network for person crops: from an image to heatmaps of the keypoints."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from dance_models.batches.crops import CropBatch, CropTensors, draw_warp
from dance_models.config import HrnetExperiment
from dance_models.data.crops import Crops
from dance_models.data.pose_runs import PoseRun, check_skeleton, frames_of
from dance_models.inference.crops import detect_runs
from dance_models.nets.hrnet import Hrnet
from dance_models.skeleton import DANCE_14, Skeleton
from dance_models.training.devices import prepare
from dance_models.training.loop import EpochRecord, TrainingResult, epoch_indices
from dance_models.training.losses import heatmap_loss
from dance_models.training.ranks import all_ranks
from dance_models.training.rate_search import train_network
from dance_models.training.selection import refinement_scores, split_runs
from dance_models.training.shared_batch import in_parts
from dance_models.training.task import Task

VALIDATION_STRIDE: Final = 4  # annotated frames; neighbours are nearly the same


def _validation_frames(run: PoseRun) -> PoseRun:
    """Every fourth annotated frame of a run, used only for scoring."""
    return frames_of(run, run.annotated.nonzero()[0][::VALIDATION_STRIDE])


def train_detection(
    runs: Sequence[PoseRun],
    crops: Crops,
    experiment: HrnetExperiment,
    folder: Path,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    skeleton: Skeleton = DANCE_14,
) -> TrainingResult:
    """Train on the original runs of split "train", select on "val"; resumes in ``folder``.

    Augmented copies are left out: they have no pictures, and the crops are turned and scaled on
    the fly. ``skeleton`` is that of the runs. Raises InputError when no training frame is
    annotated, a crop is missing, or the runs are of another skeleton.
    """
    arguments = (runs, crops, experiment, folder, None, skeleton)
    with all_ranks(experiment.training, train_detection, *arguments):
        build, task = _detection_training(runs, crops, experiment, skeleton)
        return train_network(build, task, folder, on_epoch=on_epoch)


def _detection_training(
    runs: Sequence[PoseRun], crops: Crops, experiment: HrnetExperiment, skeleton: Skeleton
) -> tuple[Callable[[], nn.Module], Task[CropBatch]]:
    """What builds the network, and the task of :func:`train_detection`; raises what that does."""
    check_skeleton(runs, skeleton)
    training = experiment.training
    device = prepare(training)
    originals = [run for run in runs if run.variant == 0]
    learn, select = split_runs(originals, lambda run: bool(run.annotated.any()), skeleton=skeleton)
    select = [_validation_frames(run) for run in select]
    data = CropTensors(crops, learn, device)
    steps = training.steps_per_epoch or math.ceil(len(data) / training.batch_size)

    def batches(generator: torch.Generator) -> Iterator[CropBatch]:
        for chosen in epoch_indices(len(data), training.batch_size, steps, generator):
            warp = draw_warp(len(chosen), training, experiment.jitter, generator, device, skeleton)
            yield data.batch(chosen, warp)

    def loss(model: nn.Module, batch: CropBatch) -> Tensor:
        return heatmap_loss(in_parts(model, batch.pictures), batch.heatmaps, batch.seen)

    def validate(model: nn.Module) -> dict[str, float]:
        poses = detect_runs(model, select, crops, mirror=False)
        return refinement_scores(select, poses, skeleton=skeleton)

    def build() -> nn.Module:
        return Hrnet(experiment.net, skeleton).to(device)

    # As in the other trainings, folds and seeds are not properties of a single training.
    task = Task(replace(experiment, folds=False, seeds=1), steps, batches, loss, validate)
    return build, task
