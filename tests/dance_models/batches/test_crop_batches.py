"""Crops and their keypoints are warped alike."""

from pathlib import Path

import numpy as np
import pytest
import torch
from crop_cases import painted_crops

from dance_models.batches.crops import (
    CropTensors,
    Warp,
    draw_warp,
    from_heatmap,
    pictures_of,
    to_heatmap,
)
from dance_models.batches.geometry import Geometry
from dance_models.config import CropJitterConfig, TrainingConfig
from dance_models.data.crops import CROP
from dance_models.nets.heatmaps import decode_heatmaps
from dance_models.skeleton import DANCE_14
from dance_models.training.synthetic import synthetic_runs

CPU = torch.device("cpu")
STRONG = TrainingConfig(rotation_rad=0.6, axis_scale=(0.7, 1.3), mirror_probability=0.5)
NO_COLOUR = CropJitterConfig(shift=0.1, brightness=0, colour=0)


def _spots(points: torch.Tensor) -> torch.Tensor:
    """A white Gaussian spot at each point (B, 2), on black."""
    rows, columns = torch.arange(CROP[0])[:, None], torch.arange(CROP[1])
    x, y = (points[:, i, None, None] for i in (0, 1))
    value = torch.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 18)
    return 2 * value[:, None].expand(-1, 3, -1, -1) - 1


def _centroids(pictures: torch.Tensor) -> torch.Tensor:
    weight = (pictures[:, 0] + 1).double()
    rows, columns = torch.arange(CROP[0])[:, None], torch.arange(CROP[1])
    total = weight.sum(dim=(1, 2))
    x, y = ((weight * axis).sum(dim=(1, 2)) / total for axis in (columns, rows))
    return torch.stack([x, y], dim=-1)


def test_an_image_and_its_points_are_warped_alike() -> None:
    points = torch.tensor([[40.0, 60.0], [52.0, 70.0]]).repeat(16, 1)
    warp = draw_warp(32, STRONG, NO_COLOUR, torch.Generator().manual_seed(3), CPU)
    moved = warp.points(points[:, None].expand(-1, 14, -1))[:, 0]
    inside = ((moved > 15) & (moved < torch.tensor([80.0, 112.0]))).all(dim=-1)
    assert inside.sum() > 20
    seen = _centroids(warp.pictures(_spots(points)))
    assert (seen - moved)[inside].abs().max() < 0.3
    assert (moved - points).abs().max() > 10


def test_a_mirrored_crop_is_flipped_and_its_joints_are_swapped() -> None:
    mirror = Geometry(torch.tensor([[[-1.0, 0.0], [0.0, 1.0]]]), torch.tensor([True]))
    warp = Warp(mirror, torch.zeros(1, 2), torch.ones(1, 3))
    picture = torch.rand(1, 3, *CROP) * 2 - 1
    torch.testing.assert_close(warp.pictures(picture), picture.flip(-1), atol=1e-4, rtol=0)
    points = torch.rand(1, 14, 2) * 90
    expected = points[:, list(DANCE_14.mirror)] * torch.tensor([-1.0, 1.0]) + torch.tensor(
        [95.0, 0.0]
    )
    torch.testing.assert_close(warp.points(points), expected)
    visible = torch.arange(14)[None] < 3
    assert torch.equal(warp.visible(visible), visible[:, list(DANCE_14.mirror)])


def test_colour_changes_nothing_else_and_stays_in_range() -> None:
    still = TrainingConfig(rotation_rad=0, axis_scale=(1, 1), mirror_probability=0)
    jitter = CropJitterConfig(shift=0, brightness=0.5, colour=0.2)
    warp = draw_warp(8, still, jitter, torch.Generator().manual_seed(0), CPU)
    picture = torch.full((8, 3, *CROP), 0.2)
    changed = warp.pictures(picture)
    assert changed.min() >= -1
    assert changed.max() <= 1
    assert (changed.amax(dim=(2, 3)) - changed.amin(dim=(2, 3))).max() < 1e-3
    assert changed.mean(dim=(1, 2, 3)).std() > 0.05
    points = torch.rand(8, 14, 2)
    torch.testing.assert_close(warp.points(points), points)


def test_draws_are_determined_by_the_seed() -> None:
    one, two = (
        draw_warp(4, STRONG, NO_COLOUR, torch.Generator().manual_seed(7), CPU) for _ in range(2)
    )
    assert torch.equal(one.shift, two.shift)
    assert torch.equal(one.geometry.matrix, two.geometry.matrix)


def test_disabled_noise_and_blur_draw_nothing() -> None:
    generators = [torch.Generator().manual_seed(7) for _ in range(2)]
    off, on = (
        draw_warp(4, STRONG, jitter, generator, CPU)
        for jitter, generator in zip(
            (CropJitterConfig(), CropJitterConfig(blur=1.5, noise=12)), generators, strict=True
        )
    )
    assert off.noise is None
    assert on.noise is not None
    assert torch.equal(off.geometry.matrix, on.geometry.matrix)
    assert torch.equal(off.gain, on.gain)
    assert not torch.equal(generators[0].get_state(), generators[1].get_state())
    picture = torch.rand(4, 3, *CROP) * 2 - 1
    assert torch.equal(on.noise.applied(off.pictures(picture)), on.pictures(picture))


def test_targets_lie_on_the_annotation_and_joints_outside_do_not_count(tmp_path: Path) -> None:
    run = synthetic_runs(3, 6)[0]
    run.visibility[:, 4] = 0
    run.annotation[:, 4] = np.nan
    run.annotation[2, 7] = (-500, 40)
    run.visibility[5] = 0  # a frame without annotation
    crops = painted_crops([run], tmp_path / "crops.npy")
    data = CropTensors(crops, [run], CPU)
    assert len(data) == 5
    batch = data.batch(torch.arange(5))
    assert not batch.seen[:, 4].any()
    assert not batch.seen[2, 7]
    assert batch.seen.sum() == 5 * 13 - 1
    found, peak = decode_heatmaps(batch.heatmaps)
    error = (from_heatmap(found) - data.points).norm(dim=-1)[batch.seen]
    assert error.max() < 2.9  # within half a heatmap pixel along each axis
    assert peak[batch.seen].min() > 0.7
    assert torch.isfinite(batch.heatmaps).all()


def test_pictures_and_heatmap_pixels() -> None:
    pixels = np.zeros((1, *CROP, 3), np.uint8)
    pixels[0, 5, 7] = (255, 0, 51)
    picture = pictures_of(pixels, CPU)
    assert picture[0, :, 5, 7].tolist() == pytest.approx([1, -1, -0.6])
    points = torch.tensor([1.5, 95.0])  # the middle of the first four pixels, and the last one
    torch.testing.assert_close(to_heatmap(points), torch.tensor([0.0, 23.375]))
    torch.testing.assert_close(from_heatmap(to_heatmap(points)), points)
