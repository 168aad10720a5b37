"""DMGNN: a multiscale graph encoder over three difference orders and a G-GRU decoder.

After Li et al. 2020: scales of joints, bones and limbs (14, 9 and 5 nodes on the default
skeleton); one encoder each for
pose, velocity and acceleration; trainable adjacency A * mul + add; features cross between
neighbouring scales after the first two layers; the decoder adds an MLP of the G-GRU's state to the
last pose. Different from the publication: a quarter of its widths in the encoder and half in the
decoder; the nodes' embeddings that decide the exchange between scales come from the mean over
time; every layer has a residual; neighbours are mixed by a row-normalised matrix; no further layer
follows the merging of the scales; the first velocity repeats the second; the output is an MLP of
two layers without dropout that starts at zero, and the decoder's input has no noise.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from dance_models.config import DmgnnConfig
from dance_models.data.forecast_windows import FUTURE
from dance_models.nets.graph_gru import GraphGru
from dance_models.nets.layers import LockedDropout, NormLast
from dance_models.nets.stga_net import differences
from dance_models.skeleton import DANCE_14, Joints, Skeleton

Parts = tuple[Joints, ...]  # the joints of every node of a scale

STRIDES: Final = (1, 2, 2, 2)
KERNEL: Final = 5  # frames


def scales(skeleton: Skeleton = DANCE_14) -> tuple[Parts, Parts, Parts]:
    """The three scales: single joints, bones, limbs."""
    return tuple((i,) for i in range(skeleton.num_joints)), *skeleton.coarse_scales


def membership(parts: Parts, skeleton: Skeleton = DANCE_14) -> Tensor:
    """(parts, J): mean of the joints of each part."""
    matrix = torch.zeros(len(parts), skeleton.num_joints)
    for i, part in enumerate(parts):
        matrix[i, list(part)] = 1 / len(part)
    return matrix


def part_graph(parts: Parts, skeleton: Skeleton = DANCE_14) -> Tensor:
    """(2, parts, parts): itself, and the neighbours, of which some joints are linked."""
    belongs = (membership(parts, skeleton) > 0).float()
    linked = torch.from_numpy((skeleton.hop_distance() == 1).astype(np.float32))
    near = ((belongs @ linked @ belongs.T) > 0).float().fill_diagonal_(0)
    near = near / near.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.stack([torch.eye(len(parts)), near])


class ScaleLayer(nn.Module):
    """Graph convolution with A * mul + add, convolution over time, residual.

    Shape: (V, B, T, C_in) -> (V, B, ceil(T / stride), C_out).
    """

    graph_parameters = ("scale", "shift")
    adjacency: Tensor

    def __init__(
        self,
        parts: Parts,
        channels_in: int,
        channels_out: int,
        stride: int,
        dropout: float,
        skeleton: Skeleton = DANCE_14,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.register_buffer("adjacency", part_graph(parts, skeleton))
        self.scale = nn.Parameter(torch.ones_like(self.adjacency))
        self.shift = nn.Parameter(torch.zeros_like(self.adjacency))
        self.maps = nn.Linear(2 * channels_in, channels_out, bias=False)
        self.norm = NormLast(channels_out)
        self.time = nn.Conv1d(
            channels_out, channels_out, KERNEL, stride, padding=KERNEL // 2, bias=False
        )
        self.norm_time = NormLast(channels_out)
        self.dropout = LockedDropout(dropout, time_dim=2)
        self.residual = nn.Linear(channels_in, channels_out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """One layer of one scale."""
        edges = (self.adjacency * self.scale + self.shift).flatten(0, 1)  # (2 V, V)
        own, near = (edges @ x.flatten(1)).reshape(2, *x.shape)
        mixed = torch.relu(self.norm(self.maps(torch.cat([own, near], dim=-1))))
        series = mixed.flatten(0, 1).transpose(1, 2)  # (V B, C, T)
        series = self.time(series).transpose(1, 2).unflatten(0, x.shape[:2])
        kept = self.residual(x[:, :, :: self.stride])
        return torch.relu(self.dropout(self.norm_time(series)) + kept)


class Exchange(nn.Module):
    """Features that one scale takes from another: softmax(e_A e_B^T) over the other's nodes.

    e is an embedding of a node's mean over time beside the mean of all nodes of its scale.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(
            nn.Linear(2 * channels, channels), nn.ReLU(), nn.Linear(channels, channels)
        )
        self.maps = nn.Linear(channels, channels)

    def forward(self, to: Tensor, source: Tensor) -> Tensor:
        """(V_A, B, T, C) and (V_B, B, T, C) -> (V_A, B, T, C)."""
        attention = torch.einsum("abc,dbc->bad", self._nodes(to), self._nodes(source))
        return torch.einsum("bad,dbtc->abtc", attention.softmax(dim=-1), self.maps(source))

    def _nodes(self, x: Tensor) -> Tensor:
        nodes = x.mean(dim=2)  # (V, B, C)
        around = nodes.mean(dim=0, keepdim=True).expand_as(nodes)
        out: Tensor = self.embed(torch.cat([nodes, around], dim=-1))
        return out


