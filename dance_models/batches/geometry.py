"""On-the-fly geometry: one draw a window, applied to all its frames alike."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dance_models.config import TrainingConfig
from dance_models.skeleton import MIRROR


@dataclass(frozen=True)
class Geometry:
    """Linear maps about the window's centre and which windows are mirrored."""

    matrix: Tensor  # (B, 2, 2), reflection included
    mirrored: Tensor  # (B,) bool

    def vectors(self, values: Tensor) -> Tensor:
        """Map (B, ..., 2) positions or velocities; does not swap left and right."""
        flat = values.flatten(1, -2)
        return (flat @ self.matrix.transpose(1, 2)).reshape(values.shape)

    def swap(self, values: Tensor, permutation: tuple[int, ...], dim: int) -> Tensor:
        """Swap left and right along ``dim`` in the mirrored windows alone."""
        order = torch.tensor(permutation, device=values.device)
        shape = [-1] + [1] * (values.dim() - 1)
        return torch.where(self.mirrored.reshape(shape), values.index_select(dim, order), values)

    def poses(self, values: Tensor) -> Tensor:
        """Map (B, T, 14, 2), left and right swapped where mirrored."""
        return self.swap(self.vectors(values), MIRROR, 2)


def draw_geometry(
    batch: int, config: TrainingConfig, generator: torch.Generator, device: torch.device
) -> Geometry:
    """Rotation, a scale an axis and reflection, one of each a window."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(batch, generator=generator)

    angle = uniform(-config.rotation_rad, config.rotation_rad)
    cos, sin = angle.cos(), angle.sin()
    rotation = torch.stack([cos, -sin, sin, cos], dim=-1).reshape(batch, 2, 2)
    scale = torch.stack([uniform(*config.axis_scale), uniform(*config.axis_scale)], dim=-1)
    mirrored = torch.rand(batch, generator=generator) < config.mirror_probability
    flip = torch.stack([torch.where(mirrored, -1.0, 1.0), torch.ones(batch)], dim=-1)
    matrix = rotation * (scale * flip)[:, None, :]
    return Geometry(matrix.to(device), mirrored.to(device))
