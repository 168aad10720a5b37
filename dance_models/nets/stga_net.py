"""STGA-Net: forecasts ten frames at 25 Hz from 27 observed ones.

Encoder: (3 x 1) convolutions with dilation 1, 3, 9 (receptive field 27, one frame left), each
followed by a graph attention block. Only every third, then every ninth position of the dilated
convolutions contributes to that frame, so they are computed with stride 3 on 27, 9 and 3 frames:
the same function at a fifth of the work. Decoder: a G-GRU, p_{t+1} = p_t + gamma_j v_t + f(H_t)
with f zero-initialised, so that an untrained network continues the damped velocity.
"""

import torch
from torch import Tensor, nn

from dance_models.config import StgaNetConfig
from dance_models.data.forecast_windows import FUTURE, OBSERVED
from dance_models.nets.graph_attention import GraphAttentionBlock, joined
from dance_models.nets.graph_gru import GraphGru
from dance_models.nets.layers import NormFirst
from dance_models.nets.simlpe import dct_matrix
from dance_models.skeleton import DANCE_14, Skeleton


def differences(poses: Tensor) -> Tensor:
    """Backward difference along time, (B, T, V, D) -> the same; the first repeats the second's.

    A zero there would put a false jump into the next difference, the acceleration.
    """
    step = poses[:, 1:] - poses[:, :-1]
    return torch.cat([step[:, :1], step], dim=1)


class ThreeFrames(nn.Module):
    """Convolution over three neighbouring frames with stride 3; (C_in, T, B, V) -> T / 3 frames."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = joined(3 * channels_in, channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """The three taps side by side make it a 1x1 convolution."""
        out: Tensor = self.conv(torch.cat([x[:, tap::3] for tap in range(3)]))
        return out


class TemporalBlock(nn.Module):
    """Convolution over three frames, 1x1 convolution, residual on the middle frames."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ThreeFrames(channels, channels), joined(channels, channels, dropout)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(C, T, B, V) -> (C, T / 3, B, V)."""
        out: Tensor = x[:, 1::3] + self.body(x)
        return out


class StgaNet(nn.Module):
    """Prediction network (docs/method.md, "STGA-Net").

    Shape: observed (B, 27, J, D) -> forecast (B, 10, J, D), both in torso lengths about the last
    observed pelvis.
    """

    dct: Tensor

    def __init__(self, config: StgaNetConfig, skeleton: Skeleton = DANCE_14) -> None:
        super().__init__()
        self.config, self.skeleton = config, skeleton
        c, hidden, axes = config.channels, config.hidden, skeleton.dimensions
        inputs = 3 * axes if config.kinematic_inputs else axes  # p, v, a or p alone
        self.encoder = nn.Sequential(
            NormFirst(inputs, affine=False),  # the convolution that follows can do that
            ThreeFrames(inputs, c),
            GraphAttentionBlock(c, config, skeleton),
            TemporalBlock(2 * c, config.dropout),
            GraphAttentionBlock(2 * c, config, skeleton),
            TemporalBlock(4 * c, config.dropout),
            GraphAttentionBlock(4 * c, config, skeleton),
        )
        self.to_state = nn.Linear(8 * c, hidden)
        if config.dct_inputs:  # an addition to the paper
            self.register_buffer("dct", dct_matrix(OBSERVED)[: config.dct_inputs])
        self.from_dct = nn.Linear(axes * config.dct_inputs, hidden) if config.dct_inputs else None
        self.cell = GraphGru(3 * axes, hidden, skeleton, free=config.free_decoder)
        self.head = nn.Sequential(
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.1),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.1),
        )
        self.step = nn.Linear(hidden, axes)  # f(H)
        nn.init.zeros_(self.step.weight)
        nn.init.zeros_(self.step.bias)
        self.gamma = (
            nn.Parameter(torch.full((skeleton.num_joints, 1, 1), config.gamma))
            if config.velocity_residual
            else None
        )

    def forward(self, observed: Tensor) -> Tensor:
        """Forecast a batch of windows."""
        velocity = differences(observed)
        acceleration = differences(velocity)
        state = self._encode(observed, velocity, acceleration)
        last = torch.stack([observed[:, -1], velocity[:, -1], acceleration[:, -1]])
        pose, v, a = last.transpose(1, 2)  # (V, B, D) each
        edges = self.cell.edges()
        forecast = []
        for _ in range(FUTURE):
            state = self.cell(torch.cat([pose, v, a], dim=-1), state, edges)
            step = self.step(self.head(state))
            if self.gamma is not None:
                step = step + self.gamma * v
            pose, a, v = pose + step, step - v, step
            forecast.append(pose)
        return torch.stack(forecast).permute(2, 0, 1, 3)

    def _encode(self, pose: Tensor, velocity: Tensor, acceleration: Tensor) -> Tensor:
        """The state that the decoder starts from, (V, B, H)."""
        parts = [pose, velocity, acceleration] if self.config.kinematic_inputs else [pose]
        x = torch.cat(parts, dim=-1).permute(3, 1, 0, 2)  # (F, T, B, V)
        features = self.encoder(x)[:, 0]  # (8 C, B, V)
        state = self.to_state(features.permute(2, 1, 0))
        if self.from_dct is not None:
            path = (pose - pose[:, -1:]).permute(2, 0, 3, 1)  # (V, B, D, T)
            state = state + self.from_dct((path @ self.dct.T).flatten(2))
        return torch.relu(state)
