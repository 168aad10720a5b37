"""Local and global graph attention (Eq 11-12) and the block that joins them.

Layout (B, C, T, V). The local attention is GAST-Net's reading of Eq 11: a weight a channel and
edge, two channel maps (itself, neighbours), and the mask applied before the softmax, because a
literal softmax of the masked product would give weight to joints that are not linked.
"""

from typing import Final

import torch
from torch import Tensor, nn

from dance_models.config import StgaNetConfig
from dance_models.nets.graph import connected_edges, first_order, symmetric_edges
from dance_models.skeleton import NUM_JOINTS

LEAK: Final = 0.2


class MaskedGraphConv(nn.Module):
    """out_c = (S_c * I)(W_0 x)_c + (S_c * (1 - I))(W_1 x)_c, S_c a softmax over allowed edges."""

    allowed: Tensor
    identity: Tensor

    def __init__(self, channels: int, allowed: Tensor) -> None:
        super().__init__()
        self.register_buffer("allowed", allowed)
        self.register_buffer("identity", torch.eye(NUM_JOINTS))
        self.logits = nn.Parameter(torch.ones(channels, NUM_JOINTS, NUM_JOINTS))  # M
        self.maps = nn.Conv2d(channels, 2 * channels, 1, bias=False)  # W_0 and W_1
        self.norm = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, V) -> (B, C, T, V)."""
        share = self.logits.masked_fill(~self.allowed, -torch.inf).softmax(dim=-1)
        own, other = self.maps(x).chunk(2, dim=1)
        to_self = torch.diagonal(share, dim1=1, dim2=2)[:, None]  # (C, 1, V)
        # joint i gathers share[c, i, j] of joint j: x @ share^T, for each channel
        neighbours = other @ (share * (1 - self.identity)).transpose(1, 2)
        mixed: Tensor = self.norm(own * to_self + neighbours)
        return mixed


class LocalAttention(nn.Module):
    """Mirror joints (A_sym) and skeleton with second-order distal rows (A_con), joined by 1x1."""

    def __init__(self, channels: int, graphs: list[Tensor], dropout: float) -> None:
        super().__init__()
        self.branches = nn.ModuleList(MaskedGraphConv(channels, graph) for graph in graphs)
        self.join = nn.Sequential(
            nn.Conv2d(len(graphs) * channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, V) -> (B, C, T, V)."""
        joined: Tensor = self.join(torch.cat([branch(x) for branch in self.branches], dim=1))
        return joined


class GlobalAttention(nn.Module):
    """Eq 12: concat_k (B_k + C_k) X W_k.

    B_k = softmax over joints of LeakyReLU(w_k^T [theta(x_i); phi(x_j)]) a frame, C_k a free matrix
    that starts at zero.
    """

    def __init__(
        self, channels: int, heads: int, dropout: float, *, use_b: bool, use_c: bool
    ) -> None:
        super().__init__()
        self.heads, self.use_b, self.use_c = heads, use_b, use_c
        self.value = nn.Conv2d(channels, channels, 1)
        if use_b:
            # w^T [theta(x_i); phi(x_j)] splits into a term of i and a term of j, so the maps
            # theta and phi to C/heads channels and the vectors w_k act one after the other.
            self.theta = nn.Conv2d(channels, channels, 1)
            self.phi = nn.Conv2d(channels, channels, 1)
            self.w_theta = nn.Conv2d(channels, heads, 1, groups=heads)
            self.w_phi = nn.Conv2d(channels, heads, 1, groups=heads, bias=False)
        if use_c:
            self.free = nn.Parameter(torch.zeros(heads, NUM_JOINTS, NUM_JOINTS))
        self.join = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, V) -> (B, C, T, V)."""
        weights = self._weights(x)  # (B, heads, T, V, V) or broadcastable
        value = self.value(x).unflatten(1, (self.heads, -1)).permute(0, 1, 3, 4, 2)
        mixed = (weights @ value).permute(0, 1, 4, 2, 3).flatten(1, 2)
        joined: Tensor = self.join(mixed)
        return joined

    def _weights(self, x: Tensor) -> Tensor:
        weights = torch.zeros(1, 1, 1, NUM_JOINTS, NUM_JOINTS, dtype=x.dtype, device=x.device)
        if self.use_b:
            i, j = self.w_theta(self.theta(x)), self.w_phi(self.phi(x))  # (B, heads, T, V)
            score = nn.functional.leaky_relu(i[..., :, None] + j[..., None, :], LEAK)
            weights = weights + score.softmax(dim=-1)
        if self.use_c:
            weights = weights + self.free[:, None]
        return weights


class FixedGraph(nn.Module):
    """The ablation ``gcn``: one graph convolution on the fixed first-order skeleton."""

    adjacency: Tensor

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("adjacency", first_order())
        self.map = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, V) -> (B, C, T, V)."""
        mixed: Tensor = self.map(x @ self.adjacency)
        return mixed


def graph_branches(channels: int, config: StgaNetConfig) -> nn.ModuleList:
    """The branches that ``config.graph`` asks for: the ablation of the paper."""
    both = {
        "local-sym": [symmetric_edges()],
        "local-distal": [connected_edges()],
        "local": [symmetric_edges(), connected_edges()],
        "both": [symmetric_edges(), connected_edges()],
    }
    branches = nn.ModuleList()
    if config.graph == "gcn":
        branches.append(FixedGraph(channels, config.dropout))
    if config.graph in both:
        branches.append(LocalAttention(channels, both[config.graph], config.dropout))
    if config.graph in {"global", "both"}:
        branches.append(
            GlobalAttention(
                channels, config.heads, config.dropout, use_b=config.use_b, use_c=config.use_c
            )
        )
    return branches


class GraphAttentionBlock(nn.Module):
    """concat[x, local(x), global(x)] -> 1x1 conv to 2 C -> BN, ReLU. Channels double."""

    def __init__(self, channels: int, config: StgaNetConfig) -> None:
        super().__init__()
        self.branches = graph_branches(channels, config)
        self.join = nn.Sequential(
            nn.Conv2d((1 + len(self.branches)) * channels, 2 * channels, 1, bias=False),
            nn.BatchNorm2d(2 * channels),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, V) -> (B, 2 C, T, V)."""
        joined: Tensor = self.join(torch.cat([x, *(branch(x) for branch in self.branches)], dim=1))
        return joined
