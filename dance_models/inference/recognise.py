"""Running a trained recognition network of either kind: on keypoints, or on person crops."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dance_models.checkpoint import experiment_from_plain, load_checkpoint
from dance_models.config import HrnetExperiment, JointDefinition
from dance_models.data.crops import Crops
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.inference.crops import detect_runs
from dance_models.inference.loading import load_detector, load_refiner
from dance_models.inference.refine import refine_runs


def recognised_runs(
    checkpoint: Path,
    runs: Sequence[PoseRun],
    crops: Crops | None,
    *,
    stride: int = 1,
    joints: JointDefinition = "annotation",
) -> list[NDArray[np.float32]]:
    """The poses that a trained recognition network finds in runs, (T, J, D) in pixels each.

    ``stride`` and ``joints`` are for networks that refine windows. Raises InputError when the
    network needs crops and there are none.
    """
    plain = load_checkpoint(checkpoint)["experiment"]
    if not isinstance(experiment_from_plain(plain), HrnetExperiment):
        return refine_runs(load_refiner(checkpoint), runs, stride=stride, joints=joints)
    if crops is None:
        raise InputError(
            "this network reads person crops, and there are none",
            file=checkpoint,
            hint="`dance run` makes them; in the web UI, materialize person_crops",
        )
    return detect_runs(load_detector(checkpoint), runs, crops)
