"""T-GCN: a graph convolution inside a GRU cell.

After Zhao et al. 2019, with D coordinates a node instead of one number. As in the authors' code
there is one graph convolution a gate (the paper writes a stack of two), and a linear layer a node
gives all future frames from the last state. Three outputs: ``absolute`` (as published: the pose
itself), ``residual`` (offset from the last observed pose), ``velocity`` (velocity as a further
input, and the offset is from the damped velocity going on).
"""

import torch
from torch import Tensor, nn

from dance_models.config import TGcnConfig
from dance_models.data.forecast_windows import FUTURE
from dance_models.nets.graph import first_order
from dance_models.nets.stga_net import differences
from dance_models.skeleton import DANCE_14, Skeleton


class TGcn(nn.Module):
    """Shape: observed (B, 27, J, D) -> forecast (B, 10, J, D), torso lengths."""

    adjacency: Tensor

    def __init__(self, config: TGcnConfig, skeleton: Skeleton = DANCE_14) -> None:
        super().__init__()
        self.config, self.skeleton = config, skeleton
        self.register_buffer("adjacency", first_order(skeleton))
        hidden, axes = config.hidden, skeleton.dimensions
        inputs = 2 * axes if config.output == "velocity" else axes
        self.gates = nn.Linear(inputs + hidden, 2 * hidden)  # W_1, b_1 of r and u
        nn.init.ones_(self.gates.bias)
        self.candidate = nn.Linear(inputs + hidden, hidden)  # W_2, b_2
        self.head = nn.Linear(hidden, axes * FUTURE)
        if config.output != "absolute":
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)
        self.gamma = (
            nn.Parameter(torch.full((skeleton.num_joints, 1), config.gamma))
            if config.output == "velocity"
            else None
        )

    def forward(self, observed: Tensor) -> Tensor:
        """Forecast a batch of windows."""
        x = observed
        if self.gamma is not None:
            x = torch.cat([observed, differences(observed)], dim=-1)
        mixed = self.adjacency @ x  # A x of all frames at once, (B, T, V, F)
        state = observed.new_zeros(*observed.shape[:1], observed.shape[2], self.config.hidden)
        for frame in mixed.unbind(dim=1):
            gates = self.gates(torch.cat([frame, self.adjacency @ state], dim=-1))
            reset, update = torch.sigmoid(gates).chunk(2, dim=-1)
            carried = self.adjacency @ (reset * state)
            new = torch.tanh(self.candidate(torch.cat([frame, carried], dim=-1)))
            state = update * state + (1 - update) * new
        out = self.head(state).unflatten(-1, (FUTURE, -1)).transpose(1, 2)  # (B, 10, V, D)
        return torch.add(self._start(observed), out)

    def _start(self, observed: Tensor) -> Tensor:
        """The poses that the output is an offset from, (B, 10 or 1, V, D)."""
        last = observed[:, -1:]
        if self.config.output == "absolute":
            return torch.zeros_like(last)
        if self.gamma is None:
            return last
        power = torch.arange(1, FUTURE + 1, device=observed.device)[:, None, None]
        travelled = (self.gamma**power).cumsum(dim=0)  # gamma + ... + gamma^k, (10, V, 1)
        return last + travelled * (last - observed[:, -2:-1])
