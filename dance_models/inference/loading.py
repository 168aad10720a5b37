"""Loading trained networks from their checkpoints, in evaluation mode on the CPU."""

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from dance_models.checkpoint import checkpoint_skeleton, experiment_from_plain, load_checkpoint
from dance_models.config import (
    EstimatorConfig,
    Experiment,
    HrnetExperiment,
    PredictionExperiment,
    RecognitionExperiment,
)
from dance_models.errors import InputError
from dance_models.nets.build import Refiner, build_forecaster, build_refiner
from dance_models.nets.evidence_norm import EvidenceNorm
from dance_models.nets.hrnet import Hrnet
from dance_models.skeleton import Skeleton

_Experiment = TypeVar("_Experiment", bound=Experiment)
_Model = TypeVar("_Model", bound=nn.Module)


def load_refiner(checkpoint: Path) -> Refiner:
    """A trained recognition network. Raises InputError when it is the checkpoint of another."""
    what = "a recognition network"
    experiment, skeleton, weights = _read(checkpoint, RecognitionExperiment, what)
    return _ready(build_refiner(experiment.net, skeleton), weights)


def estimator_for(refiner: Refiner, estimator: EstimatorConfig) -> EstimatorConfig:
    """``estimator`` with the mirrored pass as in the training of ``refiner``, if it reads that."""
    norms = [part for part in refiner.modules() if isinstance(part, EvidenceNorm)]
    if not norms or estimator.name != "blazepose":
        return estimator
    return replace(estimator, mirrored_pass=any(norm.learnt_mirrored for norm in norms))


def load_forecaster(checkpoint: Path) -> nn.Module:
    """A trained prediction network. Raises InputError when it is the checkpoint of another."""
    what = "a prediction network"
    experiment, skeleton, weights = _read(checkpoint, PredictionExperiment, what)
    return _ready(build_forecaster(experiment.net, skeleton), weights)


def load_detector(checkpoint: Path) -> Hrnet:
    """A trained network for crops. Raises InputError when it is the checkpoint of another."""
    what = "a network for person crops"
    experiment, skeleton, weights = _read(checkpoint, HrnetExperiment, what)
    return _ready(Hrnet(experiment.net, skeleton), weights)


def _read(
    checkpoint: Path, kind: type[_Experiment], what: str
) -> tuple[_Experiment, Skeleton, dict[str, Any]]:
    """The parts of a checkpoint. Raises InputError when its experiment is of another kind."""
    state = load_checkpoint(checkpoint)
    experiment, skeleton = experiment_from_plain(state["experiment"]), checkpoint_skeleton(state)
    if not isinstance(experiment, kind):
        raise InputError(f"this is not {what}", file=checkpoint)
    return experiment, skeleton, state["model"]


def _ready(model: _Model, weights: dict[str, Any]) -> _Model:
    model.load_state_dict(weights)
    return model.eval()
