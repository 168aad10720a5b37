"""siMLPe-style forecaster: a discrete cosine transform and a residual MLP over time.

After Guo et al. 2023: DCT of the observed window, a linear layer over the coordinates, blocks of
one linear layer over time with normalisation over the coordinates, a linear layer over the
coordinates, inverse DCT, added to the last observed pose. The first ten frames of the output are
the forecast. At the published size (48 blocks, 50 frames, 66 numbers a frame) it has the
published 137,580 parameters.
"""

import math

import torch
from torch import Tensor, nn

from dance_models.config import SimlpeConfig
from dance_models.data.forecast_windows import FUTURE, OBSERVED
from dance_models.skeleton import DANCE_14, Skeleton


def dct_matrix(size: int) -> Tensor:
    """The orthonormal DCT-II, (size, size): coefficients = matrix @ signal."""
    k = torch.arange(size, dtype=torch.float64)[:, None]
    t = torch.arange(size, dtype=torch.float64)[None, :]
    matrix = math.sqrt(2 / size) * torch.cos(math.pi * (t + 0.5) * k / size)
    matrix[0] /= math.sqrt(2)
    return matrix.float()


class TimeBlock(nn.Module):
    """x + norm(W x): W mixes time, the normalisation runs over the coordinates.

    Shape: (B, T, C) -> (B, T, C).
    """

    def __init__(self, frames: int, width: int) -> None:
        super().__init__()
        self.mix = nn.Linear(frames, frames)
        nn.init.xavier_uniform_(self.mix.weight, gain=1e-8)
        nn.init.zeros_(self.mix.bias)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """The residual sum."""
        mixed = self.mix(x.transpose(1, 2)).transpose(1, 2)
        out: Tensor = x + self.norm(mixed)
        return out


class Simlpe(nn.Module):
    """Shape: observed (B, 27, J, D) -> forecast (B, 10, J, D), torso lengths."""

    dct: Tensor

    def __init__(
        self, config: SimlpeConfig, skeleton: Skeleton = DANCE_14, frames: int = OBSERVED
    ) -> None:
        super().__init__()
        self.config, self.skeleton = config, skeleton
        width = skeleton.num_joints * skeleton.dimensions
        self.register_buffer("dct", dct_matrix(frames))
        self.fc_in = nn.Linear(width, width)
        self.blocks = nn.Sequential(*(TimeBlock(frames, width) for _ in range(config.blocks)))
        self.fc_out = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.fc_out.weight, gain=1e-8)
        nn.init.zeros_(self.fc_out.bias)

    def forward(self, observed: Tensor) -> Tensor:
        """Forecast a batch of windows."""
        x = self.dct @ observed.flatten(2)  # (B, T, J D)
        x = self.fc_out(self.blocks(self.fc_in(x)))
        offset = (self.dct.T @ x)[:, :FUTURE].unflatten(-1, observed.shape[2:])
        return torch.add(observed[:, -1:], offset)
