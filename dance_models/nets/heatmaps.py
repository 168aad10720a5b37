"""Heatmaps of keypoints: targets, decoding, and undoing a mirrored picture.

Heatmap pixels have their centres at whole numbers. A point x of the crop lies at
(x + 0.5) / STRIDE - 0.5, so that a mirrored picture gives exactly mirrored heatmaps. The
publications of HRNet and its predecessors divide by the stride alone, round the centre of the
target to a pixel, and shift the mirrored heatmap by one pixel to compensate.
"""

from typing import Final

import torch
from torch import Tensor

from dance_models.skeleton import DANCE_14, Skeleton

STRIDE: Final = 4  # crop pixels a heatmap pixel
HEATMAP: Final = (32, 24)  # rows, columns: of a crop of 128 x 96
SIGMA: Final = 1.5  # heatmap pixels; the publication's 2 is for 64 x 48


def gaussian_heatmaps(
    points: Tensor, visible: Tensor, size: tuple[int, int] = HEATMAP, sigma: float = SIGMA
) -> Tensor:
    """Targets with peak 1: (B, K, 2) in heatmap pixels and (B, K) -> (B, K, rows, columns).

    All zero where ``visible`` is; the coordinates there may be anything, NaN included.
    """
    seen = visible.to(torch.bool)
    known = torch.where(seen[..., None], points, 0.0)
    columns, rows = (
        torch.exp(-0.5 * ((_range(count, points) - known[..., axis, None]) / sigma).square())
        for axis, count in ((0, size[1]), (1, size[0]))
    )
    return rows[..., :, None] * columns[..., None, :] * seen[..., None, None]


def decode_heatmaps(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """(B, K, rows, columns) -> points (B, K, 2) in heatmap pixels and peak values (B, K).

    The highest pixel, moved a quarter of a pixel along each axis to its higher neighbour; along
    an axis at whose border it lies it stays.
    """
    rows, columns = heatmaps.shape[-2:]
    flat = heatmaps.flatten(-2)
    scores, best = flat.max(dim=-1)
    row, column = best // columns, best % columns
    shifted = [
        place + 0.25 * _slope(flat, best, place, step, count)
        for place, step, count in ((column, 1, columns), (row, columns, rows))
    ]
    return torch.stack(shifted, dim=-1), scores


def flip_back(heatmaps: Tensor, skeleton: Skeleton = DANCE_14) -> Tensor:
    """Heatmaps (B, J, rows, columns) of a mirrored picture -> those of the picture itself."""
    return heatmaps[:, list(skeleton.mirror)].flip(-1)


def _slope(flat: Tensor, best: Tensor, place: Tensor, step: int, count: int) -> Tensor:
    """Sign of the difference of the neighbours ``step`` away, 0 at the border."""
    last = flat.shape[-1] - 1
    after = flat.gather(-1, (best + step).clamp(max=last)[..., None])[..., 0]
    before = flat.gather(-1, (best - step).clamp(min=0)[..., None])[..., 0]
    inside = (place > 0) & (place < count - 1)
    return torch.sign(after - before) * inside


def _range(count: int, like: Tensor) -> Tensor:
    return torch.arange(count, dtype=like.dtype, device=like.device)
