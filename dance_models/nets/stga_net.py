"""STGA-Net: forecasts ten frames at 25 Hz from 27 observed ones.

Encoder: (3 x 1) convolutions with dilation 1, 3, 9 (receptive field 27), each followed by a graph
attention block. Decoder: a G-GRU (DMGNN) whose gates see a graph-mixed message while the carry
keeps the raw state, p_{t+1} = p_t + gamma_j v_t + f(H_t) with f zero-initialised, so that an
untrained network continues the damped velocity.
"""

from typing import Final

import torch
from torch import Tensor, nn

from dance_models.config import StgaNetConfig
from dance_models.data.forecast_windows import FUTURE
from dance_models.nets.graph import first_order
from dance_models.nets.graph_attention import GraphAttentionBlock
from dance_models.skeleton import NUM_JOINTS

DILATIONS: Final = (1, 3, 9)


def differences(poses: Tensor) -> Tensor:
    """Backward difference along time, zero at the first frame; (B, T, V, 2) -> the same."""
    step = poses[:, 1:] - poses[:, :-1]
    return torch.cat([torch.zeros_like(poses[:, :1]), step], dim=1)


class DilatedConv(nn.Module):
    """Valid (3 x 1) convolution with dilation, 1x1 convolution, residual on the cropped input."""

    def __init__(self, channels: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.crop = dilation
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, (3, 1), dilation=(dilation, 1), bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, V) -> (B, C, T - 2 dilation, V)."""
        out: Tensor = x[:, :, self.crop : -self.crop] + self.body(x)
        return out


class GraphGru(nn.Module):
    """G-GRU cell on (B, V, H): r, z, n read the input and a graph message of the state.

    m = sum_k (A_k * M_k + D_k) H U_k; r, z = sigmoid(W x + U m); n = tanh(W x + r * U m);
    H = (1 - z) * n + z * H (DMGNN, section 1.4 of its code).
    """

    adjacency: Tensor

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("adjacency", torch.stack([torch.eye(NUM_JOINTS), first_order()]))
        self.scale = nn.Parameter(torch.ones(2, NUM_JOINTS, NUM_JOINTS))
        self.shift = nn.Parameter(torch.zeros(2, NUM_JOINTS, NUM_JOINTS))
        self.message = nn.Linear(2 * hidden, hidden)
        self.from_input = nn.Linear(inputs, 3 * hidden)
        self.from_message = nn.Linear(hidden, 3 * hidden)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """One step: x (B, V, inputs), state (B, V, H) -> (B, V, H)."""
        mixing = self.adjacency * self.scale + self.shift  # (2, V, V)
        mixed = mixing.flatten(0, 1) @ state  # (B, 2 V, H)
        message = self.message(torch.cat([mixed[:, :NUM_JOINTS], mixed[:, NUM_JOINTS:]], dim=-1))
        reset_x, update_x, new_x = self.from_input(x).chunk(3, dim=-1)
        reset_m, update_m, new_m = self.from_message(message).chunk(3, dim=-1)
        reset, update = torch.sigmoid(reset_x + reset_m), torch.sigmoid(update_x + update_m)
        new = torch.tanh(new_x + reset * new_m)
        out: Tensor = (1 - update) * new + update * state
        return out


class StgaNet(nn.Module):
    """Prediction network (SPEC: section 3).

    Shape: observed (B, 27, 14, 2) -> forecast (B, 10, 14, 2), both in torso lengths about the last
    observed pelvis.
    """

    def __init__(self, config: StgaNetConfig) -> None:
        super().__init__()
        self.config = config
        c = config.channels
        inputs = 6 if config.kinematic_inputs else 2
        self.norm = nn.BatchNorm2d(inputs)
        self.expand = nn.Sequential(
            nn.Conv2d(inputs, c, (3, 1), bias=False), nn.BatchNorm2d(c), nn.ReLU()
        )
        self.blocks = nn.Sequential(
            GraphAttentionBlock(c, config),
            DilatedConv(2 * c, DILATIONS[1], config.dropout),
            GraphAttentionBlock(2 * c, config),
            DilatedConv(4 * c, DILATIONS[2], config.dropout),
            GraphAttentionBlock(4 * c, config),
        )
        self.to_state = nn.Linear(8 * c, config.hidden)
        self.cell = GraphGru(6, config.hidden)
        self.head = nn.Sequential(
            nn.Linear(config.hidden, config.hidden),
            nn.LeakyReLU(0.1),
            nn.Linear(config.hidden, config.hidden),
            nn.LeakyReLU(0.1),
            nn.Linear(config.hidden, 2),
        )
        last = self.head[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.gamma = (
            nn.Parameter(torch.full((NUM_JOINTS, 1), config.gamma))
            if config.velocity_residual
            else None
        )

    def forward(self, observed: Tensor) -> Tensor:
        """Forecast a batch of windows."""
        velocity = differences(observed)
        acceleration = differences(velocity)
        state = self._encode(observed, velocity, acceleration)
        pose, v, a = observed[:, -1], velocity[:, -1], acceleration[:, -1]
        forecast = []
        for _ in range(FUTURE):
            state = self.cell(torch.cat([pose, v, a], dim=-1), state)
            step = self.head(state)
            if self.gamma is not None:
                step = step + self.gamma * v
            pose, a, v = pose + step, step - v, step
            forecast.append(pose)
        return torch.stack(forecast, dim=1)

    def _encode(self, pose: Tensor, velocity: Tensor, acceleration: Tensor) -> Tensor:
        parts = [pose, velocity, acceleration] if self.config.kinematic_inputs else [pose]
        x = torch.cat(parts, dim=-1).permute(0, 3, 1, 2)  # (B, F, T, V)
        x = self.blocks(self.expand(self.norm(x)))  # (B, 8 C, T - 26, V)
        return torch.relu(self.to_state(x.mean(dim=2).transpose(1, 2)))  # (B, V, H)
