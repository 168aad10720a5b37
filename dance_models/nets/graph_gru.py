"""The graph-gated recurrent cell (G-GRU) of the decoder."""

import torch
from torch import Tensor, nn

from dance_models.nets.graph import first_order
from dance_models.skeleton import DANCE_14, Skeleton


class GraphGru(nn.Module):
    """G-GRU (DMGNN): the gates see a graph-mixed message, the carry keeps the raw state.

    m = sum_k (A_k * M_k + D_k) H U_k over A = {identity, first-order skeleton};
    r, z = sigmoid(W x + U m); n = tanh(W x + r * U m); H = (1 - z) * n + z * H.
    Without ``free``, M is one and D zero for good: the graph is the skeleton.
    Layout (V, B, H) with V joints, so that mixing joints is one matrix product.
    """

    graph_parameters = ("scale", "shift")
    adjacency: Tensor

    def __init__(
        self, inputs: int, hidden: int, skeleton: Skeleton = DANCE_14, *, free: bool = True
    ) -> None:
        super().__init__()
        self.hidden = hidden
        joints = skeleton.num_joints
        self.register_buffer("adjacency", torch.stack([torch.eye(joints), first_order(skeleton)]))
        self.scale = nn.Parameter(torch.ones(2, joints, joints)) if free else None  # M
        self.shift = nn.Parameter(torch.zeros(2, joints, joints)) if free else None  # D
        self.message = nn.Linear(2 * hidden, hidden, bias=False)  # U_k, side by side
        self.from_input = nn.Linear(inputs, 3 * hidden)
        self.from_message = nn.Linear(hidden, 3 * hidden)

    def edges(self) -> Tensor:
        """A_k * M_k + D_k, stacked (2 V, V): the same for all steps of a forecast."""
        edges = self.adjacency
        if self.scale is not None and self.shift is not None:
            edges = edges * self.scale + self.shift
        return edges.flatten(0, 1)

    def forward(self, x: Tensor, state: Tensor, edges: Tensor) -> Tensor:
        """One step: x (V, B, inputs), state (V, B, H), ``edges()`` -> (V, B, H)."""
        mixed = (edges @ state.flatten(1)).reshape(2, *state.shape)
        message = self.message(torch.cat([mixed[0], mixed[1]], dim=-1))
        gates_x, new_x = self.from_input(x).split((2 * self.hidden, self.hidden), dim=-1)
        gates_m, new_m = self.from_message(message).split((2 * self.hidden, self.hidden), dim=-1)
        reset, update = torch.sigmoid(gates_x + gates_m).chunk(2, dim=-1)
        new = torch.tanh(new_x + reset * new_m)
        return new + update * (state - new)
