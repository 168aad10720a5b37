"""Running a trained network for person crops: crops in, poses in pixels of the frames out."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dance_models.batches.crops import from_heatmap, pictures_of
from dance_models.data.crops import Crops
from dance_models.data.pose_runs import PoseRun
from dance_models.nets.build import skeleton_of
from dance_models.nets.heatmaps import decode_heatmaps, flip_back

BATCH = 64


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
    if not runs:
        return []  # as of a fold whose clips were taken away; numpy splits nothing into one part
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
