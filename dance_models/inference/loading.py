"""Loading trained networks from their checkpoints, in evaluation mode on the CPU."""

from pathlib import Path
from typing import Any

from torch import nn

from dance_models.checkpoint import checkpoint_skeleton, experiment_from_plain, load_checkpoint
from dance_models.config import (
    Experiment,
    HrnetExperiment,
    PredictionExperiment,
    RecognitionExperiment,
)
from dance_models.errors import InputError
from dance_models.nets.build import Refiner, build_forecaster, build_refiner
from dance_models.nets.hrnet import Hrnet
from dance_models.skeleton import Skeleton


def load_refiner(checkpoint: Path) -> Refiner:
    """A trained recognition network. Raises InputError when it is the checkpoint of another."""
    experiment, skeleton, weights = _read(checkpoint)
    if not isinstance(experiment, RecognitionExperiment):
        raise InputError("this is not a recognition network", file=checkpoint)
    model = build_refiner(experiment.net, skeleton)
    model.load_state_dict(weights)
    return model.eval()


def load_forecaster(checkpoint: Path) -> nn.Module:
    """A trained prediction network. Raises InputError when it is the checkpoint of another."""
    experiment, skeleton, weights = _read(checkpoint)
    if not isinstance(experiment, PredictionExperiment):
        raise InputError("this is not a prediction network", file=checkpoint)
    model = build_forecaster(experiment.net, skeleton)
    model.load_state_dict(weights)
    return model.eval()


def load_detector(checkpoint: Path) -> Hrnet:
    """A trained network for crops. Raises InputError when it is the checkpoint of another."""
    experiment, skeleton, weights = _read(checkpoint)
    if not isinstance(experiment, HrnetExperiment):
        raise InputError("this is not a network for person crops", file=checkpoint)
    model = Hrnet(experiment.net, skeleton)
    model.load_state_dict(weights)
    return model.eval()


def _read(checkpoint: Path) -> tuple[Experiment, Skeleton, dict[str, Any]]:
    state = load_checkpoint(checkpoint)
    return experiment_from_plain(state["experiment"]), checkpoint_skeleton(state), state["model"]
