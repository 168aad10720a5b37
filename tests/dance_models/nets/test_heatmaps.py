import math

import torch
from torch import Tensor

from dance_models.nets.heatmaps import HEATMAP, decode_heatmaps, flip_back, gaussian_heatmaps
from dance_models.skeleton import DANCE_14


def _points(count: int, margin: float = 1.0) -> Tensor:
    """Random points at least ``margin`` pixels inside of the border."""
    torch.manual_seed(0)
    rows, columns = HEATMAP
    last = torch.tensor([columns - 1.0, rows - 1.0])
    return margin + torch.rand(count, 14, 2) * (last - 2 * margin)


def test_target_against_the_formula() -> None:
    points = _points(2)
    heatmaps = gaussian_heatmaps(points, torch.ones(2, 14), sigma=1.5)
    assert heatmaps.shape == (2, 14, 32, 24)
    x, y = points[1, 5].tolist()
    for row, column in ((0, 0), (31, 23), (round(y), round(x)), (7, 19)):
        expected = math.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * 1.5**2))
        assert abs(heatmaps[1, 5, row, column].item() - expected) < 1e-6


def test_peak_is_one_at_a_whole_pixel() -> None:
    points = _points(3).round()
    heatmaps = gaussian_heatmaps(points, torch.ones(3, 14))
    found, scores = decode_heatmaps(heatmaps)
    assert torch.equal(scores, torch.ones(3, 14))
    # A peak exactly on a pixel has equal neighbours, up to rounding: the error is at most 0.25.
    assert (found - points).abs().max() <= 0.25


def test_an_invisible_joint_has_no_target_at_any_position() -> None:
    points = _points(1)
    points[0, 3], points[0, 4] = math.nan, math.inf
    visible = torch.ones(1, 14, dtype=torch.bool)
    visible[0, 3] = visible[0, 4] = False
    heatmaps = gaussian_heatmaps(points, visible)
    assert heatmaps.isfinite().all()
    assert heatmaps.amax(dim=(2, 3))[0].gt(0).tolist() == visible[0].tolist()


def test_round_trip_is_within_a_quarter_of_a_pixel_an_axis() -> None:
    points = _points(500)
    found, scores = decode_heatmaps(gaussian_heatmaps(points, torch.ones(500, 14)))
    error = (found - points).abs()
    assert error.max() < 0.2501  # what a quarter-pixel step leaves
    assert error.norm(dim=-1).mean() < 0.2
    assert scores.min() > 0.79  # half a pixel off on both axes


def test_quarter_towards_the_higher_neighbour_and_none_at_the_border() -> None:
    heatmaps = torch.zeros(1, 4, 5, 6)
    heatmaps[0, 0, 2, 3], heatmaps[0, 0, 2, 4], heatmaps[0, 0, 1, 3] = 1.0, 0.5, 0.5
    heatmaps[0, 1, 0, 0], heatmaps[0, 1, 0, 1] = 1.0, 0.5
    heatmaps[0, 2, 4, 5], heatmaps[0, 2, 3, 5] = 1.0, 0.5
    heatmaps[0, 3, 1, 5], heatmaps[0, 3, 2, 0] = 1.0, 0.5  # adjacent in memory, not a neighbour
    found, _ = decode_heatmaps(heatmaps)
    assert found[0].tolist() == [[3.25, 1.75], [0, 0], [5, 4], [5, 1]]


def test_decoding_does_not_confuse_rows_and_columns() -> None:
    points = torch.tensor([[[20.0, 3.0]]])
    found, _ = decode_heatmaps(gaussian_heatmaps(points, torch.ones(1, 1)))
    assert (found - points).abs().max() <= 0.25


def test_flipping_back_twice_is_the_identity() -> None:
    torch.manual_seed(0)
    heatmaps = torch.rand(2, 14, *HEATMAP)
    assert torch.equal(flip_back(flip_back(heatmaps)), heatmaps)
    assert not torch.equal(flip_back(heatmaps), heatmaps)


def test_heatmaps_of_the_mirrored_pose_flip_back_to_those_of_the_pose() -> None:
    points = _points(4)
    mirrored = points[:, list(DANCE_14.mirror)].clone()
    mirrored[..., 0] = HEATMAP[1] - 1 - mirrored[..., 0]
    ones = torch.ones(4, 14)
    expected = gaussian_heatmaps(points, ones)
    torch.testing.assert_close(flip_back(gaussian_heatmaps(mirrored, ones)), expected)


def test_flipping_back_swaps_left_and_right() -> None:
    heatmaps = torch.zeros(1, 14, *HEATMAP)
    heatmaps[0, DANCE_14.index["left_wrist"], 4, 0] = 1.0
    flipped = flip_back(heatmaps)
    assert flipped[0, DANCE_14.index["right_wrist"], 4, HEATMAP[1] - 1] == 1.0
    assert flipped.sum() == 1.0
