"""Batches of person crops with their target heatmaps, turned, scaled and recoloured on the fly."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dance_models.batches.geometry import Geometry, draw_geometry
from dance_models.batches.pixel_noise import PixelNoise, draw_pixel_noise
from dance_models.config import CropJitterConfig, TrainingConfig
from dance_models.data.crops import CROP, Crops
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.nets.heatmaps import HEATMAP, STRIDE, gaussian_heatmaps
from dance_models.skeleton import DANCE_14, Skeleton


def pictures_of(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    """RGB (B, rows, columns, 3) in 0..255 -> the network's input (B, 3, rows, columns)."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_heatmap(points: Tensor) -> Tensor:
    """Crop pixels -> heatmap pixels."""
    return (points + 0.5) / STRIDE - 0.5


def from_heatmap(points: Tensor) -> Tensor:
    """Heatmap pixels -> crop pixels."""
    return (points + 0.5) * STRIDE - 0.5


@dataclass(frozen=True)
class Warp:
    """Augmentation of the crops of a batch: geometry about the centre, shift, colour, noise."""

    geometry: Geometry
    shift: Tensor  # (B, 2) crop pixels
    gain: Tensor  # (B, 3) factor of every channel
    noise: PixelNoise | None = None

    def points(self, points: Tensor) -> Tensor:
        """(B, J, 2) crop pixels, left and right swapped where mirrored."""
        centre = points.new_tensor([CROP[1] - 1, CROP[0] - 1]) / 2
        moved = self.geometry.vectors(points - centre) + centre + self.shift[:, None]
        return self.geometry.swap_joints(moved, 1)

    def visible(self, visible: Tensor) -> Tensor:
        """(B, J), left and right swapped where mirrored."""
        return self.geometry.swap_joints(visible, 1)

    def pictures(self, pictures: Tensor) -> Tensor:
        """(B, 3, rows, columns); pixels from outside the crop are black."""
        # affine_grid maps target pixels to source pixels, in units of half the picture.
        half = pictures.new_tensor([CROP[1], CROP[0]]) / 2
        inverse = torch.linalg.inv(self.geometry.matrix)
        linear = inverse * half / half[:, None]
        shift = -(inverse @ self.shift[..., None])[..., 0] / half
        theta = torch.cat([linear, shift[..., None]], dim=-1)
        grid = nn.functional.affine_grid(theta, list(pictures.shape), align_corners=False)
        # Black is -1, while grid_sample puts 0 outside.
        moved = nn.functional.grid_sample(pictures + 1, grid, align_corners=False)
        coloured = (moved * self.gain[..., None, None]).clamp(max=2) - 1
        return self.noise.applied(coloured) if self.noise else coloured


def draw_warp(
    batch: int,
    training: TrainingConfig,
    jitter: CropJitterConfig,
    generator: torch.Generator,
    device: torch.device,
    skeleton: Skeleton = DANCE_14,
) -> Warp:
    """One warp a crop; the geometry is drawn as for the other networks.

    Raises InputError for a skeleton that is not 2-D.
    """
    if skeleton.dimensions != 2:
        raise InputError(f"person crops are pictures, and the skeleton {skeleton.id} is not 2-D")

    def spread(columns: int) -> Tensor:
        return 2 * torch.rand(batch, columns, generator=generator) - 1

    geometry = draw_geometry(batch, training, generator, device, skeleton)
    shift = jitter.shift * CROP[0] * spread(2)
    gain = torch.exp(
        math.log1p(jitter.brightness) * spread(1) + math.log1p(jitter.colour) * spread(3)
    )
    noise = draw_pixel_noise(batch, jitter, generator, device)
    return Warp(geometry, shift.to(device), gain.to(device), noise)


@dataclass(frozen=True)
class CropBatch:
    """Pictures (B, 3, 128, 96), heatmaps (B, J, 32, 24), and which joints count (B, J)."""

    pictures: Tensor
    heatmaps: Tensor
    seen: Tensor


class CropTensors:
    """Annotated frames of runs with their crops; pixels are read batch by batch."""

    def __init__(self, crops: Crops, runs: Sequence[PoseRun], device: torch.device) -> None:
        self.crops, self.device = crops, device
        kept = np.concatenate([run.annotated for run in runs])
        self.rows = crops.rows(runs)[kept]
        annotation = np.concatenate([run.annotation for run in runs])[kept]
        points = crops.maps(self.rows).to_crop(annotation)
        visible = np.concatenate([run.visibility for run in runs])[kept] > 0
        self.points = torch.from_numpy(points.astype(np.float32)).to(device)
        self.visible = torch.from_numpy(visible).to(device)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, chosen: Tensor, warp: Warp | None = None) -> CropBatch:
        """The chosen frames (B,); a joint outside the crop does not count."""
        pictures = pictures_of(self.crops.pixels(self.rows[chosen.numpy()]), self.device)
        points, seen = self.points[chosen], self.visible[chosen]
        if warp is not None:
            pictures = warp.pictures(pictures)
            points, seen = warp.points(points), warp.visible(seen)
        points = to_heatmap(points)
        limit = points.new_tensor([HEATMAP[1], HEATMAP[0]]) - 0.5
        seen = seen & ((points > -0.5) & (points < limit)).all(dim=-1)
        return CropBatch(pictures, gaussian_heatmaps(points, seen), seen)
