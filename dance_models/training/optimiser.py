"""Optimisers and schedules of the two recipes."""

import math
from collections.abc import Iterable

import torch
from torch import nn

from dance_models.config import TrainingConfig


def make_optimiser(
    parameters: Iterable[nn.Parameter], config: TrainingConfig
) -> torch.optim.Optimizer:
    """AdamW (tuned), or SGD with Nesterov momentum 0.9 (the paper's recipe)."""
    if config.optimiser == "adamw":
        return torch.optim.AdamW(
            parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
    return torch.optim.SGD(
        parameters,
        lr=config.learning_rate,
        momentum=0.9,
        nesterov=True,
        weight_decay=config.weight_decay,
    )


def learning_rate(config: TrainingConfig, step: int, steps_per_epoch: int) -> float:
    """Rate at a step: warm-up then cosine to zero, or ``decay_per_epoch`` to the epoch's power."""
    if config.schedule == "exponential":
        return config.learning_rate * config.decay_per_epoch ** (step // steps_per_epoch)
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    total = max(config.epochs * steps_per_epoch - config.warmup_steps, 1)
    progress = min((step - config.warmup_steps) / total, 1.0)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
