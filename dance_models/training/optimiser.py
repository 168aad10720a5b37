"""Optimisers and schedules of the two recipes."""

import math
from typing import Any

import torch
from torch import nn

from dance_models.config import TrainingConfig


def make_optimiser(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW (tuned), or SGD with Nesterov momentum 0.9 (the paper's recipe).

    Weight decay leaves learnt graphs out, unless ``decay_graphs``.
    """
    groups = _groups(model, config)
    if config.optimiser == "adamw":
        return torch.optim.AdamW(
            groups, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
    return torch.optim.SGD(
        groups,
        lr=config.learning_rate,
        momentum=0.9,
        nesterov=True,
        weight_decay=config.weight_decay,
    )


def _groups(model: nn.Module, config: TrainingConfig) -> list[dict[str, Any]]:
    """All weights; where they are not decayed, the learnt graphs in a group of their own."""
    graphs = [] if config.decay_graphs else graph_parameters(model)
    apart = {id(parameter) for parameter in graphs}
    others = [p for p in model.parameters() if id(p) not in apart]
    return [{"params": others}, *([{"params": graphs, "weight_decay": 0.0}] if graphs else [])]


def graph_parameters(model: nn.Module) -> list[nn.Parameter]:
    """The weights that are learnt graphs: what modules name in ``graph_parameters``.

    Masks of attention (M), free matrices (C, D) and the importance of edges. Their neutral value
    is not always zero, and where it is, they are what the network is to learn.
    """
    found = [
        getattr(module, name)
        for module in model.modules()
        for name in getattr(module, "graph_parameters", ())
    ]
    return [parameter for parameter in found if parameter is not None]


def learning_rate(config: TrainingConfig, step: int, steps_per_epoch: int) -> float:
    """Rate at a step: warm-up then cosine to zero, or ``decay_per_epoch`` to the epoch's power."""
    if config.schedule == "exponential":
        return config.learning_rate * config.decay_per_epoch ** (step // steps_per_epoch)
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    total = max(config.epochs * steps_per_epoch - config.warmup_steps, 1)
    progress = min((step - config.warmup_steps) / total, 1.0)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
