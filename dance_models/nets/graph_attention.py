"""Local and global graph attention (Eq 11-12) and the block that joins them.

Layout (C, T, B, V): channels first of all, so that every 1x1 convolution is one matrix product.
The local attention is GAST-Net's reading of Eq 11: a weight a channel and edge, two channel maps
(itself, neighbours), and the mask applied before the softmax, because a literal softmax of the
masked product would give weight to joints that are not linked. The form of the global attention
B_k is ours: Eq 12 only names it.
"""

from typing import Final

import torch
from torch import Tensor, nn

from dance_models.config import StgaNetConfig
from dance_models.nets.graph import connected_edges, first_order, symmetric_edges
from dance_models.nets.layers import LockedDropout, NormFirst
from dance_models.skeleton import DANCE_14, Skeleton

LEAK: Final = 0.2


class Pointwise(nn.Linear):
    """1x1 convolution, (C_in, ...) -> (C_out, ...)."""

    def forward(self, x: Tensor) -> Tensor:
        """One matrix product over all positions."""
        y = self.weight @ x.flatten(1)
        if self.bias is not None:
            y = y + self.bias[:, None]
        return y.reshape(self.out_features, *x.shape[1:])


def joined(channels_in: int, channels_out: int, dropout: float = 0.0) -> nn.Sequential:
    """1x1 convolution, batch normalisation, ReLU and dropout."""
    return nn.Sequential(
        Pointwise(channels_in, channels_out, bias=False),
        NormFirst(channels_out),
        nn.ReLU(),
        LockedDropout(dropout, time_dim=1),
    )


def mix_joints(x: Tensor, matrices: Tensor) -> Tensor:
    """out[c, ..., i] = sum_j matrices[c, i, j] x[c, ..., j] for x (C, T, B, V)."""
    return torch.bmm(x.flatten(1, 2), matrices.transpose(1, 2)).reshape(x.shape)


