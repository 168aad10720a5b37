"""The networks that a server answers with, and what they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from dance_models.analysis import shipped
from dance_models.analysis.video import Networks
from dance_models.errors import InputError
from dance_models.nets.build import skeleton_of
from dance_models.skeleton import DANCE_14


@dataclass(frozen=True, eq=False)
class Served:
    """The networks of a server, and what each is in words, by task."""

    networks: Networks
    described: Mapping[str, str]


def served_networks(checkpoints: Mapping[str, tuple[Path, str]]) -> Served:
    """Load networks; ``checkpoints`` has path and description by task, shipped ones where absent.

    Each network works on one thread from here on: requests are what runs side by side. Raises
    InputError for a checkpoint of another kind or another skeleton.
    """
    torch.set_num_threads(1)
    own = {"recognition": shipped.RECOGNITION, "prediction": shipped.PREDICTION}
    chosen = {task: checkpoints.get(task, (path, shipped.DESCRIBED)) for task, path in own.items()}
    networks = shipped.networks(chosen["recognition"][0], chosen["prediction"][0])
    for task, network in (
        ("recognition", networks.refiner),
        ("prediction", networks.forecaster),
    ):
        skeleton = skeleton_of(network)
        if skeleton.id != DANCE_14.id:
            raise InputError(
                f"this network is for the skeleton {skeleton.id}, and tracks have {DANCE_14.id}",
                file=chosen[task][0],
            )
    return Served(networks, {task: described for task, (_, described) in chosen.items()})
