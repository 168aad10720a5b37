"""HBRNN: a hierarchical bidirectional recurrent network over five body parts.

After Du, Wang and Wang 2015: five parts (arms, legs, trunk) -> each limb with the trunk -> upper
and lower body -> whole body; tanh RNNs below, an LSTM at the top. The publication classifies
actions; here a linear layer a frame gives a correction of the pose, and it starts at zero.
"""

from typing import Final

import torch
from torch import Tensor, nn

from dance_models.config import HbrnnConfig
from dance_models.nets.refiner_input import packed_width, unpack
from dance_models.skeleton import JOINTS, NUM_JOINTS

FEATURES: Final = 3  # x, y, confidence


def _joints(*names: str) -> list[int]:
    return [JOINTS.index(name) for name in names]


TRUNK: Final = _joints("head_top", "neck", "left_hip", "right_hip")
LIMBS: Final = (
    _joints("left_shoulder", "left_elbow", "left_wrist"),
    _joints("right_shoulder", "right_elbow", "right_wrist"),
    _joints("left_hip", "left_knee", "left_ankle"),
    _joints("right_hip", "right_knee", "right_ankle"),
)


class Bidirectional(nn.Module):
    """A bidirectional layer, (B, T, C_in) -> (B, T, 2 C)."""

    def __init__(self, channels_in: int, channels: int, *, lstm: bool = False) -> None:
        super().__init__()
        kind = nn.LSTM if lstm else nn.RNN
        self.cells = kind(channels_in, channels, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        """All frames' states, forward and backward side by side."""
        out: Tensor = self.cells(x)[0]
        return out


class Hbrnn(nn.Module):
    """Shape: packed input (B, T, width) -> refined pose (B, T, 14, 2)."""

    def __init__(self, config: HbrnnConfig) -> None:
        super().__init__()
        self.config = config
        self.input_width = packed_width(config.landmarks)
        self.parts = nn.ModuleList(
            Bidirectional(FEATURES * len(part), config.part) for part in (*LIMBS, TRUNK)
        )
        self.limbs = nn.ModuleList(Bidirectional(4 * config.part, config.fused) for _ in LIMBS)
        self.halves = nn.ModuleList(Bidirectional(4 * config.fused, config.half) for _ in range(2))
        self.body = Bidirectional(4 * config.half, config.body, lstm=True)
        self.head = nn.Linear(2 * config.body, 2 * NUM_JOINTS)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, packed: Tensor) -> Tensor:
        """Refine a batch of windows."""
        x = unpack(packed, self.config.landmarks)
        given = torch.cat([x.pose, x.confidence[..., None]], dim=-1)  # (B, T, 14, 3)
        *limbs, trunk = (
            layer(given[:, :, part].flatten(2))
            for layer, part in zip(self.parts, (*LIMBS, TRUNK), strict=True)
        )
        fused = [
            layer(torch.cat([limb, trunk], dim=-1))
            for layer, limb in zip(self.limbs, limbs, strict=True)
        ]
        upper = self.halves[0](torch.cat(fused[:2], dim=-1))
        lower = self.halves[1](torch.cat(fused[2:], dim=-1))
        body = self.body(torch.cat([upper, lower], dim=-1))
        correction: Tensor = self.head(body).unflatten(-1, (NUM_JOINTS, 2))
        return x.pose + correction
