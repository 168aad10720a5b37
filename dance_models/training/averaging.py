"""An exponential moving average of a network's weights."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

Tensors = tuple[Tensor, ...] | list[Tensor]


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
    """An average that starts at the current weights of ``model``; its ``module`` holds it.

    Statistics of batch normalisation are averaged as the weights are, since they belong to them;
    their counters are copied, where torch's own function would average and truncate them.
    """
    average_floats = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def update(averaged: Tensors, present: Tensors, updates: Tensor | int) -> None:
        if averaged[0].is_floating_point():
            average_floats(averaged, present, updates)
            return
        for mean, value in zip(averaged, present, strict=True):
            mean.copy_(value)

    average = AveragedModel(model, multi_avg_fn=update, use_buffers=True)
    # At 0 the first update would copy the weights instead of averaging in the initial ones.
    average.n_averaged.fill_(1)
    return average
