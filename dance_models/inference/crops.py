"""Using a trained network for person crops: crops in, poses in pixels of the frames out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dance_models.config import HrnetExperiment
from dance_models.data.crops import Crops
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.inference.keypoints import load_refiner, refine_runs
from dance_models.nets.build import skeleton_of
from dance_models.nets.heatmaps import decode_heatmaps, flip_back
from dance_models.nets.hrnet import Hrnet
from dance_models.training.checkpoint import (
    checkpoint_skeleton,
    experiment_from_plain,
    load_checkpoint,
)
from dance_models.training.crop_batches import from_heatmap, pictures_of

BATCH = 64


def load_detector(checkpoint: Path) -> Hrnet:
    """A trained network for crops, ready to use. Raises InputError on another's checkpoint."""
    state = load_checkpoint(checkpoint)
    experiment = experiment_from_plain(state["experiment"])
    if not isinstance(experiment, HrnetExperiment):
        raise InputError("this is not a network for person crops", file=checkpoint)
    model = Hrnet(experiment.net, checkpoint_skeleton(state))
    model.load_state_dict(state["model"])
    return model.eval()


def heatmaps_of(model: nn.Module, pictures: Tensor, *, mirror: bool) -> Tensor:
    """Heatmaps of pictures (B, 3, H, W), averaged with those of the mirrored ones if asked."""
    heatmaps: Tensor = model(pictures)
    if not mirror:
        return heatmaps
    return (heatmaps + flip_back(model(pictures.flip(-1)), skeleton_of(model))) / 2


@torch.no_grad()
def detect_runs(
    model: nn.Module, runs: Sequence[PoseRun], crops: Crops, *, mirror: bool = True
) -> list[NDArray[np.float32]]:
    """A pose for every frame of every run, each from its own crop; (T, J, 2) in pixels.

    Raises InputError when a frame has no crop.
    """
    model.eval()
    device = next(model.parameters()).device
    rows = crops.rows(runs)
    points = [np.zeros((0, skeleton_of(model).num_joints, 2), np.float32)]
    for start in range(0, len(rows), BATCH):
        pictures = pictures_of(crops.pixels(rows[start : start + BATCH]), device)
        found, _ = decode_heatmaps(heatmaps_of(model, pictures, mirror=mirror).float())
        points.append(from_heatmap(found).cpu().numpy())
    poses = crops.maps(rows).to_frame(np.concatenate(points)).astype(np.float32)
    return np.split(poses, np.cumsum([len(run) for run in runs])[:-1])


def recognised_runs(
    checkpoint: Path, runs: Sequence[PoseRun], crops: Crops | None, *, stride: int = 1
) -> list[NDArray[np.float32]]:
    """What a trained recognition network of either kind says of runs, (T, J, 2) in pixels each.

    ``stride`` is for those that refine windows. Raises InputError when the network needs crops
    and there are none.
    """
    plain = load_checkpoint(checkpoint)["experiment"]
    if not isinstance(experiment_from_plain(plain), HrnetExperiment):
        return refine_runs(load_refiner(checkpoint), runs, stride=stride)
    if crops is None:
        raise InputError(
            "this network sees person crops, and there are none",
            file=checkpoint,
            hint="Materialize person_crops",
        )
    return detect_runs(load_detector(checkpoint), runs, crops)
