"""SmoothNet-style refiner: temporal only, one residual MLP for every coordinate.

After Zeng et al. 2022: T frames of one coordinate -> hidden units -> residual blocks -> T frames,
shared by all joints and axes, so that it can smooth but knows nothing of a body. Different from
the publication: the output is added to the input and its last layer starts at zero.
"""

import torch
from torch import Tensor, nn

from dance_models.config import SmoothNetConfig
from dance_models.nets.refiner_input import packed_width, unpack


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
    """Shape: packed input (B, T, width) -> refined pose (B, T, 14, 2)."""

    def __init__(self, config: SmoothNetConfig) -> None:
        super().__init__()
        self.config = config
        self.input_width = packed_width(config.landmarks)
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
        pose = unpack(packed, self.config.landmarks).pose
        tracks = pose.permute(0, 2, 3, 1)  # (B, 14, 2, T)
        correction = self.decoder(self.blocks(self.encoder(tracks)))
        return torch.add(pose, correction.permute(0, 3, 1, 2))
