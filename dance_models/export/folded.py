"""A trained network with what is constant after training worked out: the same function, faster."""

from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn

from dance_models.nets.graph_attention import MaskedGraphConv, Pointwise, mix_joints
from dance_models.nets.graph_gru import GraphGru
from dance_models.nets.layers import NormFirst, NormLast
from dance_models.nets.st_gcn import SpatialGraphConv, StGcnBlock, TemporalConv

_Network = TypeVar("_Network", bound=nn.Module)


@torch.no_grad()
def folded(network: _Network) -> _Network:
    """A copy in evaluation mode that gives the same, and cannot be trained.

    Batch normalisation goes into the products before it, and products of weights alone (edges with
    their importance, shares of an attention's constant part) are worked out once. The three parts
    of a graph convolution become one product.
    """
    copy = deepcopy(network).eval().requires_grad_(requires_grad=False)
    _fold(copy)
    return copy


def _fold(module: nn.Module) -> None:
    for name, child in module.named_children():
        other = _replacement(child)
        if other is None:
            _fold(child)
        else:
            setattr(module, name, other)


def _replacement(module: nn.Module) -> nn.Module | None:
    """What takes the place of a part, None where it stays and its own parts are looked at."""
    match module:
        case StGcnBlock():
            found: nn.Module | None = FoldedStGcnBlock(module)
        case NormLast() | NormFirst():
            found = Affine(module)
        case MaskedGraphConv():
            found = FoldedMaskedGraphConv(module)
        case GraphGru():
            found = FoldedGraphGru(module)
        case nn.Sequential() if isinstance(module[0], Pointwise):
            found = FoldedJoin(module)
        case _:
            found = Product(module) if type(module) is nn.Linear else None
    return found


