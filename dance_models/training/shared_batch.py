"""One batch computed by several processes: each its part, and all of them the whole loss.

Every process makes the whole batch and computes the network on its part of it. The outputs are then
gathered, and each process takes the loss of the whole batch. So a mean over the entries that count
is that of the whole batch, however they are spread over the parts, and no loss knows of parts. The
batch normalisation takes its statistics of all parts in the same way. The gradient of a gathered
value is the sum of those of all processes; :class:`~torch.nn.parallel.DistributedDataParallel`
averages the gradients of the weights, which takes that factor out again.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from dance_models.training.ranks import Ranks

Call = Callable[[nn.Module, Tensor], Any]  # (B, ...) -> a tensor (B, ...), or a tuple of such


def in_parts(model: nn.Module, inputs: Tensor, call: Call = nn.Module.__call__) -> Any:
    """``call(model, inputs)``; of a :class:`SharedBatch`, each process computes its part of it."""
    return model(call, inputs) if isinstance(model, SharedBatch) else call(model, inputs)


class SharedBatch(nn.Module):
    """A network that all processes of a training compute together, for :func:`in_parts`.

    The weights stay those of ``model``, whose batch normalisation is from now on that of all parts.
    """

    def __init__(self, model: nn.Module, ranks: Ranks) -> None:
        super().__init__()
        self.ranks = ranks
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                _join(module)
        # The statistics of the batch normalisation are the same everywhere: none are sent.
        self.parallel = DistributedDataParallel(_Called(model), forward_sync_buffers=False)

    def forward(self, call: Call, inputs: Tensor) -> Any:
        """What ``call`` returns for the whole of ``inputs`` (B, ...)."""
        batch = len(inputs)
        part = inputs.tensor_split(self.ranks.count)[self.ranks.rank]
        start = sum(map(len, inputs.tensor_split(self.ranks.count)[: self.ranks.rank]))
        found = self.parallel(call, part)
        if isinstance(found, Tensor):
            return gathered(found, start, batch)
        return tuple(None if each is None else gathered(each, start, batch) for each in found)


class _Called(nn.Module):
    """A network whose forward pass is what it is called with."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, call: Call, part: Tensor) -> Any:
        return call(self.network, part)


def gathered(part: Tensor, start: int, length: int) -> Tensor:
    """The whole (``length``, ...) of which each process has a part, this one from ``start`` on."""
    whole: Tensor = _Gathered.apply(part, start, length)  # type: ignore[no-untyped-call]
    return whole


class _Gathered(torch.autograd.Function):
    """Adding zeros is exact, so the parts arrive as they are; they need not be of one size."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, start: int, length: int) -> Tensor:
        ctx.own = slice(start, start + len(part))
        whole = part.new_zeros(length, *part.shape[1:])
        whole[ctx.own] = part
        dist.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total[ctx.own], None, None


class _JointNorm(_BatchNorm):
    """Batch normalisation by the mean and the variance of all parts of a batch.

    Of torch's ``SyncBatchNorm`` the kernels are for GPUs alone; this is one code for all devices.
    Chan et al. 1983: the squared deviations of the whole are those within the parts, plus those of
    the parts' means.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) -> the same."""
        if not self.training:
            return super().forward(x)
        self._check_input_dim(x)  # type: ignore[no-untyped-call]
        channels, wide = x.shape[1], x.to(torch.promote_types(x.dtype, torch.float32))
        axes = [0, *range(2, x.dim())]
        variance, mean = torch.var_mean(wide, axes, correction=0)
        size = torch.full_like(mean, x.numel() / channels)
        row = torch.stack([mean, variance, size])[None]
        rank, count = dist.get_rank(), dist.get_world_size()
        means, variances, sizes = gathered(row, rank, count).unbind(1)  # (ranks, C) each
        number = sizes.sum(0)
        mean = (sizes * means).sum(0) / number
        variance = (sizes * (variances + (means - mean).square())).sum(0) / number
        self._remember(mean.detach(), (variance * number / (number - 1)).detach())
        shape = [1, channels] + [1] * (x.dim() - 2)
        normed = (wide - mean.view(shape)) * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normed = normed * self.weight.view(shape) + self.bias.view(shape)
        return normed.to(x.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def _join(norm: _BatchNorm) -> None:
    """Make a batch normalisation one of all parts. What its class does about it stays."""
    kind = type(norm)
    norm.__class__ = type(kind.__name__, (kind, _JointNorm), {})
