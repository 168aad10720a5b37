"""A per-frame MLP: everything the estimator says about one frame, without a graph and without time.

What remains of a sequence network's gain over this row is due to the other frames and to the graph.
"""

import torch
from torch import Tensor, nn

from dance_models.config import FrameMlpConfig
from dance_models.nets.evidence_norm import EvidenceNorm
from dance_models.nets.layers import NormLast
from dance_models.nets.refiner_input import landmark_features, packed_width, unpack
from dance_models.skeleton import DANCE_14, Skeleton


class MlpBlock(nn.Module):
    """Linear, normalisation, ReLU and dropout, added to the input; (..., C) -> the same."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(channels, channels, bias=False),  # no bias: normalisation follows
            NormLast(channels),
            nn.ReLU(),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The residual sum."""
        out: Tensor = x + self.body(x)
        return out


class FrameMlp(nn.Module):
    """Pose, confidence, landmarks and evidence of a frame to a zero-initialised correction.

    Shape: packed input (B, T, width) -> refined pose (B, T, J, D); the frames do not interact.
    """

    def __init__(self, config: FrameMlpConfig, skeleton: Skeleton = DANCE_14) -> None:
        super().__init__()
        self.config, self.skeleton = config, skeleton
        self.input_width = packed_width(config.landmarks, skeleton, config.evidence)
        joints, axes = skeleton.num_joints, skeleton.dimensions
        given = joints * (axes + 1) + config.landmarks * landmark_features(skeleton)
        self.norm = NormLast(given, affine=False)  # a linear layer and a normalisation follow
        self.evidence_norm = EvidenceNorm(joints) if config.evidence else None
        read = self.input_width - packed_width(config.landmarks, skeleton)
        self.first = nn.Sequential(
            nn.Linear(given + read, config.hidden, bias=False), NormLast(config.hidden), nn.ReLU()
        )
        self.blocks = nn.Sequential(
            *(MlpBlock(config.hidden, config.dropout) for _ in range(config.blocks))
        )
        self.correction = nn.Linear(config.hidden, joints * axes)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, packed: Tensor) -> Tensor:
        """Refine a batch of windows."""
        x = unpack(packed, self.config.landmarks, self.skeleton, self.config.evidence)
        given = [x.pose.flatten(2), x.confidence, x.landmarks.flatten(2)]
        parts = [self.norm(torch.cat(given, dim=-1))]
        if self.evidence_norm is not None:
            parts.append(self.evidence_norm(x.evidence).flatten(2))
        correction = self.correction(self.blocks(self.first(torch.cat(parts, dim=-1))))
        return torch.add(x.pose, correction.reshape(x.pose.shape))
