"""What a training is made of: what differs between the trainings of the networks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from dance_models.config import Experiment

Batch = TypeVar("Batch")


@dataclass(frozen=True)
class Task(Generic[Batch]):
    """What differs between the trainings.

    Without ``assemble`` an epoch consists of batches. With it, of draws: tuples of small tensors
    on the CPU, of one shape in all steps, from which ``assemble`` makes the batch on the device
    without a copy from the host. Such a training can be captured, and stacked with others.
    """

    experiment: Experiment
    steps_per_epoch: int
    batches: Callable[[torch.Generator], Iterator[Any]]  # one epoch of batches or of draws
    loss: Callable[[nn.Module, Batch], Tensor]
    validate: Callable[[nn.Module], dict[str, float]]  # has "score", lower is better
    labels: tuple[str, ...] = ()  # names of the classes of a classifying head
    assemble: Callable[[Any], Batch] | None = None  # a draw on the device -> its batch


class Training(NamedTuple):
    """One training: what builds the network, what it learns, and where."""

    build: Callable[[], nn.Module]
    task: Task[Any]
    folder: Path
    initial: Path | None = None  # the ``best.pt`` of a pre-training of the same network
