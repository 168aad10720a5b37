import math

import pytest
import torch

from dance_models.training.losses import (
    forecast_loss,
    laplace_loss,
    refinement_loss,
    style_loss,
)


def _zeros(batch: int, frames: int) -> torch.Tensor:
    return torch.zeros(batch, frames, 14, 2)


def _refinement(error: torch.Tensor, visible: torch.Tensor, top_k: int = 7) -> float:
    loss = refinement_loss(error, torch.zeros_like(error), visible, top_k=top_k, top_k_weight=1.0)
    return loss.item()


def test_mean_plus_the_worst_joints() -> None:
    """Joint j is off by (j, 0): mean 6.5, the worst seven 7..13 have mean 10."""
    error = _zeros(1, 11)
    error[..., 0] = torch.arange(14.0)
    assert _refinement(error, torch.ones(1, 11, 14)) == pytest.approx(6.5 + 10)


def test_the_norm_is_l1_over_coordinates() -> None:
    error = _zeros(1, 11)
    error[..., 0], error[..., 1] = 3.0, -4.0
    assert _refinement(error, torch.ones(1, 11, 14)) == pytest.approx(7 + 7)


def test_joints_are_ranked_by_their_mean_over_the_window() -> None:
    """Joint 0 is off by 11 in one frame (mean 1), joint 1 by 2 in all: joint 1 is the worst."""
    error = _zeros(1, 11)
    error[0, 4, 0, 0], error[0, :, 1, 0] = 11.0, 2.0
    assert _refinement(error, torch.ones(1, 11, 14), top_k=1) == pytest.approx(3 / 14 + 2)


def test_joints_are_ranked_within_each_sample() -> None:
    error = _zeros(2, 11)
    error[0, :, 3, 0], error[1, :, 9, 0] = 14.0, 28.0
    expected = (14 / 14 + 14 + 28 / 14 + 28) / 2
    assert _refinement(error, torch.ones(2, 11, 14), top_k=1) == pytest.approx(expected)


def test_absent_joints_neither_count_nor_rank() -> None:
    """Two visible joints: N_j = 2 and k = min(7, 2)."""
    error = torch.full((1, 11, 14, 2), 100.0)
    visible = torch.zeros(1, 11, 14)
    visible[:, :, [2, 5]] = 1
    error[:, :, 2], error[:, :, 5] = torch.tensor([1.0, 0.0]), torch.tensor([3.0, 0.0])
    assert _refinement(error, visible) == pytest.approx(2 + 2)
    visible[:, :6, 5] = 0  # visible in some frames: the mean is over those
    error[:, :6, 5] = 1e6
    assert _refinement(error, visible) == pytest.approx(2 + 2)


def test_the_loss_is_zero_and_not_nan_when_nothing_is_visible() -> None:
    error = torch.ones(1, 11, 14, 2, requires_grad=True)
    loss = refinement_loss(error, _zeros(1, 11), torch.zeros(1, 11, 14), top_k=7, top_k_weight=1.0)
    loss.backward()
    assert loss.item() == 0
    assert error.grad is not None
    assert (error.grad == 0).all()


def test_lambda_weights_the_worst_joints() -> None:
    error = _zeros(1, 11)
    error[..., 0] = torch.arange(14.0)
    loss = refinement_loss(
        error, torch.zeros_like(error), torch.ones(1, 11, 14), top_k=7, top_k_weight=0.5
    )
    assert loss.item() == pytest.approx(6.5 + 5)


def test_forecast_loss_is_the_mean_joint_distance_plus_that_of_steps() -> None:
    """All joints are off by (3, 4) in every frame: distance 5; only the first step is wrong."""
    future, last = torch.randn(2, 10, 14, 2), torch.randn(2, 14, 2)
    forecast, known = future + torch.tensor([3.0, 4.0]), torch.ones(2, 10, 14)
    for weight, expected in ((0.0, 5), (1.0, 5 + 5 / 10), (2.0, 5 + 2 * 5 / 10)):
        loss = forecast_loss(forecast, future, last, known, velocity_weight=weight)
        assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_unknown_future_joints_do_not_count() -> None:
    future, last = torch.zeros(1, 10, 14, 2), torch.zeros(1, 14, 2)
    known = torch.ones(1, 10, 14)
    known[0, 3:5, 6] = 0
    forecast = future.clone()
    forecast[0, 3:5, 6] = 1e3
    loss = forecast_loss(forecast, future, last, known, velocity_weight=1.0)
    assert loss.item() == pytest.approx(0, abs=1e-4)


def test_a_perfect_forecast_has_a_finite_gradient() -> None:
    future = torch.zeros(1, 10, 14, 2)
    forecast = future.clone().requires_grad_()
    known, last = torch.ones(1, 10, 14), torch.zeros(1, 14, 2)
    forecast_loss(forecast, future, last, known, velocity_weight=1.0).backward()
    assert forecast.grad is not None
    assert forecast.grad.isfinite().all()


def test_laplace_loss_is_the_negative_log_likelihood() -> None:
    torch.manual_seed(0)
    refined, target = torch.randn(2, 3, 14, 2), torch.randn(2, 3, 14, 2)
    log_scale, visible = torch.randn(2, 3, 14), torch.ones(2, 3, 14)
    law = torch.distributions.Laplace(refined, log_scale.exp()[..., None])
    expected = -(law.log_prob(target) + math.log(2)).sum(dim=-1).mean()
    torch.testing.assert_close(laplace_loss(refined, log_scale, target, visible), expected)


def test_a_joint_that_is_not_visible_has_no_likelihood() -> None:
    refined, target = torch.zeros(1, 2, 14, 2), torch.zeros(1, 2, 14, 2)
    log_scale, visible = torch.zeros(1, 2, 14), torch.ones(1, 2, 14)
    target[0, 0, 3], log_scale[0, 0, 3], visible[0, 0, 3] = 100.0, 5.0, 0
    assert laplace_loss(refined, log_scale, target, visible) == 0
    assert laplace_loss(refined, log_scale, target, 0 * visible) == 0


def test_style_loss_of_uniform_logits() -> None:
    loss = style_loss(torch.zeros(4, 3), torch.tensor([0, 1, 2, 0]))
    assert loss.item() == pytest.approx(0.1 * math.log(3))
