"""Gaussian blur and pixel noise of person crops, drawn on the fly with a strength a crop."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dance_models.config import CropJitterConfig
from dance_models.data.crops import CROP

GREY_LEVEL = 1 / 127.5  # in units of the network's input, which runs from -1 (black) to 1


@dataclass(frozen=True)
class PixelNoise:
    """Changes to the pixels of a batch of crops; None is off. Nothing is displaced."""

    blur: Tensor | None  # (B,) standard deviation, crop pixels
    noise: Tensor | None  # (B, 3, rows, columns), added after the blur

    def applied(self, pictures: Tensor) -> Tensor:
        """(B, 3, rows, columns) in -1..1, and so is the result."""
        if self.blur is not None:
            pictures = gaussian_blur(pictures, self.blur)
        if self.noise is not None:
            pictures = pictures + self.noise
        return pictures.clamp(-1, 1)


def draw_pixel_noise(
    batch: int, jitter: CropJitterConfig, generator: torch.Generator, device: torch.device
) -> PixelNoise | None:
    """One strength per crop, uniform up to the largest. Nothing is drawn for what is off."""
    blur = noise = None
    if jitter.blur:
        blur = (jitter.blur * torch.rand(batch, generator=generator)).to(device)
    if jitter.noise:
        strength = jitter.noise * GREY_LEVEL * torch.rand(batch, 1, 1, 1, generator=generator)
        noise = (strength * torch.randn(batch, 3, *CROP, generator=generator)).to(device)
    return None if blur is None and noise is None else PixelNoise(blur, noise)


def gaussian_blur(pictures: Tensor, deviation: Tensor) -> Tensor:
    """Blur each picture of (B, C, rows, columns) by its own standard deviation (B,), in pixels.

    The kernel ends at three deviations; the picture's edge pixels continue outside of it.
    """
    batch, channels, rows, columns = pictures.shape
    radius = max(1, math.ceil(3 * float(deviation.max())))
    offset = torch.arange(-radius, radius + 1, device=pictures.device)
    # A deviation of 0 would divide by 0; this one gives the picture itself.
    weight = torch.exp(-((offset / deviation.clamp(min=1e-3)[:, None]) ** 2) / 2)
    weight = weight / weight.sum(dim=1, keepdim=True)
    kernel = weight.repeat_interleave(channels, dim=0)[:, None, None]  # (B C, 1, 1, 2 radius + 1)
    flat = pictures.reshape(1, batch * channels, rows, columns)
    padded = nn.functional.pad(flat, (radius,) * 4, mode="replicate")
    across = nn.functional.conv2d(padded, kernel, groups=batch * channels)
    both = nn.functional.conv2d(across, kernel.transpose(2, 3), groups=batch * channels)
    return both.reshape(pictures.shape)
