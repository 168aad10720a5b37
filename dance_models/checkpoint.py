"""Checkpoints: written atomically, read without pickle's code execution."""

import hashlib
import sys
from collections import OrderedDict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, get_args

import torch
from torch import nn

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
    from_identity,
    identity,
)
from dance_models.errors import InputError
from dance_models.files import replacing
from dance_models.nets.build import skeleton_of
from dance_models.skeleton import DANCE_14, BodyParts, Derivation, Skeleton

_KINDS: Final[dict[str, dict[str, Any]]] = {
    "recognition": {kind.__name__: kind for kind in get_args(RecognitionNet)},
    "prediction": {kind.__name__: kind for kind in get_args(PredictionNet)},
    "detection": {HrnetConfig.__name__: HrnetConfig},
}


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write ``state`` (tensors and plain Python values) under a temporary name, then rename.

    Equal states give equal bytes.
    """
    # A file: given a name, torch would write it, and with it the process id, into the archive.
    with replacing(path) as part, part.open("wb") as file:
        torch.save(_canonical(state), file)


def _canonical(value: Any) -> Any:
    """``value`` with new containers, and one object for all equal strings.

    Pickle writes an object that it has seen before as a reference. Which strings of a state are
    the same object depends on whether it was read from a file.
    """
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, OrderedDict):  # of a module: load_state_dict reads the attribute
        ordered = OrderedDict((_canonical(k), _canonical(v)) for k, v in value.items())
        if hasattr(value, "_metadata"):
            ordered._metadata = _canonical(value._metadata)  # type: ignore[attr-defined]
        return ordered
    if isinstance(value, dict):
        return {_canonical(k): _canonical(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_canonical(item) for item in value)
    return value


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


@dataclass(frozen=True)
class Initial:
    """Weights that a training starts from in place of random ones: another's ``best.pt``.

    All weights are taken over, those of the landmarks too. Motion has no landmarks, so they were
    pre-trained on missing ones; but fresh weights in their place made MKFF-ST-GCN no better when
    it was fine-tuned on a study corpus.
    """

    path: Path

    def digest(self) -> str:
        """sha256 of the file. Raises InputError when it cannot be read."""
        try:
            with self.path.open("rb") as handle:
                return hashlib.file_digest(handle, "sha256").hexdigest()
        except OSError as error:
            raise InputError(
                f"the initial weights cannot be read ({error.strerror})", file=self.path
            ) from error

    def load_into(self, model: nn.Module, experiment: Experiment) -> None:
        """Load them. Raises InputError unless network and skeleton are those of ``experiment``."""
        state, wanted = load_checkpoint(self.path), experiment_to_plain(experiment)
        for part in ("network", "net"):
            if state["experiment"][part] != wanted[part]:
                raise InputError(
                    "the initial weights are of another network or of other sizes",
                    file=self.path,
                    hint="Pre-train the network that is fine-tuned",
                )
        if checkpoint_skeleton(state) != skeleton_of(model):
            raise InputError("the initial weights are of another skeleton", file=self.path)
        model.load_state_dict(state["model"])


def skeleton_record(skeleton: Skeleton) -> dict[str, Any]:
    """The entry of a checkpoint that describes its skeleton; none for the default skeleton."""
    return {} if skeleton == DANCE_14 else {"skeleton": asdict(skeleton)}


def checkpoint_skeleton(state: dict[str, Any]) -> Skeleton:
    """The skeleton of a checkpoint; one without a record is of the default skeleton."""
    if "skeleton" not in state:
        return DANCE_14
    plain = dict(state["skeleton"])
    plain["parts"] = BodyParts(**plain["parts"])
    plain["derivations"] = tuple(Derivation(**entry) for entry in plain["derivations"])
    return Skeleton(**plain)


def experiment_to_plain(experiment: Experiment) -> dict[str, Any]:
    """The identity of an experiment as plain values, with its task and the kind of its network."""
    return {
        "task": _task(experiment),
        "network": type(experiment.net).__name__,
        **identity(experiment),
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
    """The experiment that :func:`experiment_to_plain` wrote."""
    training = from_identity(TrainingConfig, plain["training"])
    kinds = _KINDS[plain["task"]]
    if plain["network"] not in kinds:
        raise InputError(
            f"there is no network {plain['network']} for {plain['task']}",
            hint=f"Known: {', '.join(kinds)}",
        )
    net = from_identity(kinds[plain["network"]], plain["net"])
    folds, seeds = plain["folds"], plain.get("seeds", 1)
    if plain["task"] == "recognition":
        return RecognitionExperiment(net, training, folds, seeds)
    if plain["task"] == "detection":
        jitter = from_identity(CropJitterConfig, plain["jitter"])
        return HrnetExperiment(net, training, jitter, folds, seeds)
    return PredictionExperiment(net, training, folds, seeds)
