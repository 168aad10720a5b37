"""Optimisers and schedules of the two recipes."""

import math
from typing import Any, Final

import torch
from torch import nn

from dance_models.config import TrainingConfig


def make_optimiser(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW (tuned), or SGD with Nesterov momentum 0.9 (the paper's recipe).

    Weight decay leaves learnt graphs out, unless ``decay_graphs``. On CUDA both are fused, and the
    step can be captured.
    """
    groups = _groups(model, config)
    cuda = next(model.parameters()).device.type != "cpu"
    if config.optimiser == "adamw":
        return torch.optim.AdamW(
            groups,
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
            capturable=cuda,
        )
    return torch.optim.SGD(
        groups,
        lr=config.learning_rate,
        momentum=0.9,
        nesterov=True,
        weight_decay=config.weight_decay,
        fused=True if cuda else None,
    )


# How a device computes; no part of what is learnt.
_OF_DEVICE: Final = ("fused", "capturable", "foreach")


def optimiser_state(optimiser: torch.optim.Optimizer, rate: float) -> dict[str, Any]:
    """Its state for a checkpoint, the same on every device; ``rate`` is that of the last step."""
    state: dict[str, Any] = optimiser.state_dict()
    fused = True if isinstance(optimiser, torch.optim.AdamW) else None
    for group in state["param_groups"]:
        group["lr"], group["fused"] = rate, fused
        if "capturable" in group:
            group["capturable"] = False
    return state


def load_optimiser_state(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Take over what a checkpoint of any device holds."""
    ours = [
        {name: group[name] for name in _OF_DEVICE if name in group}
        for group in optimiser.param_groups
    ]
    groups = [{**group, **mine} for group, mine in zip(state["param_groups"], ours, strict=True)]
    optimiser.load_state_dict({**state, "param_groups": groups})


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
