"""HRNet: from a person crop to heatmaps, with a branch of full resolution kept throughout.

After Sun et al. 2019: a stem of two strided convolutions, bottleneck blocks, then stages of two,
three and four parallel resolutions that exchange features again and again. The published
numbers of blocks in ``HrnetConfig`` give the published network; the defaults are a small one for
128 x 96 crops and a CPU, and no weights pre-trained on ImageNet are assumed.
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from dance_models.config import HrnetConfig
from dance_models.skeleton import DANCE_14, Skeleton

EXPANSION: Final = 4  # of a bottleneck's output over its middle


def conv_norm(
    channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1
) -> list[nn.Module]:
    """Convolution, padded, and batch normalisation."""
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(channels_out)]


class Residual(nn.Module):
    """relu(body(x) + shortcut(x))."""

    def __init__(self, body: Sequence[nn.Module], shortcut: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)
        self.shortcut = nn.Sequential(*shortcut)  # empty: the identity

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C_out, H, W)."""
        return torch.relu(self.body(x) + self.shortcut(x))


def basic_block(channels: int) -> Residual:
    """Two 3 x 3 convolutions."""
    return Residual([*conv_norm(channels, channels), nn.ReLU(), *conv_norm(channels, channels)])


def bottleneck(channels_in: int, middle: int) -> Residual:
    """1 x 1, 3 x 3 and 1 x 1, the last to four times the middle."""
    out = EXPANSION * middle
    body = [
        *conv_norm(channels_in, middle, kernel=1),
        nn.ReLU(),
        *conv_norm(middle, middle),
        nn.ReLU(),
        *conv_norm(middle, out, kernel=1),
    ]
    return Residual(body, conv_norm(channels_in, out, kernel=1) if channels_in != out else ())


def exchange_path(widths: Sequence[int], source: int, target: int) -> nn.Sequential:
    """From one resolution to another: strided 3 x 3 down, 1 x 1 and nearest neighbour up."""
    if source == target:
        return nn.Sequential()
    a, b = widths[source], widths[target]
    if source > target:
        up = nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
        return nn.Sequential(*conv_norm(a, b, kernel=1), up)
    halvings: list[nn.Module] = []
    for _ in range(target - source - 1):
        halvings += [*conv_norm(a, a, stride=2), nn.ReLU()]
    return nn.Sequential(*halvings, *conv_norm(a, b, stride=2))


class Exchange(nn.Module):
    """One module of a stage: each resolution separately, then sums over all of them.

    Shape: a list of (B, C_i, H / 2^i, W / 2^i) -> the first ``targets`` of the same.
    """

    def __init__(self, widths: Sequence[int], blocks: int, targets: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(basic_block(width) for _ in range(blocks))) for width in widths
        )
        self.paths = nn.ModuleList(
            nn.ModuleList(exchange_path(widths, j, i) for j in range(len(widths)))
            for i in range(targets)
        )

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Each output is the ReLU of the sum over the branches' paths to it."""
        ys = [branch(x) for branch, x in zip(self.branches, xs, strict=True)]
        return [torch.relu(self._gather(paths, ys)) for paths in self.paths]

    @staticmethod
    def _gather(paths: nn.Module, ys: list[Tensor]) -> Tensor:
        assert isinstance(paths, nn.ModuleList)
        first, *others = (path(y) for path, y in zip(paths, ys, strict=True))
        for other in others:
            first = first + other
        sent: Tensor = first
        return sent


class Hrnet(nn.Module):
    """Shape: crops (B, 3, H, W), sides multiples of 32 -> heatmaps (B, J, H / 4, W / 4)."""

    def __init__(self, config: HrnetConfig, skeleton: Skeleton = DANCE_14) -> None:
        super().__init__()
        self.config, self.skeleton = config, skeleton
        stem, width = config.stem, config.width
        wide = EXPANSION * stem
        self.stem = nn.Sequential(
            *conv_norm(3, stem, stride=2), nn.ReLU(), *conv_norm(stem, stem, stride=2), nn.ReLU()
        )
        self.first = nn.Sequential(
            *(bottleneck(wide if i else stem, stem) for i in range(config.bottlenecks))
        )
        self.enter = nn.Sequential(*conv_norm(wide, width), nn.ReLU())
        sources = (wide, 2 * width, 4 * width)  # channels that each stage's new branch starts from
        self.grow = nn.ModuleList(
            nn.Sequential(*conv_norm(source, 2 ** (i + 1) * width, stride=2), nn.ReLU())
            for i, source in enumerate(sources)
        )
        self.stages = nn.ModuleList(_stage(config, i) for i in range(len(sources)))
        self.head = nn.Conv2d(width, skeleton.num_joints, 1)
        nn.init.normal_(self.head.weight, std=1e-3)  # heatmaps are nearly zero everywhere
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)

    def forward(self, crops: Tensor) -> Tensor:
        """Heatmaps of the finest branch; a target's peak is 1."""
        x = self.first(self.stem(crops.contiguous(memory_format=torch.channels_last)))
        xs, coarsest = [self.enter(x)], x
        for grow, stage in zip(self.grow, self.stages, strict=True):
            xs = stage([*xs, grow(coarsest)])
            coarsest = xs[-1]
        heatmaps: Tensor = self.head(xs[0])
        return heatmaps


def _stage(config: HrnetConfig, index: int) -> nn.Sequential:
    """The modules of a stage; of the network's very last exchange only the finest is needed."""
    widths = [2**i * config.width for i in range(index + 2)]
    targets = [len(widths)] * config.modules[index]
    if index == len(config.modules) - 1:
        targets[-1] = 1
    return nn.Sequential(*(Exchange(widths, config.blocks, count) for count in targets))
