"""An exponential moving average of a network's weights."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

Tensors = tuple[Tensor, ...] | list[Tensor]


def warmed_up(decay: float, updates: int) -> float:
    """The decay of an update of which ``updates`` came before: min(decay, (1 + n) / (10 + n)).

    The average then covers the last tenth of the steps so far, until it covers those of ``decay``.
    With ``decay`` alone the weights before the first step would still have a share of decay^n.
    """
    return min(decay, (1 + updates) / (10 + updates))


@torch.no_grad()
def average_by(share: Tensor, averaged: nn.Module, present: nn.Module) -> None:
    """Move each mean by ``share`` = 1 - decay, a scalar on the device, of the way to its value.

    What :func:`moving_average` does in an update, with nothing that comes from the host.
    """
    means = [*averaged.parameters(), *averaged.buffers()]
    values = [*present.parameters(), *present.buffers()]
    floating = [i for i, mean in enumerate(means) if mean.is_floating_point()]
    steps = torch._foreach_sub([values[i] for i in floating], [means[i] for i in floating])
    torch._foreach_mul_(steps, share)
    torch._foreach_add_([means[i] for i in floating], steps)
    for mean, value in zip(means, values, strict=True):
        if not mean.is_floating_point():  # counters
            mean.copy_(value)


def moving_average(
    model: nn.Module, decay: float, *, warmup: bool = True, updates: int = 0
) -> AveragedModel:
    """An average that starts at the current weights of ``model``; its ``module`` holds it.

    ``warmup`` lowers the decay of the first steps (:func:`warmed_up`), of which ``updates`` came
    before. Statistics of batch normalisation are averaged as the weights are, since they belong to
    them; their counters are copied, where torch's own function would average and truncate them.
    """

    @torch.no_grad()
    def update(averaged: Tensors, present: Tensors, counted: Tensor | int) -> None:
        if averaged[0].is_floating_point():
            before = int(average.n_averaged) - 1  # on the CPU: ``counted`` would wait for a GPU
            share = warmed_up(decay, before) if warmup else decay
            get_ema_multi_avg_fn(share)(averaged, present, counted)  # type: ignore[no-untyped-call]
            return
        for mean, value in zip(averaged, present, strict=True):
            mean.copy_(value)

    average = AveragedModel(model, multi_avg_fn=update, use_buffers=True)
    for module in average.modules():
        if isinstance(module, nn.RNNBase):
            module.flatten_parameters()  # of a copy they lie apart, and cuDNN joins them each time
    # At 0 the first update would copy the weights instead of averaging in the initial ones.
    average.n_averaged.fill_(1 + updates)
    return average
