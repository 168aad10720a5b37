"""The ST-GCN block (Eq 1-4): spatial graph convolution, then temporal convolution."""

import torch
from torch import Tensor, nn

from dance_models.nets.graph import spatial_partition


class SpatialGraphConv(nn.Module):
    """y_w = sum_k sum_v W_k x_v (A_k * E_k)[v, w] with learnable edge importance E.

    Shape: (B, C_in, T, V) -> (B, C_out, T, V).
    """

    adjacency: Tensor

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        adjacency = spatial_partition()
        self.register_buffer("adjacency", adjacency)
        self.importance = nn.Parameter(torch.ones_like(adjacency))
        self.partitions, self.channels_out = len(adjacency), channels_out
        self.weight = nn.Conv2d(channels_in, channels_out * self.partitions, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Mix channels per partition, then mix joints along the edges."""
        batch, _, frames, joints = x.shape
        edges = (self.adjacency * self.importance).reshape(self.partitions * joints, joints)
        y = self.weight(x).reshape(batch, self.partitions, self.channels_out, frames, joints)
        y = y.permute(0, 2, 3, 1, 4).reshape(batch, self.channels_out, frames, -1)
        mixed: Tensor = y @ edges  # one product instead of a loop over partitions
        return mixed


class StGcnBlock(nn.Module):
    """Spatial graph convolution, temporal convolution over ``kernel`` frames, residual.

    Stride 1 and padded, so that T is preserved: a refiner must return every frame.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.spatial = SpatialGraphConv(channels_in, channels_out)
        self.temporal = nn.Sequential(
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
            nn.Conv2d(channels_out, channels_out, (kernel, 1), padding=(kernel // 2, 0)),
            nn.BatchNorm2d(channels_out),
            nn.Dropout(dropout),
        )
        self.residual: nn.Module = nn.Identity()
        if channels_in != channels_out:
            self.residual = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1), nn.BatchNorm2d(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, T, V) -> (B, C_out, T, V)."""
        return torch.relu(self.temporal(self.spatial(x)) + self.residual(x))
