"""The ST-GCN block (Eq 1-4): spatial graph convolution, then temporal convolution.

Layout (V, B, T, C). Joints first, so that mixing joints is one matrix product; channels last, so
that mixing channels is another: on a CPU twice as fast as the usual (B, C, T, V).
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from dance_models.config import StGcnConfig
from dance_models.nets.evidence_norm import EvidenceNorm
from dance_models.nets.graph import spatial_partition
from dance_models.nets.layers import LockedDropout, NormLast
from dance_models.nets.refiner_input import (
    evidence_features,
    landmark_features,
    packed_width,
    unpack,
)
from dance_models.skeleton import DANCE_14, Skeleton


class SpatialGraphConv(nn.Module):
    """y_w = sum_k sum_v (A_k * E_k)[v, w] x_v W_k with learnable edge importance E (Eq 2).

    Shape: (V, B, T, C_in) -> (V, B, T, C_out). No bias: normalisation follows.
    """

    graph_parameters = ("importance",)
    adjacency: Tensor

    def __init__(self, channels_in: int, channels_out: int, skeleton: Skeleton = DANCE_14) -> None:
        super().__init__()
        adjacency = spatial_partition(skeleton)
        self.register_buffer("adjacency", adjacency)
        self.importance = nn.Parameter(torch.ones_like(adjacency))
        self.weight = nn.Parameter(torch.empty(len(adjacency), channels_in, channels_out))
        bound = channels_in**-0.5
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """Mix joints along the edges, then channels, a weight for each part of the partition."""
        edges = (self.adjacency * self.importance).transpose(1, 2).flatten(0, 1)  # (3 V, V)
        mixed = (edges @ x.flatten(1)).reshape(len(self.weight), -1, x.shape[-1])
        return torch.bmm(mixed, self.weight).sum(dim=0).reshape(*x.shape[:-1], -1)


class TemporalConv(nn.Conv2d):
    """Convolution over ``kernel`` frames, padded; (V, B, T, C) -> the same."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__(
            channels, channels, (1, kernel), padding=(0, kernel // 2), bias=False
        )  # no bias: normalisation follows

    def forward(self, x: Tensor) -> Tensor:
        """Joints and windows are the rows of one tall picture, frames its columns."""
        picture = x.flatten(0, 1)[None].permute(0, 3, 1, 2)  # (1, C, V B, T), channels last
        return super().forward(picture).permute(0, 2, 3, 1).reshape(x.shape)


class StGcnBlock(nn.Module):
    """Spatial graph convolution, temporal convolution over ``kernel`` frames, residual.

    Stride 1 and padded, so that T is preserved: a refiner must return every frame.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        dropout: float,
        skeleton: Skeleton = DANCE_14,
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            SpatialGraphConv(channels_in, channels_out, skeleton),
            NormLast(channels_out),
            nn.ReLU(),
            TemporalConv(channels_out, kernel),
            NormLast(channels_out),
            LockedDropout(dropout, time_dim=2),
        )
        self.residual: nn.Module = nn.Identity()
        if channels_in != channels_out:
            self.residual = nn.Sequential(
                nn.Linear(channels_in, channels_out, bias=False), NormLast(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(V, B, T, C_in) -> (V, B, T, C_out)."""
        return torch.relu(self.body(x) + self.residual(x))


class StGcnRefiner(nn.Module):
    """ST-GCN without MKFF: the recognition network's spatial stream alone, as an ablation.

    Blocks on pose, confidence and evidence, then a zero-initialised correction. Other landmarks of
    the estimator, when there are any, reach every joint through one linear layer, as they reach
    MKFF-ST-GCN's tokens, so that the two are compared on the same input. Shape: packed input
    (B, T, width) -> refined pose (B, T, J, D).
    """

    def __init__(self, config: StGcnConfig, skeleton: Skeleton = DANCE_14) -> None:
        super().__init__()
        self.config, self.skeleton = config, skeleton
        self.input_width = packed_width(config.landmarks, skeleton, config.evidence)
        c, joints, features = config.channels, skeleton.num_joints, skeleton.dimensions + 1
        self.norm = NormLast(joints * features)
        extra = config.landmarks * landmark_features(skeleton)
        self.landmarks = nn.Linear(extra, joints * c) if config.landmarks else None
        self.evidence_norm = EvidenceNorm(joints) if config.evidence else None
        widths = [features + evidence_features(config.evidence)] + [c] * config.blocks
        self.first, *rest = (
            StGcnBlock(a, b, config.temporal_kernel, config.dropout, skeleton)
            for a, b in pairwise(widths)
        )
        self.rest = nn.Sequential(*rest)
        self.correction = nn.Linear(c, skeleton.dimensions)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, packed: Tensor) -> Tensor:
        """Refine a batch of windows."""
        x = unpack(packed, self.config.landmarks, self.skeleton, self.config.evidence)
        given = torch.cat([x.pose, x.confidence[..., None]], dim=-1)  # (B, T, V, D + 1)
        normed = self.norm(given.flatten(2)).reshape(given.shape)
        if self.evidence_norm is not None:
            normed = torch.cat([normed, self.evidence_norm(x.evidence)], dim=-1)
        features = self.first(normed.permute(2, 0, 1, 3))  # (V, B, T, C)
        if self.landmarks is not None:
            joints = self.skeleton.num_joints
            extra = self.landmarks(x.landmarks.flatten(2)).unflatten(-1, (joints, -1))
            features = features + extra.permute(2, 0, 1, 3)
        correction = self.correction(self.rest(features)).permute(1, 2, 0, 3)
        return torch.add(x.pose, correction)