class ScaleEncoder(nn.Module):
    """All scales of one difference order, (J, B, T, D) -> (J, B, C)."""

    bone: Tensor
    limb: Tensor

    def __init__(self, config: DmgnnConfig, skeleton: Skeleton = DANCE_14) -> None:
        super().__init__()
        self.config = config
        for name, parts in zip(("bone", "limb"), skeleton.coarse_scales, strict=True):
            self.register_buffer(name, membership(parts, skeleton))
        widths = (skeleton.dimensions, *config.widths)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                ScaleLayer(parts, a, b, stride, config.dropout, skeleton)
                for parts in scales(skeleton)
            )
            for (a, b), stride in zip(pairwise(widths), STRIDES, strict=True)
        )
        # bone -> joint, joint -> bone, limb -> bone, bone -> limb, after the first two layers
        self.exchanges = nn.ModuleList(
            nn.ModuleList(Exchange(width) for _ in range(4)) for width in config.widths[:2]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Features of the joints."""
        xs: Sequence[Tensor] = [x, self._pooled(self.bone, x), self._pooled(self.limb, x)]
        for i, layers in enumerate(self.layers):
            xs = [layer(x) for layer, x in zip(_modules(layers), xs, strict=True)]
            if i < len(self.exchanges):
                xs = self._exchanged(xs, _modules(self.exchanges[i]))
        joint, bone, limb = (x.mean(dim=2) for x in xs)  # (V, B, C)
        coarse = self._spread(self.bone, bone) + self._spread(self.limb, limb)
        return joint + self.config.merge * coarse

    def _exchanged(self, xs: Sequence[Tensor], exchange: list[nn.Module]) -> list[Tensor]:
        joint, bone, limb = xs
        weight = self.config.exchange
        return [
            joint + weight * exchange[0](joint, bone),
            bone + weight * (exchange[1](bone, joint) + exchange[2](bone, limb)),
            limb + weight * exchange[3](limb, bone),
        ]

    @staticmethod
    def _pooled(members: Tensor, x: Tensor) -> Tensor:
        return (members @ x.flatten(1)).reshape(-1, *x.shape[1:])

    @staticmethod
    def _spread(members: Tensor, x: Tensor) -> Tensor:
        """Each joint of a part receives all of the part's features."""
        return ((members > 0).to(x.dtype).T @ x.flatten(1)).reshape(-1, *x.shape[1:])


def _modules(modules: nn.Module) -> list[nn.Module]:
    return list(modules.children())


class Dmgnn(nn.Module):
    """Shape: observed (B, 27, J, D) -> forecast (B, 10, J, D), torso lengths."""

    def __init__(self, config: DmgnnConfig, skeleton: Skeleton = DANCE_14) -> None:
        super().__init__()
        self.config, self.skeleton = config, skeleton
        self.encoders = nn.ModuleList(ScaleEncoder(config, skeleton) for _ in range(3))
        self.to_state = nn.Linear(3 * config.widths[-1], config.hidden)
        self.cell = GraphGru(3 * skeleton.dimensions, config.hidden, skeleton)
        self.head = nn.Sequential(
            nn.Linear(config.hidden, config.hidden),
            nn.LeakyReLU(0.1),
            nn.Linear(config.hidden, skeleton.dimensions),
        )
        last = self.head[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, observed: Tensor) -> Tensor:
        """Forecast a batch of windows."""
        velocity = differences(observed)
        orders = (observed, velocity, differences(velocity))
        features = [
            encoder(order.permute(2, 0, 1, 3))
            for encoder, order in zip(self.encoders, orders, strict=True)
        ]
        state = torch.relu(self.to_state(torch.cat(features, dim=-1)))  # (V, B, H)
        pose, v, a = (order[:, -1].transpose(0, 1) for order in orders)
        edges = self.cell.edges()
        forecast = []
        for _ in range(FUTURE):
            state = self.cell(torch.cat([pose, v, a], dim=-1), state, edges)
            step = self.head(state)
            pose, a, v = pose + step, step - v, step
            forecast.append(pose)
        return torch.stack(forecast).permute(2, 0, 1, 3)
