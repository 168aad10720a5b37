"""Traj-GCN: graph convolutions with free adjacency over the DCT of trajectories.

After Mao et al. 2019 ("Learning trajectory dependencies"): the last pose is repeated over the
future, every coordinate's trajectory is transformed by a DCT, a graph convolutional network over
the coordinates corrects the coefficients, and the inverse DCT gives all frames. Nodes are the J D
coordinates; the adjacency is learnt without a skeleton. Different from the publication: smaller
(256 hidden units and 12 blocks there), trained on the future frames alone (there on the observed
ones too), and the bias is added before the nodes are mixed, which matters in the last layer alone,
since normalisation follows the others.
"""

import torch
from torch import Tensor, nn

from dance_models.config import TrajGcnConfig
from dance_models.data.forecast_windows import FUTURE, OBSERVED
from dance_models.errors import InputError
from dance_models.nets.layers import NormLast
from dance_models.nets.simlpe import dct_matrix
from dance_models.skeleton import DANCE_14, Skeleton


class FreeGraphConv(nn.Module):
    """y = A (x W + b) with a learnt A, shape (B, nodes, C_in) -> (B, nodes, C_out)."""

    def __init__(self, channels_in: int, channels_out: int, nodes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels_in, channels_out)
        self.adjacency = nn.Parameter(torch.empty(nodes, nodes))
        nn.init.uniform_(self.adjacency, -(nodes**-0.5), nodes**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Mix channels, then nodes."""
        return torch.matmul(self.adjacency, self.linear(x))


class Layer(nn.Sequential):
    """Graph convolution, batch normalisation over nodes and channels, tanh, dropout."""

    def __init__(self, channels_in: int, channels_out: int, nodes: int, dropout: float) -> None:
        super().__init__(
            FreeGraphConv(channels_in, channels_out, nodes),
            nn.Flatten(1),
            NormLast(nodes * channels_out),
            nn.Unflatten(1, (nodes, channels_out)),
            nn.Tanh(),
            nn.Dropout(dropout),
        )


class TrajGcn(nn.Module):
    """Shape: observed (B, 27, J, D) -> forecast (B, 10, J, D), torso lengths.

    It reads the last ``config.observed`` of the observed frames. Raises InputError when these are
    more than there are.
    """

    dct: Tensor

    def __init__(
        self,
        config: TrajGcnConfig,
        skeleton: Skeleton = DANCE_14,
    ) -> None:
        super().__init__()
        if not 1 <= config.observed <= OBSERVED:
            raise InputError(f"it cannot read {config.observed} frames", hint=f"1 to {OBSERVED}")
        self.config, self.skeleton = config, skeleton
        frames = config.observed + FUTURE
        nodes = skeleton.num_joints * skeleton.dimensions
        self.register_buffer("dct", dct_matrix(frames))
        hidden, dropout = config.hidden, config.dropout
        self.first = Layer(frames, hidden, nodes, dropout)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                Layer(hidden, hidden, nodes, dropout), Layer(hidden, hidden, nodes, dropout)
            )
            for _ in range(config.blocks)
        )
        self.last = FreeGraphConv(hidden, frames, nodes)
        nn.init.zeros_(self.last.linear.weight)
        nn.init.zeros_(self.last.linear.bias)

    def forward(self, observed: Tensor) -> Tensor:
        """Forecast a batch of windows."""
        observed = observed[:, -self.config.observed :]
        padded = torch.cat([observed, observed[:, -1:].expand(-1, FUTURE, -1, -1)], dim=1)
        coefficients = padded.flatten(2).transpose(1, 2) @ self.dct.T  # (B, J D, T)
        x = self.first(coefficients)
        for block in self.blocks:
            x = x + block(x)
        corrected = (coefficients + self.last(x)) @ self.dct
        future: Tensor = corrected.transpose(1, 2)[:, -FUTURE:]
        return future.reshape(-1, FUTURE, *observed.shape[2:])
