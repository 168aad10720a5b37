"""A small network of each kind and variant, with inputs of the right shape."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, TypeVar, get_args

import torch
from torch import Tensor, nn

from dance_models.config import (
    DmgnnConfig,
    EqMotionConfig,
    FrameMlpConfig,
    HbrnnConfig,
    HrnetConfig,
    MkffStGcnConfig,
    PredictionNet,
    RecognitionNet,
    RefinerConfig,
    SimlpeConfig,
    SmoothNetConfig,
    StgaNetConfig,
    StGcnConfig,
    TGcnConfig,
    TrajGcnConfig,
)
from dance_models.data.forecast_windows import OBSERVED
from dance_models.nets.build import build_forecaster, build_refiner
from dance_models.nets.hrnet import Hrnet
from dance_models.nets.refiner_input import packed_width
from dance_models.skeleton import DANCE_14, BodyParts, Skeleton, side_colours

NetConfig = RecognitionNet | PredictionNet | HrnetConfig
Module = TypeVar("Module", bound=nn.Module)

_MKFF: Final = MkffStGcnConfig(
    spatial_channels=8, spatial_blocks=2, kinematic_channels=16, attention_blocks=2, landmarks=33
)
_ST_GCN: Final = StGcnConfig(channels=8, blocks=2)
_SMOOTHNET: Final = SmoothNetConfig(hidden=32, bottleneck=8, blocks=2)
_MLP: Final = FrameMlpConfig(hidden=16)
_HBRNN: Final = HbrnnConfig(part=6, fused=8, half=10, body=12)
_STGA: Final = StgaNetConfig(channels=8, hidden=16)

REFINERS: Final[dict[str, RecognitionNet]] = {
    "mkff_st_gcn": _MKFF,
    "mkff_st_gcn, keypoints alone": replace(_MKFF, landmarks=0),
    "mkff_st_gcn, style head": replace(_MKFF, style_classes=3),
    "mkff_st_gcn, no confidence": replace(_MKFF, use_confidence=False),
    "mkff_st_gcn, uncertainty": replace(_MKFF, uncertainty=True),
    "mkff_st_gcn, evidence": replace(_MKFF, evidence=True),
    "mkff_st_gcn, evidence, no confidence": replace(_MKFF, evidence=True, use_confidence=False),
    "st_gcn": _ST_GCN,
    "st_gcn, landmarks": replace(_ST_GCN, landmarks=33),
    "st_gcn, evidence": replace(_ST_GCN, landmarks=33, evidence=True),
    "mlp": _MLP,
    "mlp, evidence": replace(_MLP, landmarks=33, evidence=True),
    "smoothnet": _SMOOTHNET,
    "smoothnet, landmarks": replace(_SMOOTHNET, landmarks=33),
    "hbrnn": _HBRNN,
    "hbrnn, landmarks": replace(_HBRNN, landmarks=33),
}
FORECASTERS: Final[dict[str, PredictionNet]] = {
    "stga_net": _STGA,
    "stga_net, gcn": replace(_STGA, graph="gcn", free_decoder=False),
    "stga_net, local-sym": replace(_STGA, graph="local-sym"),
    "stga_net, local-distal": replace(_STGA, graph="local-distal"),
    "stga_net, local": replace(_STGA, graph="local"),
    "stga_net, global": replace(_STGA, graph="global"),
    "stga_net, dct": replace(_STGA, dct_inputs=10),
    "stga_net, faithful": replace(
        _STGA, kinematic_inputs=False, velocity_residual=False, attention="additive"
    ),
    "simlpe": SimlpeConfig(blocks=3),
    "t_gcn": TGcnConfig(hidden=16),
    "t_gcn_residual": TGcnConfig(hidden=16, output="residual"),
    "t_gcn_velocity": TGcnConfig(hidden=16, output="velocity"),
    "traj_gcn": TrajGcnConfig(hidden=16, blocks=2),
    "dmgnn": DmgnnConfig(widths=(8, 8, 8, 16), hidden=16),
    "eqmotion": EqMotionConfig(channels=8, hidden=16, layers=2, categories=2),
}
DETECTORS: Final[dict[str, HrnetConfig]] = {"hrnet": HrnetConfig(width=8, stem=8)}
NETWORKS: Final[dict[str, NetConfig]] = {**REFINERS, **FORECASTERS, **DETECTORS}


def kinds(networks: Iterable[NetConfig]) -> set[str]:
    """The configuration classes of some networks, by name."""
    return {type(config).__name__ for config in networks}


def all_kinds() -> set[str]:
    """The configuration classes of all networks."""
    return {kind.__name__ for kind in (*get_args(RecognitionNet), *get_args(PredictionNet))} | {
        HrnetConfig.__name__
    }


def on_skeleton(config: NetConfig, skeleton: Skeleton) -> NetConfig:
    """The configuration with what the skeleton's estimator reports: landmarks and evidence."""
    if not isinstance(config, RefinerConfig):
        return config
    landmarks = skeleton.num_landmarks if config.landmarks else 0
    return replace(
        config, landmarks=landmarks, evidence=config.evidence and bool(skeleton.num_landmarks)
    )


def build(config: NetConfig, skeleton: Skeleton = DANCE_14, seed: int = 0) -> nn.Module:
    """A network with fresh weights."""
    torch.manual_seed(seed)
    if isinstance(config, HrnetConfig):
        return Hrnet(config, skeleton)
    if isinstance(config, RefinerConfig):
        return build_refiner(config, skeleton)
    return build_forecaster(config, skeleton)


def inputs(config: NetConfig, batch: int, skeleton: Skeleton = DANCE_14) -> Tensor:
    """Random inputs: crops, packed windows, or observed poses that move smoothly."""
    generator = torch.Generator().manual_seed(3)
    if isinstance(config, HrnetConfig):
        return torch.randn(batch, 3, 64, 64, generator=generator)
    if isinstance(config, RefinerConfig):
        width = packed_width(config.landmarks, skeleton, config.evidence)
        return torch.randn(batch, config.window, width, generator=generator)
    shape = (batch, OBSERVED, skeleton.num_joints, skeleton.dimensions)
    return torch.randn(shape, generator=generator).cumsum(dim=1) * 0.1


def perturbed(model: Module, deviation: float = 0.1) -> Module:
    """The network with noise on all weights: a last layer at zero would hide the others."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(deviation * torch.randn(parameter.shape, generator=generator))
    return model


def chain_skeleton(joints: int, dimensions: int) -> Skeleton:
    """A chain of joints, for networks that need only their number."""
    names = tuple(f"joint_{i}" for i in range(joints))
    return Skeleton(
        id=f"chain{joints}",
        names=names,
        dimensions=dimensions,
        edges=tuple((i, i + 1) for i in range(joints - 1)),
        centre=0,
        neck=(0,),
        hips=(joints - 1,),
        distal=(0, joints - 1),
        mirror_pairs=(),
        parts=BodyParts((0,), (0,), (0,), (0,), (0,)),
        coarse_scales=(((0,),), ((0,),)),
        colours=side_colours(names),
    )


def fitted_loss(
    model: nn.Module, x: Tensor, wanted: Tensor, *, below: float, rate: float, most: int
) -> float:
    """The mean square error when Adam has brought it below ``below``, or after ``most`` steps."""
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    loss = float("inf")
    for _ in range(most):
        optimiser.zero_grad()
        error = (model(x) - wanted).square().mean()
        error.backward()
        optimiser.step()
        loss = float(error.detach())
        if loss < below:
            break
    return loss