def _scale_and_shift(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """(C,) each: what a batch normalisation does in evaluation mode, x * scale + shift."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    scale = (variance + norm.eps).rsqrt()
    if norm.affine:
        scale = scale * norm.weight
    shift = -mean * scale
    return scale, shift + norm.bias if norm.affine else shift


class Affine(nn.Module):
    """x * scale + shift: a batch normalisation over the first or the last dimension."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: NormFirst | NormLast) -> None:
        super().__init__()
        self.first = isinstance(norm, NormFirst)
        scale, shift = _scale_and_shift(norm)
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def forward(self, x: Tensor) -> Tensor:
        """(C, ...) or (..., C) -> the same."""
        if self.first:
            shape = (-1, *[1] * (x.dim() - 1))
            return x * self.scale.reshape(shape) + self.shift.reshape(shape)
        return x * self.scale + self.shift


class Product(nn.Module):
    """A linear layer whose weight lies as the product needs it."""

    weight: Tensor  # (C_in, C_out)
    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.register_buffer("weight", linear.weight.T.contiguous())
        self.register_buffer("bias", None if linear.bias is None else linear.bias.clone())

    def forward(self, x: Tensor) -> Tensor:
        """(..., C_in) -> (..., C_out)."""
        y = x @ self.weight
        return y if self.bias is None else y + self.bias


class FoldedStGcnBlock(nn.Module):
    """A block of ST-GCN as two products, a convolution, and a product for the residual."""

    edges: Tensor  # (K V, V)
    weight: Tensor  # (K C_in, C_out)
    bias: Tensor
    kernel: Tensor  # (C_out, C_out, 1, frames)
    kernel_bias: Tensor
    residual: Tensor | None  # (C_in, C_out); None: the input itself

    def __init__(self, block: StGcnBlock) -> None:
        super().__init__()
        spatial, norm, _, temporal, last, _ = block.body
        assert isinstance(spatial, SpatialGraphConv)
        assert isinstance(norm, NormLast)
        assert isinstance(temporal, TemporalConv)
        assert isinstance(last, NormLast)
        scale, shift = _scale_and_shift(norm)
        edges = (spatial.adjacency * spatial.importance).transpose(1, 2)
        self.register_buffer("edges", edges.flatten(0, 1).contiguous())
        self.register_buffer("weight", (spatial.weight * scale).flatten(0, 1))
        self.register_buffer("bias", shift)
        scale, shift = _scale_and_shift(last)
        self.register_buffer("kernel", temporal.weight * scale[:, None, None, None])
        from_input = None
        if isinstance(block.residual, nn.Sequential):
            linear, norm = block.residual
            assert isinstance(linear, nn.Linear)
            assert isinstance(norm, NormLast)
            of_residual, added = _scale_and_shift(norm)
            from_input, shift = (linear.weight * of_residual[:, None]).T.contiguous(), shift + added
        self.register_buffer("residual", from_input)
        self.register_buffer("kernel_bias", shift)

    def forward(self, x: Tensor) -> Tensor:
        """(V, B, T, C_in) -> (V, B, T, C_out)."""
        joints, channels = x.shape[0], x.shape[-1]
        parts = len(self.edges) // joints
        mixed = (self.edges @ x.flatten(1)).reshape(parts, -1, channels)
        rows = mixed.transpose(0, 1).flatten(1)  # (V B T, K C_in)
        y = torch.relu(torch.addmm(self.bias, rows, self.weight))
        picture = y.reshape(1, -1, x.shape[2], y.shape[-1]).permute(0, 3, 1, 2)
        padding = (0, self.kernel.shape[-1] // 2)
        z = nn.functional.conv2d(picture, self.kernel, self.kernel_bias, padding=padding)
        body = z.permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)
        return torch.relu(body + (x if self.residual is None else x @ self.residual))


class FoldedJoin(nn.Module):
    """1x1 convolution with its normalisation in it, and ReLU."""

    weight: Tensor  # (C_out, C_in)
    bias: Tensor  # (C_out, 1)

    def __init__(self, join: nn.Sequential) -> None:
        super().__init__()
        pointwise, norm = join[0], join[1]
        assert isinstance(pointwise, Pointwise)
        assert isinstance(norm, NormFirst)
        scale, shift = _scale_and_shift(norm)
        self.register_buffer("weight", pointwise.weight * scale[:, None])
        self.register_buffer("bias", shift[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """(C_in, ...) -> (C_out, ...)."""
        y = torch.relu(self.weight @ x.flatten(1) + self.bias)
        return y.reshape(-1, *x.shape[1:])


class FoldedMaskedGraphConv(nn.Module):
    """The local attention: its shares are constant."""

    own: Tensor  # (C, 1, 1, V)
    others: Tensor  # (C, V, V)
    maps: Tensor  # (2 C, C)
    shift: Tensor  # (C, 1, 1, 1)

    def __init__(self, conv: MaskedGraphConv) -> None:
        super().__init__()
        norm = conv.norm[0]
        assert isinstance(norm, NormFirst)
        scale, shift = _scale_and_shift(norm)
        share = conv.shares()
        self.register_buffer("own", torch.diagonal(share, dim1=1, dim2=2)[:, None, None].clone())
        self.register_buffer("others", share * (1 - conv.identity))
        self.register_buffer("maps", conv.maps.weight * torch.cat([scale, scale])[:, None])
        self.register_buffer("shift", shift[:, None, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """(C, T, B, V) -> (C, T, B, V)."""
        y = (self.maps @ x.flatten(1)).reshape(-1, *x.shape[1:])
        own, other = y.chunk(2, dim=0)
        return torch.relu(own * self.own + mix_joints(other, self.others) + self.shift)


class FoldedGraphGru(nn.Module):
    """The cell of the decoder; the message and what the gates make of it are one product."""

    constant_edges: Tensor  # (2 V, V)
    from_mixed: Tensor  # (2 H, 3 H)
    bias: Tensor  # (3 H,)

    def __init__(self, cell: GraphGru) -> None:
        super().__init__()
        self.hidden, self.from_input = cell.hidden, Product(cell.from_input)
        self.register_buffer("constant_edges", cell.edges().clone())
        product = cell.from_message.weight @ cell.message.weight
        self.register_buffer("from_mixed", product.T.contiguous())
        self.register_buffer("bias", cell.from_message.bias.clone())

    def edges(self) -> Tensor:
        """(2 V, V), as :meth:`GraphGru.edges`."""
        return self.constant_edges

    def forward(self, x: Tensor, state: Tensor, edges: Tensor) -> Tensor:
        """One step: x (V, B, inputs), state (V, B, H), ``edges()`` -> (V, B, H)."""
        mixed = (edges @ state.flatten(1)).reshape(2, -1, self.hidden)
        rows = mixed.transpose(0, 1).flatten(1)  # (V B, 2 H)
        from_state = torch.addmm(self.bias, rows, self.from_mixed).reshape(*state.shape[:2], -1)
        two = 2 * self.hidden
        given = self.from_input(x)
        gates = torch.sigmoid(given[..., :two] + from_state[..., :two])
        reset, update = gates.chunk(2, dim=-1)
        new = torch.tanh(given[..., two:] + reset * from_state[..., two:])
        return new + update * (state - new)
