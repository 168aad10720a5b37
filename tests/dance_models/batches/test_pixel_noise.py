"""Blur and noise of crops: each crop has its own strength, and nothing is displaced."""

import pytest
import torch

from dance_models.batches.pixel_noise import draw_pixel_noise, gaussian_blur
from dance_models.config import CropJitterConfig
from dance_models.data.crops import CROP

CPU = torch.device("cpu")


def _spot(row: int, column: int) -> torch.Tensor:
    picture = torch.full((1, 3, *CROP), -1.0)
    picture[:, :, row, column] = 1
    return picture


def test_a_blurred_spot_has_the_drawn_width_and_stays_where_it_is() -> None:
    deviations = torch.tensor([0.0, 1.0, 2.5])
    blurred = gaussian_blur(_spot(60, 40).expand(3, -1, -1, -1), deviations)
    weight = (blurred[:, 0] + 1).double()
    rows, columns = torch.arange(CROP[0])[:, None], torch.arange(CROP[1])
    total = weight.sum(dim=(1, 2))
    torch.testing.assert_close(total, torch.full((3,), 2.0, dtype=torch.float64), atol=1e-3, rtol=0)
    for axis, centre in ((rows, 60), (columns, 40)):
        mean = (weight * axis).sum(dim=(1, 2)) / total
        assert (mean - centre).abs().max() < 0.02
        width = ((weight * (axis - centre) ** 2).sum(dim=(1, 2)) / total).sqrt()
        torch.testing.assert_close(width.float(), deviations, atol=0.05, rtol=0.03)


def test_no_blur_gives_the_picture_and_a_flat_one_stays_flat_to_its_edges() -> None:
    picture = torch.rand(2, 3, *CROP) * 2 - 1
    assert torch.equal(gaussian_blur(picture, torch.zeros(2)), picture)
    flat = torch.full((2, 3, *CROP), 0.4)
    torch.testing.assert_close(gaussian_blur(flat, torch.tensor([1.0, 3.0])), flat)


def test_noise_has_the_drawn_strength_in_grey_levels() -> None:
    noise = draw_pixel_noise(400, CropJitterConfig(noise=12), torch.Generator().manual_seed(1), CPU)
    assert noise is not None and noise.noise is not None and noise.blur is None
    levels = 127.5 * noise.noise.std(dim=(1, 2, 3))
    assert levels.min() < 1
    assert levels.max() == pytest.approx(12, rel=0.05)
    assert levels.mean() == pytest.approx(6, rel=0.1)
    grey = torch.zeros(400, 3, *CROP)
    assert torch.equal(noise.applied(grey), noise.noise.clamp(-1, 1))


def test_pixels_stay_in_range() -> None:
    jitter = CropJitterConfig(blur=2, noise=60)
    noise = draw_pixel_noise(4, jitter, torch.Generator().manual_seed(0), CPU)
    assert noise is not None
    for value in (-1.0, 1.0):
        changed = noise.applied(torch.full((4, 3, *CROP), value))
        assert changed.min() >= -1
        assert changed.max() <= 1


def test_disabled_augmentations_draw_nothing() -> None:
    generator = torch.Generator().manual_seed(5)
    before = generator.get_state()
    assert draw_pixel_noise(4, CropJitterConfig(), generator, CPU) is None
    assert torch.equal(generator.get_state(), before)


def test_draws_are_determined_by_the_seed() -> None:
    jitter = CropJitterConfig(blur=1, noise=6)
    one, two = (
        draw_pixel_noise(3, jitter, torch.Generator().manual_seed(9), CPU) for _ in range(2)
    )
    assert one is not None and two is not None
    picture = torch.rand(3, 3, *CROP) * 2 - 1
    assert torch.equal(one.applied(picture), two.applied(picture))
    assert not torch.equal(one.applied(picture), picture)
