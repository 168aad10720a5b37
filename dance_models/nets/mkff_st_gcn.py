"""MKFF-ST-GCN: refines estimated keypoints with kinematic features, attention and ST-GCN.

Spatial stream: ST-GCN blocks on pose, keypoint flow and confidence. MKFF stream (Eq 7-9): one
token a frame from velocity and acceleration through three pre-norm attention blocks. An addition:
the estimator's evidence for each joint enters the spatial stream, where it can say which joint is
wrong, and the tokens get of it what says which frame to trust. The decoder,
which the paper leaves open, joins both in one ST-GCN block and adds a zero-initialised correction
to the pose, so that an untrained network returns its input pose.
"""

import math
from itertools import pairwise
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from dance_models.config import MkffStGcnConfig
from dance_models.evidence import TRUST
from dance_models.nets.evidence_norm import LARGEST, EvidenceNorm
from dance_models.nets.layers import NormLast
from dance_models.nets.refiner_input import (
    RefinerInput,
    evidence_features,
    landmark_features,
    packed_width,
    unpack,
)
from dance_models.nets.st_gcn import StGcnBlock
from dance_models.skeleton import DANCE_14, Skeleton

FIRST_SCALE: Final = 0.05  # torso lengths: the error of a joint before anything is learnt


class Refinement(NamedTuple):
    """Everything that the network returns for a batch of windows."""

    pose: Tensor  # (B, T, J, D)
    log_scale: Tensor | None  # (B, T, J), of the Laplace distribution of a coordinate's error
    style: Tensor | None  # logits (B, classes)


def outputs(returned: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor | None]:
    """The network's return value as (refined pose, style logits or None)."""
    return returned if isinstance(returned, tuple) else (returned, None)


