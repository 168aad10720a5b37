"""Training a recognition network on pose runs."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from dance_models.batches.refine import RefineBatch, RefineDraw, RefineTensors
from dance_models.config import (
    MkffStGcnConfig,
    RecognitionExperiment,
    RecognitionNet,
    TrainingConfig,
)
from dance_models.data.pose_runs import PoseRun
from dance_models.data.refine_windows import annotated_windows, refine_frames
from dance_models.data.refiner_runs import prepared_runs
from dance_models.errors import InputError
from dance_models.inference.refine import refine_runs
from dance_models.nets.build import build_refiner, is_refiner
from dance_models.nets.mkff_st_gcn import MkffStGcn, Refinement
from dance_models.skeleton import DANCE_14, Skeleton
from dance_models.training.devices import prepare
from dance_models.training.loop import EpochRecord, TrainingResult, epoch_indices
from dance_models.training.losses import laplace_loss, refinement_loss, style_loss
from dance_models.training.ranks import all_ranks
from dance_models.training.rate_search import train_network
from dance_models.training.selection import refinement_scores, split_runs
from dance_models.training.shared_batch import in_parts
from dance_models.training.task import Task

VALIDATION_STRIDE: Final = 3  # frames between the windows that validation averages


def _labels(runs: Sequence[PoseRun], net: RecognitionNet) -> tuple[str, ...]:
    """The styles of the optional head, in the order of its logits."""
    classes = net.style_classes if isinstance(net, MkffStGcnConfig) else 0
    names = tuple(sorted({run.style for run in runs}))
    if classes and len(names) != classes:
        raise InputError(
            f"style_classes is {classes}, but the training runs have {len(names)} styles: "
            + ", ".join(names)
        )
    return names if classes else ()


def _refinement(model: nn.Module, packed: Tensor) -> Refinement:
    if isinstance(model, MkffStGcn):
        return model.refine(packed)
    return Refinement(model(packed), None, None)


class _Recognition:
    """Training windows, their loss and the validation of one training."""

    def __init__(
        self,
        runs: Sequence[PoseRun],
        net: RecognitionNet,
        training: TrainingConfig,
        skeleton: Skeleton,
        device: torch.device,
    ) -> None:
        self.net, self.training, self.skeleton, self.device = net, training, skeleton, device
        learn, self.select = split_runs(
            runs, lambda run: bool(run.annotated.any()), skeleton=skeleton
        )
        self.labels = _labels(learn, net)
        learn = [part for run in learn for part in prepared_runs(run, net, skeleton)]
        frames = refine_frames(learn, net, skeleton)
        self.windows = torch.from_numpy(annotated_windows(frames, net))
        if not len(self.windows):
            raise InputError(
                "no person was detected in the annotated training frames",
                hint="Look at the preview of the pose tracks",
            )
        self.data = RefineTensors(frames, net, device)
        self.style = torch.tensor(
            [self.labels.index(run.style) for run in learn for _ in run.frame if self.labels],
            device=device,
        )
        per_pass = math.ceil(len(self.windows) / training.batch_size)
        self.steps = training.steps_per_epoch or per_pass

    def batches(self, generator: torch.Generator) -> Iterator[RefineDraw]:
        """The draws of one epoch."""
        config = self.training
        for chosen in epoch_indices(len(self.windows), config.batch_size, self.steps, generator):
            yield self.data.draw(self.windows[chosen], config, generator)

    def assemble(self, draw: RefineDraw) -> RefineBatch:
        """The batch of a draw, with the styles of its windows where they are classified."""
        batch = self.data.drawn(draw)
        if not self.labels:
            return batch
        return batch._replace(style=self.style[draw.windows[:, 0]])

    def loss(self, model: nn.Module, batch: RefineBatch) -> Tensor:
        """Of the keypoints, and of the style where the network classifies it."""
        refined, log_scale, logits = in_parts(model, batch.packed, _refinement)
        if log_scale is not None:
            keypoints = laplace_loss(refined, log_scale, batch.target, batch.visible)
        else:
            keypoints = refinement_loss(
                refined,
                batch.target,
                batch.visible,
                top_k=self.net.top_k,
                top_k_weight=self.net.top_k_weight,
            )
        if logits is None:
            return keypoints
        return keypoints + style_loss(logits, batch.style)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Scores of the refined validation runs."""
        assert is_refiner(model)
        refined = refine_runs(model, self.select, stride=VALIDATION_STRIDE)
        return refinement_scores(self.select, refined, skeleton=self.skeleton)


def train_recognition(
    runs: Sequence[PoseRun],
    net: RecognitionNet,
    training: TrainingConfig,
    folder: Path,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    initial: Path | None = None,
    skeleton: Skeleton = DANCE_14,
) -> TrainingResult:
    """Train on the runs of split "train" (all variants), select on "val"; resumes in ``folder``.

    ``initial`` is the ``best.pt`` of a pre-training of the same network: fine-tune from there.
    ``skeleton`` is that of the runs. Raises InputError when no training window is annotated, the
    runs are of another skeleton, or ``initial`` does not fit.
    """
    arguments = (runs, net, training, folder, None, initial, skeleton)
    with all_ranks(training, train_recognition, *arguments):
        build, task = recognition_training(runs, net, training, skeleton)
        return train_network(build, task, folder, initial, on_epoch)


def recognition_training(
    runs: Sequence[PoseRun],
    net: RecognitionNet,
    training: TrainingConfig,
    skeleton: Skeleton = DANCE_14,
) -> tuple[Callable[[], nn.Module], Task[RefineBatch]]:
    """What builds the network, and the task of :func:`train_recognition`; raises what that does."""
    parts = _Recognition(runs, net, training, skeleton, prepare(training))
    task = Task(
        RecognitionExperiment(net, training),
        parts.steps,
        parts.batches,
        parts.loss,
        parts.validate,
        parts.labels,
        parts.assemble,
    )

    def build() -> nn.Module:
        return build_refiner(net, skeleton).to(parts.device)

    return build, task
