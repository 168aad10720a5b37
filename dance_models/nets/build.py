"""From a configuration and a skeleton to a network."""

from typing import TypeGuard

from torch import nn

from dance_models.config import (
    DmgnnConfig,
    EqMotionConfig,
    FrameMlpConfig,
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
from dance_models.nets.eqmotion import EqMotion
from dance_models.nets.frame_mlp import FrameMlp
from dance_models.nets.hbrnn import Hbrnn
from dance_models.nets.mkff_st_gcn import MkffStGcn
from dance_models.nets.simlpe import Simlpe
from dance_models.nets.smoothnet import SmoothNet
from dance_models.nets.st_gcn import StGcnRefiner
from dance_models.nets.stga_net import StgaNet
from dance_models.nets.t_gcn import TGcn
from dance_models.nets.traj_gcn import TrajGcn
from dance_models.skeleton import DANCE_14, Skeleton

# Packed windows (B, T, packed width) -> refined poses (B, T, J, D).
Refiner = MkffStGcn | StGcnRefiner | SmoothNet | Hbrnn | FrameMlp
# Observed poses (B, 27, J, D) -> forecast (B, 10, J, D).
Forecaster = StgaNet | Simlpe | TGcn | TrajGcn | Dmgnn | EqMotion


def build_refiner(config: RecognitionNet, skeleton: Skeleton = DANCE_14) -> Refiner:
    """A recognition network with fresh weights."""
    match config:
        case MkffStGcnConfig():
            return MkffStGcn(config, skeleton)
        case StGcnConfig():
            return StGcnRefiner(config, skeleton)
        case SmoothNetConfig():
            return SmoothNet(config, skeleton)
        case HbrnnConfig():
            return Hbrnn(config, skeleton)
        case FrameMlpConfig():
            return FrameMlp(config, skeleton)


def build_forecaster(config: PredictionNet, skeleton: Skeleton = DANCE_14) -> Forecaster:
    """A prediction network with fresh weights."""
    match config:
        case StgaNetConfig():
            return StgaNet(config, skeleton)
        case SimlpeConfig():
            return Simlpe(config, skeleton)
        case TGcnConfig():
            return TGcn(config, skeleton)
        case TrajGcnConfig():
            return TrajGcn(config, skeleton)
        case DmgnnConfig():
            return Dmgnn(config, skeleton)
        case EqMotionConfig():
            return EqMotion(config, skeleton)


def is_refiner(model: nn.Module) -> "TypeGuard[Refiner]":
    """Whether the module is one of the recognition networks."""
    return isinstance(model, Refiner)


def skeleton_of(model: nn.Module) -> Skeleton:
    """The skeleton a network was built for; the default one for a module that has none."""
    found = getattr(model, "skeleton", DANCE_14)
    assert isinstance(found, Skeleton)
    return found
