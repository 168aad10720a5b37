"""Running a trained prediction network: observed poses in, forecasts out, in pixels."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dance_models.data.forecast_windows import FUTURE
from dance_models.geometry import mirror_keypoints, pelvis
from dance_models.metrics.torso import window_torso
from dance_models.nets.build import skeleton_of
from dance_models.nets.threads import torch_threads
from dance_models.skeleton import DANCE_14, Skeleton

BATCH = 128  # larger ones leave the cache of a CPU


def window_scale(
    observed: NDArray[np.floating], *, skeleton: Skeleton = DANCE_14
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Centre (N, 1, 1, D): last observed pelvis; scale (N, 1, 1, 1): median observed torso."""
    centre = pelvis(observed[:, -1], skeleton=skeleton)[:, None, None]
    scale = window_torso(observed, skeleton=skeleton)[:, None, None, None]
    return centre.astype(np.float32), scale.astype(np.float32)


@torch.no_grad()
@torch_threads()
def forecast(model: nn.Module, observed: NDArray[np.floating]) -> NDArray[np.float32]:
    """Observed poses (N, 27, J, D) in pixels -> forecast (N, 10, J, D) in pixels."""
    if not len(observed):
        return np.zeros((0, FUTURE, *observed.shape[2:]), np.float32)
    if model.training:  # eval() visits every module, for each frame of a live one
        model.eval()
    device = next(model.parameters()).device
    centre, scale = window_scale(observed, skeleton=skeleton_of(model))
    inputs = torch.from_numpy(((observed - centre) / scale).astype(np.float32))
    parts = [model(chunk.to(device)).float().cpu().numpy() for chunk in torch.split(inputs, BATCH)]
    return np.asarray(np.concatenate(parts) * scale + centre)


def forecast_mirror_gap(model: nn.Module, observed: NDArray[np.floating]) -> NDArray[np.float32]:
    """Distance (N, 10, J) in pixels between forecasts of windows and of their mirror images."""
    width = 1  # any: the network sees poses about the pelvis
    skeleton = skeleton_of(model)
    other = forecast(model, mirror_keypoints(observed, width, skeleton=skeleton))
    gap = forecast(model, observed) - mirror_keypoints(other, width, skeleton=skeleton)
    return np.asarray(np.linalg.norm(gap, axis=-1))
