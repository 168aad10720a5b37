"""SmoothNet-style refiner: temporal only, one residual MLP for every coordinate.

After Zeng et al. 2022: T frames of one coordinate -> hidden units -> residual blocks -> T frames,
shared by all joints and axes, so that it can smooth but has no notion of a body. Different from
the publication: the output is added to the input and its last layer starts at zero.
"""

import torch
from torch import Tensor, nn

from dance_models.config import SmoothNetConfig
from dance_models.nets.refiner_input import packed_width, unpack
from dance_models.skeleton import DANCE_14, Skeleton


class ResidualBlock(nn.Module):
    """Down to a bottleneck and up again, added to the input; (..., C) -> the same."""

    def __init__(self, channels: int, bottleneck: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(channels, bottleneck),
            nn.Dropout(dropout),
            nn.LeakyReLU(0.2),
            nn.Linear(bottleneck, channels),
            nn.Dropout(dropout),
            nn.LeakyReLU(0.2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The residual sum."""
        out: Tensor = x + self.body(x)
        return out


class SmoothNet(nn.Module):
    """Shape: packed input (B, T, width) -> refined pose (B, T, J, D)."""

    def __init__(self, config: SmoothNetConfig, skeleton: Skeleton = DANCE_14) -> None:
        super().__init__()
        self.config, self.skeleton = config, skeleton
        self.input_width = packed_width(config.landmarks, skeleton, config.evidence)
        self.encoder = nn.Sequential(nn.Linear(config.window, config.hidden), nn.LeakyReLU(0.1))
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(config.hidden, config.bottleneck, config.dropout)
                for _ in range(config.blocks)
            )
        )
        self.decoder = nn.Linear(config.hidden, config.window)
        nn.init.zeros_(self.decoder.weight)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, packed: Tensor) -> Tensor:
        """Refine a batch of windows."""
        pose = unpack(packed, self.config.landmarks, self.skeleton, self.config.evidence).pose
        tracks = pose.permute(0, 2, 3, 1)  # (B, J, D, T)
        correction = self.decoder(self.blocks(self.encoder(tracks)))
        return torch.add(pose, correction.permute(0, 3, 1, 2))
