"""EqMotion-style forecaster: the forecast turns with the observed motion.

After Xu et al. 2023 ("EqMotion: equivariant multi-agent motion prediction with invariant
interaction reasoning"), joints in place of agents. Every joint has geometric features, vectors that
are linear combinations over time of its path and velocity, and a pattern, numbers that no rotation
changes. Vectors are only added, and scaled by functions of the patterns and of distances, so the
network is equivariant by construction; categories of interaction are inferred from the same
invariants. Different from the publication: translation is removed once, at the start (there the
mean is taken off in every step); the turning of the path enters by its cosine; all categories act;
effects of the other joints are averaged; the output is an offset from the last pose that starts at
zero; smaller.
"""

import torch
from torch import Tensor, nn

from dance_models.config import EqMotionConfig
from dance_models.data.forecast_windows import FUTURE, OBSERVED
from dance_models.nets.simlpe import dct_matrix
from dance_models.nets.stga_net import differences
from dance_models.skeleton import DANCE_14, Skeleton

EPSILON = 1e-6  # under roots and in quotients of squared lengths


def lengths(vectors: Tensor) -> Tensor:
    """(..., D) -> (...), with a gradient at zero."""
    return (vectors.square().sum(dim=-1) + EPSILON).sqrt()


def mixed(layer: nn.Linear, vectors: Tensor) -> Tensor:
    """Linear combinations of vectors, (..., C_in, D) -> (..., C_out, D)."""
    return layer.weight @ vectors


class Pairs(nn.Module):
    """An MLP of what no rotation changes about two joints, (B, V, V, outputs).

    Of both patterns and of the distances between their geometric features.
    """

    def __init__(self, channels: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.own, self.other = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden, bias=False)
        self.apart = nn.Linear(channels, hidden, bias=False)
        self.out = nn.Sequential(nn.SiLU(), nn.Linear(hidden, outputs))

    def forward(self, pattern: Tensor, distance: Tensor) -> Tensor:
        """Pattern (B, V, H) and distance (B, V, V, C): a linear layer over all three, then on."""
        joint = self.own(pattern)[:, :, None] + self.other(pattern)[:, None]
        out: Tensor = self.out(joint + self.apart(distance))
        return out


class Reasoning(nn.Module):
    """The category of each pair's interaction, as shares (B, V, V, K)."""

    def __init__(self, channels: int, config: EqMotionConfig) -> None:
        super().__init__()
        hidden = config.hidden
        self.message = Pairs(channels, hidden, hidden)
        self.node = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.SiLU())
        self.category = Pairs(channels, hidden, config.categories)

    def forward(self, pattern: Tensor, geometry: Tensor) -> Tensor:
        """Patterns (B, V, H) and geometric features (B, V, C, D)."""
        distance = lengths(geometry[:, :, None] - geometry[:, None])
        message = self.message(pattern, distance).mean(dim=2)
        node = self.node(torch.cat([pattern, message], dim=-1))
        share: Tensor = self.category(node, distance).softmax(dim=-1)
        return share


class EqMotionLayer(nn.Module):
    """One update of geometric features and, unless it is the last layer, of patterns."""

    def __init__(self, config: EqMotionConfig, *, last: bool) -> None:
        super().__init__()
        channels, hidden, self.categories = config.channels, config.hidden, config.categories
        self.inner = nn.Sequential(nn.Linear(hidden, channels), nn.SiLU())
        self.effect = Pairs(channels, hidden, config.categories * channels)
        self.velocity, self.query, self.key = (
            nn.Linear(channels, channels, bias=False) for _ in range(3)
        )
        self.message = None if last else Pairs(channels, hidden, hidden)
        self.node = (
            None
            if last
            else nn.Sequential(nn.Linear(2 * hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        )

    def forward(
        self, pattern: Tensor, geometry: Tensor, velocity: Tensor, category: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(B, V, H), (B, V, C, D), (B, V, C, D), (B, V, V, K) -> the first two, updated."""
        apart = geometry[:, :, None] - geometry[:, None]  # (B, V, V, C, D)
        distance = lengths(apart)
        effect = self.effect(pattern, distance).unflatten(-1, (self.categories, -1))
        weight = (category[..., None] * effect).sum(dim=-2)  # (B, V, V, C)
        moved = geometry * (1 + self.inner(pattern))[..., None]
        moved = moved + (weight[..., None] * apart).mean(dim=2) + mixed(self.velocity, velocity)
        if self.message is not None and self.node is not None:
            message = self.message(pattern, distance).mean(dim=2)
            pattern = pattern + self.node(torch.cat([pattern, message], dim=-1))
        return pattern, self._rectified(moved)

    def _rectified(self, geometry: Tensor) -> Tensor:
        """An equivariant ReLU: the part of the query that opposes the key is taken out."""
        query, key = mixed(self.query, geometry), mixed(self.key, geometry)
        opposed = (query * key).sum(dim=-1, keepdim=True).clamp(max=0)
        return query - opposed / (key.square().sum(dim=-1, keepdim=True) + EPSILON) * key


class EqMotion(nn.Module):
    """Shape: observed (B, 27, J, D) -> forecast (B, 10, J, D), torso lengths."""

    dct: Tensor
    inverse: Tensor

    def __init__(self, config: EqMotionConfig, skeleton: Skeleton = DANCE_14) -> None:
        super().__init__()
        self.config, self.skeleton = config, skeleton
        channels, hidden = config.channels, config.hidden
        self.register_buffer("dct", dct_matrix(OBSERVED))
        self.register_buffer("inverse", dct_matrix(FUTURE).T.contiguous())
        self.from_path = nn.Linear(OBSERVED, channels, bias=False)
        self.from_velocity = nn.Linear(OBSERVED, channels, bias=False)
        self.joint = nn.Parameter(torch.randn(skeleton.num_joints, hidden) * 0.1)
        self.from_invariants = nn.Linear(2 * OBSERVED - 1, hidden)  # speeds and turns
        self.to_pattern = nn.Sequential(nn.SiLU(), nn.Linear(hidden, hidden))
        self.reasoning = Reasoning(2 * channels, config)
        self.layers = nn.ModuleList(
            EqMotionLayer(config, last=i == config.layers - 1) for i in range(config.layers)
        )
        self.head = nn.Linear(channels, FUTURE, bias=False)
        nn.init.zeros_(self.head.weight)

    def forward(self, observed: Tensor) -> Tensor:
        """Forecast a batch of windows."""
        poses = observed.transpose(1, 2)  # (B, V, T, D)
        steps = differences(observed).transpose(1, 2)
        pattern = self._pattern(steps)
        centred = poses - poses.mean(dim=(1, 2), keepdim=True)
        geometry = mixed(self.from_path, self.dct @ centred)
        velocity = mixed(self.from_velocity, self.dct @ steps)
        category = self.reasoning(pattern, torch.cat([geometry, velocity], dim=-2))
        for layer in self.layers:
            pattern, geometry = layer(pattern, geometry, velocity, category)
        offset = self.inverse @ mixed(self.head, geometry)  # (B, V, 10, D)
        return observed[:, -1:] + offset.transpose(1, 2)

    def _pattern(self, steps: Tensor) -> Tensor:
        """Speeds, cosines of the angles between neighbouring steps, and which joint it is."""
        speed = lengths(steps)  # (B, V, T)
        dot = (steps[:, :, 1:] * steps[:, :, :-1]).sum(dim=-1)
        turn = dot / (speed[..., 1:] * speed[..., :-1])
        found = self.from_invariants(torch.cat([speed, turn], dim=-1)) + self.joint
        pattern: Tensor = self.to_pattern(found)
        return pattern
