"""From a configuration to its network."""

from typing import TypeGuard

from torch import nn

from dance_models.config import (
    DmgnnConfig,
    HbrnnConfig,
    MkffStGcnConfig,
    PredictionNet,
    RecognitionNet,
    SimlpeConfig,
    SmoothNetConfig,
    StgaNetConfig,
    StGcnConfig,
    TGcnConfig,
    TrajGcnConfig,
)
from dance_models.nets.dmgnn import Dmgnn
from dance_models.nets.hbrnn import Hbrnn
from dance_models.nets.mkff_st_gcn import MkffStGcn
from dance_models.nets.simlpe import Simlpe
from dance_models.nets.smoothnet import SmoothNet
from dance_models.nets.st_gcn import StGcnRefiner
from dance_models.nets.stga_net import StgaNet
from dance_models.nets.t_gcn import TGcn
from dance_models.nets.traj_gcn import TrajGcn

# Packed windows (B, T, packed width) -> refined poses (B, T, 14, 2).
Refiner = MkffStGcn | StGcnRefiner | SmoothNet | Hbrnn
# Observed poses (B, 27, 14, 2) -> forecast (B, 10, 14, 2).
Forecaster = StgaNet | Simlpe | TGcn | TrajGcn | Dmgnn


def build_refiner(config: RecognitionNet) -> Refiner:
    """A recognition network with fresh weights."""
    match config:
        case MkffStGcnConfig():
            return MkffStGcn(config)
        case StGcnConfig():
            return StGcnRefiner(config)
        case SmoothNetConfig():
            return SmoothNet(config)
        case HbrnnConfig():
            return Hbrnn(config)


def build_forecaster(config: PredictionNet) -> Forecaster:
    """A prediction network with fresh weights."""
    match config:
        case StgaNetConfig():
            return StgaNet(config)
        case SimlpeConfig():
            return Simlpe(config)
        case TGcnConfig():
            return TGcn(config)
        case TrajGcnConfig():
            return TrajGcn(config)
        case DmgnnConfig():
            return Dmgnn(config)


def is_refiner(model: nn.Module) -> "TypeGuard[Refiner]":
    """Whether the module is one of the recognition networks."""
    return isinstance(model, Refiner)