class MaskedGraphConv(nn.Module):
    """out_c = (S_c * I)(W_0 x)_c + (S_c * (1 - I))(W_1 x)_c, S_c a softmax over allowed edges."""

    graph_parameters = ("logits",)
    allowed: Tensor
    identity: Tensor

    def __init__(self, channels: int, allowed: Tensor) -> None:
        super().__init__()
        joints = len(allowed)
        self.register_buffer("allowed", allowed)
        self.register_buffer("identity", torch.eye(joints))
        self.logits = nn.Parameter(torch.ones(channels, joints, joints))  # M
        self.maps = Pointwise(channels, 2 * channels, bias=False)  # W_0 and W_1
        self.norm = nn.Sequential(NormFirst(channels), nn.ReLU())

    def shares(self) -> Tensor:
        """S, (C, V, V): row i holds how much of each joint j reaches i; rows add up to one."""
        return self.logits.masked_fill(~self.allowed, -torch.inf).softmax(dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        """(C, T, B, V) -> (C, T, B, V)."""
        share = self.shares()
        own, other = self.maps(x).chunk(2, dim=0)
        to_self = torch.diagonal(share, dim1=1, dim2=2)[:, None, None]  # (C, 1, 1, V)
        neighbours = mix_joints(other, share * (1 - self.identity))
        mixed: Tensor = self.norm(own * to_self + neighbours)
        return mixed


class LocalAttention(nn.Module):
    """Mirror joints (A_sym) and skeleton with second-order distal rows (A_con), joined by 1x1."""

    def __init__(self, channels: int, graphs: list[Tensor], dropout: float) -> None:
        super().__init__()
        self.branches = nn.ModuleList(MaskedGraphConv(channels, graph) for graph in graphs)
        self.join = joined(len(graphs) * channels, channels, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(C, T, B, V) -> (C, T, B, V)."""
        out: Tensor = self.join(torch.cat([branch(x) for branch in self.branches]))
        return out


def attended(score: Tensor, top: Tensor, value: Tensor) -> Tensor:
    """Softmax of ``score`` (heads, T, B, V, V) over its last joints, times ``value``.

    ``top`` (heads, T, B, V, 1) is at least each row's largest score. ``value`` is
    (heads, d, T, B, V), and so is the result. Written out, and divided after the product: rows of
    so few joints are too short for the library's softmax.
    """
    share = (score - top.detach()).exp()
    mixed = value.permute(0, 2, 3, 1, 4) @ share.transpose(-1, -2)  # (heads, T, B, d, V)
    return (mixed / share.sum(dim=-1)[..., None, :]).permute(0, 3, 1, 2, 4)


class DotAttention(nn.Module):
    """B_k of Eq 12 times X: softmax over joints j of theta_k(x_i)^T phi_k(x_j) / sqrt(d).

    The product depends on i and j together, so every joint can look at other joints.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.theta = Pointwise(channels, channels)
        self.phi = Pointwise(channels, channels, bias=False)  # would be the same for all joints j

    def scores(self, x: Tensor) -> Tensor:
        """(C, T, B, V) -> (heads, T, B, V, V): how much joint i asks for joint j."""
        query = self.theta(x).unflatten(0, (self.heads, -1)).permute(0, 2, 3, 4, 1)
        key = self.phi(x).unflatten(0, (self.heads, -1)).permute(0, 2, 3, 1, 4)
        score: Tensor = query @ key * query.shape[-1] ** -0.5
        return score

    def forward(self, x: Tensor, value: Tensor) -> Tensor:
        """Input (C, T, B, V), value (heads, d, T, B, V) -> (heads, d, T, B, V)."""
        score = self.scores(x)
        return attended(score, score.amax(dim=-1, keepdim=True), value)


class AdditiveAttention(nn.Module):
    """The old form of B_k: softmax over joints of LeakyReLU(w_k^T [theta(x_i); phi(x_j)]).

    LeakyReLU rises with its argument, so all joints i rank the joints j alike: it is a pooling,
    hardly different from one joint to another. The rows as printed keep it.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.theta, self.phi = nn.Linear(channels, channels), nn.Linear(channels, channels)
        # w_k^T [theta(x_i); phi(x_j)] is a term of i plus a term of j: w_k in two halves.
        self.halves = nn.Parameter(torch.empty(2, heads, channels // heads))
        nn.init.xavier_uniform_(self.halves)

    def _terms(self, x: Tensor, layer: nn.Linear, half: Tensor) -> Tensor:
        """w_k^T theta_k(x), (heads, T, B, V); both are linear, so they are applied as one."""
        per_head = (*half.shape, -1)
        weight = torch.einsum("kd,kdc->kc", half, layer.weight.reshape(per_head))
        bias = (half * layer.bias.reshape(half.shape)).sum(dim=1)
        return (weight @ x.flatten(1) + bias[:, None]).reshape(-1, *x.shape[1:])

    def _both_terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The term of the joint that asks and the term of the joint that is asked."""
        i = self._terms(x, self.theta, self.halves[0])
        return i, self._terms(x, self.phi, self.halves[1])

    def scores(self, x: Tensor) -> Tensor:
        """(C, T, B, V) -> (heads, T, B, V, V)."""
        i, j = self._both_terms(x)
        return nn.functional.leaky_relu(i[..., :, None] + j[..., None, :], LEAK)

    def forward(self, x: Tensor, value: Tensor) -> Tensor:
        """Input (C, T, B, V), value (heads, d, T, B, V) -> (heads, d, T, B, V)."""
        i, j = self._both_terms(x)
        score = nn.functional.leaky_relu(i[..., :, None] + j[..., None, :], LEAK)
        # LeakyReLU rises, so the largest score of a row is that of the largest j.
        top = nn.functional.leaky_relu(i + j.amax(dim=-1, keepdim=True), LEAK)
        return attended(score, top[..., None], value)


ATTENTIONS: Final = {"dot": DotAttention, "additive": AdditiveAttention}


class GlobalAttention(nn.Module):
    """Eq 12: concat_k (B_k + C_k) X W_k, then a 1x1 convolution.

    B_k is computed from the features of each frame, C_k is a free matrix that starts at zero.
    """

    graph_parameters = ("free",)

    def __init__(self, channels: int, config: StgaNetConfig, skeleton: Skeleton = DANCE_14) -> None:
        super().__init__()
        joints, self.heads = skeleton.num_joints, config.heads
        if not (config.use_b or config.use_c):
            raise ValueError("global attention needs B_k or C_k")
        self.value = Pointwise(channels, channels, bias=False)  # W_k of all heads
        form = ATTENTIONS[config.attention]
        self.attention = form(channels, self.heads) if config.use_b else None
        self.free = nn.Parameter(torch.zeros(self.heads, joints, joints)) if config.use_c else None
        self.join = joined(channels, channels, config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(C, T, B, V) -> (C, T, B, V)."""
        value = self.value(x).unflatten(0, (self.heads, -1))  # (heads, d, T, B, V)
        parts = []
        if self.attention is not None:
            parts.append(self.attention(x, value))
        if self.free is not None:
            rows = value.flatten(1, 3)  # (heads, d T B, V)
            parts.append(torch.bmm(rows, self.free.transpose(1, 2)).reshape(value.shape))
        out: Tensor = self.join(sum(parts[1:], parts[0]).flatten(0, 1))
        return out


class FixedGraph(nn.Module):
    """The ablation ``gcn``: one graph convolution on the fixed first-order skeleton."""

    adjacency: Tensor

    def __init__(self, channels: int, dropout: float, skeleton: Skeleton = DANCE_14) -> None:
        super().__init__()
        self.register_buffer("adjacency", first_order(skeleton))
        self.join = joined(channels, channels, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(C, T, B, V) -> (C, T, B, V)."""
        out: Tensor = self.join(x @ self.adjacency)  # the matrix is symmetric
        return out


LOCAL_GRAPHS: Final = {
    "local-sym": (symmetric_edges,),
    "local-distal": (connected_edges,),
    "local": (symmetric_edges, connected_edges),
    "both": (symmetric_edges, connected_edges),
}


def graph_branches(
    channels: int, config: StgaNetConfig, skeleton: Skeleton = DANCE_14
) -> nn.ModuleList:
    """The branches that ``config.graph`` selects: the ablation of the paper."""
    branches = nn.ModuleList()
    if config.graph == "gcn":
        branches.append(FixedGraph(channels, config.dropout, skeleton))
    if config.graph in LOCAL_GRAPHS:
        graphs = [edges(skeleton) for edges in LOCAL_GRAPHS[config.graph]]
        branches.append(LocalAttention(channels, graphs, config.dropout))
    if config.graph in {"global", "both"}:
        branches.append(GlobalAttention(channels, config, skeleton))
    return branches


class GraphAttentionBlock(nn.Module):
    """concat[x, local(x), global(x)] -> 1x1 conv to 2 C -> BN, ReLU. Channels double."""

    def __init__(self, channels: int, config: StgaNetConfig, skeleton: Skeleton = DANCE_14) -> None:
        super().__init__()
        self.branches = graph_branches(channels, config, skeleton)
        self.join = joined((1 + len(self.branches)) * channels, 2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """(C, T, B, V) -> (2 C, T, B, V)."""
        out: Tensor = self.join(torch.cat([x, *(branch(x) for branch in self.branches)]))
        return out