class KinematicAttention(nn.Module):
    """One block of Eq 8-9: Q, K and V each get the position code; pre-norm, residual, MLP.

    Shape: (B, T, C) -> (B, T, C).
    """

    def __init__(self, channels: int, heads: int, window: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm_mlp = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.position = nn.Parameter(0.02 * torch.randn(window, channels))  # E_pos
        self.out = nn.Linear(channels, channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 2 * channels),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * channels, channels),
        )

    def forward(self, z: Tensor) -> Tensor:
        """softmax(Q K^T / sqrt(d_k)) V over frames, then the MLP."""
        batch, frames, channels = z.shape
        qkv = self.qkv(self.norm(z)).unflatten(-1, (3, channels)) + self.position[:, None]
        q, k, v = qkv.unflatten(-1, (self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        z = z + self.out(mixed.transpose(1, 2).reshape(batch, frames, channels))
        refined: Tensor = z + self.mlp(self.norm_mlp(z))
        return refined


class EvidenceInput(nn.Module):
    """The evidence for both streams: normalised, and what of it the frame tokens get."""

    trust: Tensor  # places of what says which frame to trust

    def __init__(self, joints: int, channels: int, *, confidence: bool) -> None:
        super().__init__()
        self.register_buffer("trust", torch.tensor(TRUST), persistent=False)
        self.norm = EvidenceNorm(joints)
        self.confidence_norm = NormLast(joints) if confidence else None
        self.tokens = nn.Linear(joints * (int(confidence) + len(TRUST)), channels)

    def trust_tokens(self, confidence: Tensor, normed: Tensor) -> Tensor:
        """(B, T, J) and normalised evidence (B, T, J, F) -> (B, T, C): which frame to trust.

        The estimator's confidence, the width of its peak, and how far its two passes are apart.
        """
        trust = normed[..., self.trust].flatten(2)
        if self.confidence_norm is not None:
            sure = self.confidence_norm(confidence).clamp(-LARGEST, LARGEST)
            trust = torch.cat([sure, trust], dim=-1)
        tokens: Tensor = self.tokens(trust)
        return tokens


class MkffStGcn(nn.Module):
    """Recognition network (docs/method.md, "MKFF-ST-GCN").

    Shape: packed input (B, T, ``packed_width``) -> refined pose (B, T, J, D), or a
    pair with style logits (B, classes) when the style head is on. Units: torso lengths about the
    window's centre.
    """

    def __init__(self, config: MkffStGcnConfig, skeleton: Skeleton = DANCE_14) -> None:
        super().__init__()
        self.config, self.skeleton = config, skeleton
        c, k = config.spatial_channels, config.kinematic_channels
        joints, axes = skeleton.num_joints, skeleton.dimensions
        self.input_width = packed_width(config.landmarks, skeleton, config.evidence)
        spatial_in = 2 * axes + int(config.use_confidence)  # P, F and confidence
        self.spatial_norm = NormLast(joints * spatial_in)
        widths = [spatial_in + evidence_features(config.evidence)] + [c] * config.spatial_blocks
        self.spatial = nn.Sequential(
            *(
                StGcnBlock(a, b, config.temporal_kernel, config.dropout, skeleton)
                for a, b in pairwise(widths)
            )
        )
        self.tokens = nn.Linear(2 * joints * axes, k)  # W_o of Eq 7, (2 K D) x C
        extra = config.landmarks * landmark_features(skeleton)
        # Other landmarks of the estimator: an addition to the paper.
        self.landmark_tokens = nn.Linear(extra, k) if config.landmarks else None
        self.evidence = (
            EvidenceInput(joints, k, confidence=config.use_confidence) if config.evidence else None
        )
        self.attention = nn.Sequential(
            *(
                KinematicAttention(k, config.attention_heads, config.window, config.dropout)
                for _ in range(config.attention_blocks)
            )
        )
        self.activation = nn.Sequential(nn.LeakyReLU(), nn.Dropout(config.dropout))
        self.spread = nn.Linear(k, joints * c)
        self.decoder = StGcnBlock(2 * c, c, config.temporal_kernel, config.dropout, skeleton)
        self.correction = nn.Linear(c, axes)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)
        self.style = nn.Linear(c, config.style_classes) if config.style_classes else None
        self.log_scale = nn.Linear(c, 1) if config.uncertainty else None
        if self.log_scale is not None:
            nn.init.zeros_(self.log_scale.weight)
            nn.init.constant_(self.log_scale.bias, math.log(FIRST_SCALE))

    def forward(self, packed: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Refine a batch of windows."""
        found = self.refine(packed)
        return found.pose if found.style is None else (found.pose, found.style)

    def refine(self, packed: Tensor) -> Refinement:
        """Refine a batch of windows, with each joint's scale of error when that is learnt."""
        x = unpack(packed, self.config.landmarks, self.skeleton, self.config.evidence)
        evidence = self.evidence.norm(x.evidence) if self.evidence else None
        spatial = self._spatial_stream(x, evidence)  # (V, B, T, C)
        kinematic = self._kinematic_stream(x, evidence)
        decoded = self.decoder(torch.cat([spatial, kinematic], dim=-1))
        delta = self.correction(decoded).permute(1, 2, 0, 3)  # (B, T, V, D)
        refined: Tensor = (x.flow if self.config.residual_on_flow else x.pose) + delta
        return Refinement(
            refined,
            self.log_scale(decoded)[..., 0].permute(1, 2, 0) if self.log_scale else None,
            self.style(spatial.mean(dim=(0, 2))) if self.style else None,
        )

    def _spatial_stream(self, x: RefinerInput, evidence: Tensor | None) -> Tensor:
        given = [x.pose, x.flow] + ([x.confidence[..., None]] if self.config.use_confidence else [])
        features = torch.cat(given, dim=-1)  # (B, T, V, F)
        parts = [self.spatial_norm(features.flatten(2)).reshape(features.shape)]
        normed = torch.cat(parts + ([] if evidence is None else [evidence]), dim=-1)
        out: Tensor = self.spatial(normed.permute(2, 0, 1, 3))
        return out

    def _kinematic_stream(self, x: RefinerInput, evidence: Tensor | None) -> Tensor:
        motion = torch.cat([x.velocity, x.acceleration], dim=-1).flatten(2)
        if not self.config.use_kinematics:
            motion = torch.zeros_like(motion)
        z = self.tokens(motion)  # Z_0, Eq 7
        if self.landmark_tokens is not None:
            z = z + self.landmark_tokens(x.landmarks.flatten(2))
        if self.evidence is not None and evidence is not None:
            z = z + self.evidence.trust_tokens(x.confidence, evidence)
        z = self.activation(self.attention(z))
        joints = self.skeleton.num_joints
        spread: Tensor = self.spread(z).reshape(*z.shape[:2], joints, -1).permute(2, 0, 1, 3)
        return spread
