"""HBRNN: a hierarchical bidirectional recurrent network over five body parts.

After Du, Wang and Wang 2015: five parts (arms, legs, trunk) -> each limb with the trunk -> upper
and lower body -> whole body; tanh RNNs below, an LSTM at the top. The publication classifies
actions; here a linear layer a frame gives a correction of the pose, and it starts at zero.
"""

import torch
from torch import Tensor, nn

from dance_models.config import HbrnnConfig
from dance_models.nets.refiner_input import packed_width, unpack
from dance_models.skeleton import DANCE_14, Skeleton


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
    """Shape: packed input (B, T, width) -> refined pose (B, T, J, D)."""

    def __init__(self, config: HbrnnConfig, skeleton: Skeleton = DANCE_14) -> None:
        super().__init__()
        self.config, self.skeleton = config, skeleton
        self.input_width = packed_width(config.landmarks, skeleton, config.evidence)
        features = skeleton.dimensions + 1  # the coordinates and the confidence
        limbs = skeleton.parts.limbs
        joints = (*limbs, skeleton.parts.trunk)
        self.parts = nn.ModuleList(
            Bidirectional(features * len(part), config.part) for part in joints
        )
        for i, part in enumerate(joints):
            self.register_buffer(f"joints_{i}", torch.tensor(part), persistent=False)
        self.limbs = nn.ModuleList(Bidirectional(4 * config.part, config.fused) for _ in limbs)
        self.halves = nn.ModuleList(Bidirectional(4 * config.fused, config.half) for _ in range(2))
        self.body = Bidirectional(4 * config.half, config.body, lstm=True)
        self.head = nn.Linear(2 * config.body, skeleton.num_joints * skeleton.dimensions)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, packed: Tensor) -> Tensor:
        """Refine a batch of windows."""
        x = unpack(packed, self.config.landmarks, self.skeleton, self.config.evidence)
        given = torch.cat([x.pose, x.confidence[..., None]], dim=-1)  # (B, T, J, D + 1)
        *limbs, trunk = (
            layer(given.index_select(2, self.get_buffer(f"joints_{i}")).flatten(2))
            for i, layer in enumerate(self.parts)
        )
        fused = [
            layer(torch.cat([limb, trunk], dim=-1))
            for layer, limb in zip(self.limbs, limbs, strict=True)
        ]
        upper = self.halves[0](torch.cat(fused[:2], dim=-1))
        lower = self.halves[1](torch.cat(fused[2:], dim=-1))
        body = self.body(torch.cat([upper, lower], dim=-1))
        correction: Tensor = self.head(body).unflatten(-1, x.pose.shape[2:])
        return x.pose + correction
