import pytest
import torch
from torch import nn

from dance_models.config import HrnetConfig
from dance_models.nets.heatmaps import decode_heatmaps, gaussian_heatmaps
from dance_models.nets.hrnet import Exchange, Hrnet, exchange_path
from dance_models.skeletons.coco_17 import COCO_17

SMALL = HrnetConfig(width=8, stem=8)
PUBLISHED = {"stem": 64, "bottlenecks": 4, "blocks": 4, "modules": (1, 4, 3)}


@pytest.mark.parametrize(("width", "expected"), [(32, 28_536_113), (48, 63_595_745)])
def test_published_size(width: int, expected: int) -> None:
    """28.5 and 63.6 million for COCO's 17 keypoints."""
    with torch.device("meta"):
        model = Hrnet(HrnetConfig(width=width, **PUBLISHED), COCO_17)
    assert sum(p.numel() for p in model.parameters()) == expected


def test_default_size() -> None:
    with torch.device("meta"):
        model = Hrnet(HrnetConfig())
    assert sum(p.numel() for p in model.parameters()) == 738_062


@pytest.mark.parametrize("size", [(128, 96), (256, 192)])
def test_heatmaps_have_a_quarter_of_the_crop(size: tuple[int, int]) -> None:
    with torch.no_grad():
        heatmaps = Hrnet(SMALL).eval()(torch.randn(2, 3, *size))
    assert heatmaps.shape == (2, 14, size[0] // 4, size[1] // 4)
    assert heatmaps.abs().max() < 0.5  # an untrained network detects nothing


def test_stages_have_two_three_and_four_resolutions() -> None:
    model = Hrnet(HrnetConfig(width=8, stem=8, blocks=2, modules=(1, 3, 2)))
    assert [len(stage) for stage in model.stages] == [1, 3, 2]
    for branches, stage in zip((2, 3, 4), model.stages, strict=True):
        for module in stage:
            assert [len(branch) for branch in module.branches] == [2] * branches
    targets = [[len(module.paths) for module in stage] for stage in model.stages]
    assert targets == [[2], [3, 3, 3], [4, 1]]  # the last gives only the finest


@pytest.mark.parametrize("source", range(4))
@pytest.mark.parametrize("target", range(4))
def test_exchange_paths_fit_shapes_and_kernels(source: int, target: int) -> None:
    widths = (4, 8, 16, 32)
    path = exchange_path(widths, source, target)
    x = torch.randn(2, widths[source], 32 >> source, 24 >> source)
    assert path(x).shape == (2, widths[target], 32 >> target, 24 >> target)
    kernels = [(m.kernel_size[0], m.stride[0]) for m in path if isinstance(m, nn.Conv2d)]
    expected = [(1, 1)] if source > target else [(3, 2)] * (target - source)
    assert kernels == expected
    if source < target:
        assert not isinstance(path[-1], nn.ReLU)  # relu comes after the sum
    if source > target:
        step = 2 ** (source - target)  # nearest neighbour: blocks of equal numbers
        assert torch.equal(path(x)[..., ::step, ::step], path[:2](x))


def test_exchange_sums_over_all_resolutions() -> None:
    torch.manual_seed(0)
    module = Exchange((4, 8, 16), blocks=1, targets=3).eval()
    xs = [torch.randn(1, 4 << i, 16 >> i, 16 >> i) for i in range(3)]
    ys = [branch(x) for branch, x in zip(module.branches, xs, strict=True)]
    for paths, out in zip(module.paths, module(xs), strict=True):
        expected = sum(path(y) for path, y in zip(paths, ys, strict=True)).relu()
        torch.testing.assert_close(out, expected)
    for source in range(3):  # every input reaches every output
        changed = [x + 1 if i == source else x for i, x in enumerate(xs)]
        for before, after in zip(module(xs), module(changed), strict=True):
            assert not torch.equal(before, after)


def test_it_can_learn_one_batch() -> None:
    torch.manual_seed(0)
    crops = torch.randn(2, 3, 128, 96)
    points = 2 + torch.rand(2, 14, 2) * torch.tensor([19.0, 27.0])
    target = gaussian_heatmaps(points, torch.ones(2, 14))
    model = Hrnet(SMALL)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(100):
        optimiser.zero_grad()
        heatmaps = model(crops)
        loss = (heatmaps - target).square().mean()
        loss.backward()
        optimiser.step()
    assert loss < 0.35 * target.square().mean()
    error = (decode_heatmaps(heatmaps.detach())[0] - points).norm(dim=-1)
    assert error.median() < 1
