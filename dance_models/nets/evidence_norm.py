"""Batch normalisation of the estimator's evidence, for the networks that read it."""

from typing import Final

import torch
from torch import Tensor, nn

from dance_models.evidence import KNOWN, MIRRORED_KNOWN, NUM_JOINT_EVIDENCE, OF_MIRRORED
from dance_models.nets.layers import NormLast

# Standard deviations. Evidence that hardly varied in training must not drown the rest when it
# does later, as when a network learnt without a mirrored pass and is used with one.
LARGEST: Final = 5.0
HALF: Final = 0.5


class EvidenceNorm(nn.Module):
    """Normalises each number of each joint; what is not known becomes 0, and the flags stay.

    Shape: (B, T, J, F) -> the same.
    """

    flag: Tensor  # (F,) of each number, the place of the flag that says whether it is known
    is_flag: Tensor  # (F,)

    def __init__(self, joints: int) -> None:
        super().__init__()
        self.norm = NormLast(joints * NUM_JOINT_EVIDENCE)
        flag = torch.full((NUM_JOINT_EVIDENCE,), KNOWN)
        flag[OF_MIRRORED] = MIRRORED_KNOWN
        is_flag = torch.zeros(NUM_JOINT_EVIDENCE, dtype=torch.bool)
        is_flag[[KNOWN, MIRRORED_KNOWN]] = True
        self.register_buffer("flag", flag, persistent=False)
        self.register_buffer("is_flag", is_flag, persistent=False)

    @property
    def learnt_mirrored(self) -> bool:
        """Whether most of what it was trained on came with a mirrored pass."""
        mean = self.norm.running_mean
        assert mean is not None
        return bool(mean.reshape(-1, NUM_JOINT_EVIDENCE)[:, MIRRORED_KNOWN].mean() > HALF)

    def forward(self, evidence: Tensor) -> Tensor:
        """(B, T, J, F) -> the same."""
        normed = self.norm(evidence.flatten(2)).reshape(evidence.shape).clamp(-LARGEST, LARGEST)
        known = evidence[..., self.flag]
        return torch.where(self.is_flag, evidence, normed * known)
