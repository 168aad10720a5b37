"""Small untrained networks and runs that several tests of inference share."""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from dance_models.config import (
    MkffStGcnConfig,
    StgaNetConfig,
)
from dance_models.data.pose_runs import PoseRun
from dance_models.nets.mkff_st_gcn import MkffStGcn
from dance_models.nets.stga_net import StgaNet
from dance_models.training.synthetic import synthetic_runs

SMALL = MkffStGcnConfig(
    spatial_channels=8, spatial_blocks=1, kinematic_channels=8, attention_blocks=1, landmarks=33
)


def _moved(model: nn.Module) -> nn.Module:
    """Perturb the weights, as training would: no longer the identity."""
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def small_refiner(**changes: object) -> MkffStGcn:
    model = _moved(MkffStGcn(replace(SMALL, **changes)))  # type: ignore[arg-type]
    assert isinstance(model, MkffStGcn)
    return model


def small_forecaster() -> StgaNet:
    model = _moved(StgaNet(StgaNetConfig(channels=4, hidden=8)))
    assert isinstance(model, StgaNet)
    return model


def one_run(frames: int = 60, seed: int = 0) -> PoseRun:
    return synthetic_runs(1, frames, seed=seed)[0]


def changed_after(run: PoseRun, after: int) -> PoseRun:
    """The run with another estimate and annotation after a frame."""
    rng = np.random.default_rng(9)
    changed = {}
    for name in ("estimate", "landmarks", "score", "annotation"):
        values = getattr(run, name).copy()
        values[after + 1 :] += rng.normal(0, 20, values[after + 1 :].shape)
        changed[name] = values
    return replace(run, **changed)
