"""Whether the devices that trainings ask for are there, before anything is started."""

from collections.abc import Iterable
from dataclasses import asdict

from dance_models.config import TrainingConfig
from dance_models.errors import InputError
from pipelines.cluster import Cluster
from pipelines.training.ray_training import asked_of_node


def refuse_missing_devices(trainings: Iterable[TrainingConfig], cluster: Cluster | None) -> None:
    """Raise InputError unless each training has its devices here, or on one node of the cluster.

    What a training on one device needs is looked at where it runs.
    """
    several = [training for training in trainings if training.devices > 1]
    if not several:
        return
    from dance_models.training.devices import check_devices, check_parts

    try:
        for training in several:
            if cluster is None:
                check_devices(training)
            else:
                check_parts(training)
                asked_of_node(asdict(training), cluster)
    except InputError as error:  # it begins with the name of the setting, as the option's is
        raise InputError(f"--{error.message}", hint=error.hint) from error
