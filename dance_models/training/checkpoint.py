"""Checkpoints: written atomically, read without pickle's code execution."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, get_args

import torch

from dance_models.config import (
    CropJitterConfig,
    Experiment,
    HrnetConfig,
    HrnetExperiment,
    PredictionExperiment,
    PredictionNet,
    RecognitionExperiment,
    RecognitionNet,
    TrainingConfig,
)
from dance_models.errors import InputError

_KINDS: Final[dict[str, dict[str, Any]]] = {
    "recognition": {kind.__name__: kind for kind in get_args(RecognitionNet)},
    "prediction": {kind.__name__: kind for kind in get_args(PredictionNet)},
    "detection": {HrnetConfig.__name__: HrnetConfig},
}


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write ``state`` (tensors and plain Python values) under a temporary name, then rename."""
    part = path.with_name(f".{path.name}.part")
    torch.save(state, part)
    part.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU. Raises InputError when it cannot be read."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(
            f"the checkpoint cannot be read ({type(error).__name__}: {error})",
            file=path,
            hint="Delete it to train from the start",
        ) from error
    return state


def experiment_to_plain(experiment: Experiment) -> dict[str, Any]:
    """The experiment as plain values, with its task and the kind of its network."""
    return {
        "task": _task(experiment),
        "network": type(experiment.net).__name__,
        **asdict(experiment),
    }


def _task(experiment: Experiment) -> str:
    match experiment:
        case RecognitionExperiment():
            return "recognition"
        case PredictionExperiment():
            return "prediction"
        case HrnetExperiment():
            return "detection"


def experiment_from_plain(plain: dict[str, Any]) -> Experiment:
    """The experiment that :func:`experiment_to_plain` wrote; lists become tuples again."""

    def tuples(section: dict[str, Any]) -> dict[str, Any]:
        return {k: tuple(v) if isinstance(v, list) else v for k, v in section.items()}

    training = TrainingConfig(**tuples(plain["training"]))
    kinds = _KINDS[plain["task"]]
    if plain["network"] not in kinds:
        raise InputError(
            f"there is no network {plain['network']} for {plain['task']}",
            hint=f"Known: {', '.join(kinds)}",
        )
    net = kinds[plain["network"]](**tuples(plain["net"]))
    if plain["task"] == "recognition":
        return RecognitionExperiment(net, training, plain["folds"])
    if plain["task"] == "detection":
        jitter = CropJitterConfig(**plain["jitter"])
        return HrnetExperiment(net, training, jitter, plain["folds"])
    return PredictionExperiment(net, training, plain["folds"])
