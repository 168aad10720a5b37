"""On-the-fly geometry: one draw a window, applied to all its frames alike."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from dance_models.config import TrainingConfig
from dance_models.skeleton import DANCE_14, Joints, Skeleton


@cache
def places_on(places: tuple[int, ...], device: torch.device) -> Tensor:
    """Places along a dimension as a tensor for ``index_select``, made once for each device.

    A list or a new tensor in the middle of a step would be copied to a GPU each time, and a step
    that waits for the host cannot be captured. None is ever given up: captured steps read them.
    """
    return torch.tensor(places, device=device, dtype=torch.long)


@dataclass(frozen=True)
class Geometry:
    """Linear maps about the window's centre and which windows are mirrored."""

    matrix: Tensor  # (B, D, D), reflection included
    mirrored: Tensor  # (B,) bool
    skeleton: Skeleton = DANCE_14

    def vectors(self, values: Tensor) -> Tensor:
        """Map (B, ..., D) positions or velocities; does not swap left and right."""
        flat = values.flatten(1, -2)
        return (flat @ self.matrix.transpose(1, 2)).reshape(values.shape)

    def swap_joints(self, values: Tensor, dim: int) -> Tensor:
        """Swap left and right joints along ``dim`` in the mirrored windows alone."""
        return self._swap(values, self.skeleton.mirror, dim)

    def swap_landmarks(self, values: Tensor, dim: int) -> Tensor:
        """Swap left and right landmarks of the estimator along ``dim`` in the mirrored windows.

        Landmarks in another number than the skeleton's stay where they are.
        """
        if values.shape[dim] != self.skeleton.num_landmarks:
            return values
        return self._swap(values, self.skeleton.landmark_mirror, dim)

    def poses(self, values: Tensor) -> Tensor:
        """Map (B, T, J, D), left and right swapped where mirrored."""
        return self.swap_joints(self.vectors(values), 2)

    def _swap(self, values: Tensor, permutation: Joints, dim: int) -> Tensor:
        order = places_on(tuple(permutation), values.device)
        shape = [-1] + [1] * (values.dim() - 1)
        return torch.where(self.mirrored.reshape(shape), values.index_select(dim, order), values)


def draw_geometry(
    batch: int,
    config: TrainingConfig,
    generator: torch.Generator,
    device: torch.device,
    skeleton: Skeleton = DANCE_14,
) -> Geometry:
    """Rotation in the skeleton's plane, a scale for each axis and reflection, one draw a window."""
    axes = skeleton.dimensions

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(batch, generator=generator)

    angle = uniform(-config.rotation_rad, config.rotation_rad)
    cos, sin = angle.cos(), angle.sin()
    first, second = skeleton.turn_plane
    rotation = torch.eye(axes).repeat(batch, 1, 1)
    rotation[:, first, first], rotation[:, first, second] = cos, -sin
    rotation[:, second, first], rotation[:, second, second] = sin, cos
    scale = torch.stack([uniform(*config.axis_scale) for _ in range(axes)], dim=-1)
    mirrored = torch.rand(batch, generator=generator) < config.mirror_probability
    flip = torch.where(mirrored[:, None], torch.tensor(skeleton.reflection).float(), 1.0)
    matrix = rotation * (scale * flip)[:, None, :]
    return Geometry(matrix.to(device), mirrored.to(device), skeleton)
