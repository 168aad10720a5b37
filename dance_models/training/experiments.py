"""Training what an experiment describes: one network, or all folds and seeds of it."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch

from dance_models.config import Experiment, HrnetExperiment, RecognitionExperiment
from dance_models.data.crops import Crops
from dance_models.data.folds import fold_runs
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.training.detection import train_detection
from dance_models.training.devices import choose_device
from dance_models.training.loop import EpochRecord, TrainingResult
from dance_models.training.prediction import prediction_training, train_prediction
from dance_models.training.recognition import recognition_training, train_recognition
from dance_models.training.stacked import train_stacked, why_apart
from dance_models.training.task import Training


class Wanted(NamedTuple):
    """A training that is asked for."""

    runs: Sequence[PoseRun]  # of splits "train" and "val"
    experiment: Experiment
    folder: Path


def on_folds(
    runs: Sequence[PoseRun], experiment: Experiment, folder: Path, *, seeds: int, folds: int
) -> list[Wanted]:
    """For each seed, from that of the experiment on, the training on each of the first folds.

    In ``fold_K`` of ``folder``, and from the second seed on of ``seed_N``. What a fold tests on is
    left out. Raises InputError on fewer than three folds.
    """
    found = []
    for seed, fold in product(range(seeds), range(folds)):
        training = replace(experiment.training, seed=experiment.training.seed + seed)
        place = folder / f"seed_{seed}" if seed else folder
        learn = [run for run in fold_runs(runs, fold) if run.split != "test"]
        found.append(Wanted(learn, replace(experiment, training=training), place / f"fold_{fold}"))
    return found


def train_experiment(
    wanted: Wanted,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    *,
    crops: Path | None = None,
    initial: Path | None = None,
) -> TrainingResult:
    """Train one network; resumes in its folder.

    ``crops`` is the file of person crops that a network on pixels reads, ``initial`` the
    ``best.pt`` that another starts from. Raises InputError when the first is missing, or the second
    is given to a network on pixels, and what the training of the task does.
    """
    runs, experiment, folder = wanted
    if isinstance(experiment, HrnetExperiment):
        if initial:
            raise InputError("this network can only start from random weights", file=initial)
        if crops is None:
            raise InputError("this network reads person crops", hint="Name their file: --crops")
        return train_detection(runs, Crops.open(crops), experiment, folder, on_epoch)
    training = experiment.training
    if isinstance(experiment, RecognitionExperiment):
        return train_recognition(runs, experiment.net, training, folder, on_epoch, initial)
    return train_prediction(runs, experiment.net, training, folder, on_epoch, initial)


def train_experiments(
    wanted: Sequence[Wanted],
    on_epoch: Callable[[int, EpochRecord], None] | None = None,
    *,
    crops: Path | None = None,
    initial: Path | None = None,
) -> Iterator[TrainingResult]:
    """Train the folds and seeds of one network; their results in their order, as they come.

    ``on_epoch`` gets the place of the training in ``wanted``. On a GPU all step as one
    (:func:`~dance_models.training.stacked.train_stacked`) where they can and the setting
    ``stacked`` is on: one of these networks fills a small part of it. Where its memory does not
    hold all of them, a warning says so, and they go on alone. On a CPU, each is trained when its
    result is asked for. Raises what :func:`train_experiment` does.
    """
    results = None
    try:
        if (together := _together(wanted, initial)) is not None:
            results = train_stacked(together, on_epoch)
    except torch.OutOfMemoryError:
        warnings.warn(
            f"the GPU's memory does not hold {len(wanted)} trainings together: each goes on alone. "
            "Set stacked to false to leave out the attempt",
            stacklevel=2,
        )
    if results is not None:
        yield from results
        return
    together = None  # what it holds of the memory is needed
    for place, one in enumerate(wanted):
        told = partial(on_epoch, place) if on_epoch else None
        yield train_experiment(one, told, crops=crops, initial=initial)


def _together(wanted: Sequence[Wanted], initial: Path | None) -> list[Training] | None:
    """The trainings that are to step as one; None where each goes alone."""
    config = wanted[0].experiment.training
    if len(wanted) == 1 or not config.stacked or choose_device(config).type != "cuda":
        return None
    trainings = []
    for runs, experiment, folder in wanted:
        if isinstance(experiment, HrnetExperiment):
            return None
        training = experiment.training
        if isinstance(experiment, RecognitionExperiment):
            refiner = recognition_training(runs, experiment.net, training)
            trainings.append(Training(*refiner, folder, initial))
        else:
            forecaster = prediction_training(runs, experiment.net, training)
            trainings.append(Training(*forecaster, folder, initial))
    return None if why_apart(trainings) else trainings
