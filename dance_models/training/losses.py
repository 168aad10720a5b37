"""The training losses."""

from typing import Final

import torch
from torch import Tensor, nn

STYLE_WEIGHT: Final = 0.1  # of the optional style head beside the keypoints


def refinement_loss(
    refined: Tensor, target: Tensor, visible: Tensor, *, top_k: int, top_k_weight: float
) -> Tensor:
    """Eq 10: (1/N_j) sum_j |G_j - P_j| + lambda (1/N_k) sum over the k worst joints.

    ``refined`` and ``target`` (B, T, J, D), ``visible`` (B, T, J) 0 or 1. |.| is the L1 norm of
    a joint, averaged over the frames in which it is visible; joints are ranked per sample by that
    mean; N_j counts visible joints and k = min(top_k, N_j). Scalar, mean over the batch.
    """
    error = (refined - target).abs().sum(dim=-1) * visible
    frames = visible.sum(dim=1)  # (B, J)
    joint_error = error.sum(dim=1) / frames.clamp(min=1)
    seen = (frames > 0).sum(dim=1)  # N_j, (B,)
    mean = joint_error.sum(dim=1) / seen.clamp(min=1)
    ranked = joint_error.sort(dim=1, descending=True).values
    k = seen.clamp(max=top_k)
    among = torch.arange(ranked.shape[1], device=ranked.device) < k[:, None]
    worst = (ranked * among).sum(dim=1) / k.clamp(min=1)
    return (mean + top_k_weight * worst).mean()


def laplace_loss(refined: Tensor, log_scale: Tensor, target: Tensor, visible: Tensor) -> Tensor:
    """-log likelihood of Laplace errors, up to a constant: |G - P|_1 / b + D log b.

    ``refined`` and ``target`` (B, T, J, D), ``log_scale`` log b (B, T, J), ``visible``
    (B, T, J) 0 or 1. A joint with a large scale counts less. Scalar, mean over the visible joints.
    """
    error = (refined - target).abs().sum(dim=-1)
    loss = error * torch.exp(-log_scale) + refined.shape[-1] * log_scale
    return (loss * visible).sum() / visible.sum().clamp(min=1)


def style_loss(logits: Tensor, style: Tensor) -> Tensor:
    """Weighted cross entropy of logits (B, classes) against class numbers (B,). Scalar."""
    return STYLE_WEIGHT * nn.functional.cross_entropy(logits, style)


def heatmap_loss(heatmaps: Tensor, target: Tensor, seen: Tensor) -> Tensor:
    """Squared error summed over the pixels of a heatmap, mean over the joints that count.

    ``heatmaps`` and ``target`` (B, K, rows, columns), ``seen`` (B, K) 0 or 1. Scalar.
    """
    error = (heatmaps - target).square().sum(dim=(-2, -1))
    return (error * seen).sum() / seen.sum().clamp(min=1)


def forecast_loss(
    forecast: Tensor, future: Tensor, last: Tensor, known: Tensor, *, velocity_weight: float
) -> Tensor:
    """Mean joint distance over all future frames, plus that of the frame differences.

    ``forecast`` and ``future`` (B, T, J, D), ``last`` (B, J, D) the last observed pose,
    ``known`` (B, T, J) 0 or 1. Scalar.
    """

    def distance(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
        squared = (a - b).square().sum(dim=-1)
        return ((squared + 1e-12).sqrt() * weight).sum() / weight.sum().clamp(min=1)

    position = distance(forecast, future, known)
    if not velocity_weight:
        return position
    start = last[:, None]
    steps = torch.diff(torch.cat([start, forecast], dim=1), dim=1)
    true_steps = torch.diff(torch.cat([start, future], dim=1), dim=1)
    both = known * torch.cat([torch.ones_like(known[:, :1]), known[:, :-1]], dim=1)
    return position + velocity_weight * distance(steps, true_steps, both)
