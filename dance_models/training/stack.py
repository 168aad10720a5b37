"""Several networks of one kind as one module: all weights side by side.

A network of this project fills a small part of a GPU, and a step of it is hundreds of small
kernels. Stacked, the K networks of the folds or seeds take the kernels of one. Everything that
belongs to one of them stays apart: weights, gradients and their norm, state of the optimiser,
statistics of the batch normalisation, dropout masks.

What ``vmap`` does to batch normalisation (torch 2.13): where the running statistics are batched as
the input is, they are updated in place in the stacked buffer, row by row, as K separate modules
would; where they are not, it raises. So the buffers of the batch normalisation are stacked. An
input in bfloat16 would need statistics in bfloat16, so it is made one of single precision. All
other buffers are constants (graphs, places, the DCT), the same in all K, and are shared: an index
that is batched too would turn a copy into a gather.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _BatchNorm

from dance_models.training.optimiser import graph_parameters


class _Loss(nn.Module):
    """A loss as a module, so that the network's weights can be replaced for a call."""

    def __init__(self, network: nn.Module, loss: Callable[[nn.Module, Any], Tensor]) -> None:
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self, batch: Any) -> Tensor:
        return self.loss(self.network, batch)


def _flat(name: str) -> str:
    """The name of a weight as an attribute: a registered name has no dot."""
    return name.replace(".", "__")


class Stack(nn.Module):
    """K networks of one architecture; every weight and statistic has a first dimension of K."""

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        self.count = len(models)
        weights, buffers = stack_module_state(list(models))
        statistics = _statistics(models[0])
        for name, value in buffers.items():
            if name not in statistics and not bool((value == value[:1]).all()):
                raise ValueError(f"the networks differ in the constant {name}")
        for name, value in weights.items():
            self.register_parameter(_flat(name), nn.Parameter(value.detach()))
        for name in statistics:
            self.register_buffer(_flat(name), buffers[name])
        graphs = {id(parameter) for parameter in graph_parameters(models[0])}
        named = dict(models[0].named_parameters())
        # What make_optimiser reads: they are in a group of their own.
        self.graph_parameters = tuple(_flat(n) for n, p in named.items() if id(p) in graphs)
        self._weights, self._statistics = tuple(weights), tuple(statistics)
        # In a list, since it is no part: its own weights are never read.
        self._template = [copy.deepcopy(models[0])]
        for module in self._template[0].modules():
            if isinstance(module, _BatchNorm):
                module.register_forward_pre_hook(_in_single_precision)

    def losses(self, loss: Callable[[nn.Module, Any], Tensor], batch: Any) -> Tensor:
        """(K,) losses of a batch whose tensors have a first dimension of K."""
        module = _Loss(self._template[0].train(self.training), loss)

        def one(weights: dict[str, Tensor], statistics: dict[str, Tensor], part: Any) -> Tensor:
            value: Tensor = functional_call(module, {**weights, **statistics}, (part,))
            return value

        named = [
            {f"network.{name}": getattr(self, _flat(name)) for name in names}
            for names in (self._weights, self._statistics)
        ]
        # Of the library's kernels of attention not all have a rule for vmap; its plain form does.
        with sdpa_kernel(SDPBackend.MATH):
            mapped: Any = vmap(one, randomness="different")
            found: Tensor = mapped(*named, batch)
        return found

    @torch.no_grad()
    def copy_to(self, index: int, model: nn.Module) -> None:
        """Give ``model`` the weights and statistics of network ``index``."""
        own: Mapping[str, Tensor] = {
            **dict(model.named_parameters()),
            **dict(model.named_buffers()),
        }
        for name in (*self._weights, *self._statistics):
            own[name].copy_(getattr(self, _flat(name))[index])


def _in_single_precision(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    """The input of a batch normalisation, as its statistics are."""
    return (inputs[0].float(),)


def _statistics(model: nn.Module) -> list[str]:
    """The names of the buffers that batch normalisation updates."""
    return [
        f"{place}.{name}" if place else name
        for place, module in model.named_modules()
        if isinstance(module, _BatchNorm)
        for name, _ in module.named_buffers(recurse=False)
    ]


@torch.no_grad()
def clip_each(stack: Stack, largest: float) -> None:
    """Scale the gradients of each network to a norm of at most ``largest``."""
    gradients = [p.grad for p in stack.parameters() if p.grad is not None]
    norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients])  # (P, K)
    factor = (largest / (norms.norm(dim=0) + 1e-6)).clamp(max=1.0)  # as clip_grad_norm_
    for gradient in gradients:
        gradient.mul_(factor.reshape(-1, *[1] * (gradient.dim() - 1)))
