import math

import pytest
import torch
from network_cases import perturbed
from torch import Tensor

from dance_models.config import EqMotionConfig
from dance_models.data.forecast_windows import FUTURE, OBSERVED
from dance_models.nets.eqmotion import EqMotion, EqMotionLayer, lengths
from dance_models.skeleton import DANCE_14, Skeleton
from dance_models.skeletons.mocap_25 import MOCAP_25

SMALL = EqMotionConfig(channels=6, hidden=8, layers=3, categories=2)


def _model(skeleton: Skeleton = DANCE_14) -> EqMotion:
    torch.manual_seed(0)
    return perturbed(EqMotion(SMALL, skeleton)).double().eval()


def _windows(skeleton: Skeleton = DANCE_14) -> Tensor:
    torch.manual_seed(1)
    shape = (3, OBSERVED, skeleton.num_joints, skeleton.dimensions)
    return (torch.randn(shape).cumsum(dim=1) * 0.05).double()


def _orthogonal(axes: int, seed: int) -> Tensor:
    """A random rotation or reflection."""
    torch.manual_seed(seed)
    q: Tensor = torch.linalg.qr(torch.randn(axes, axes, dtype=torch.float64))[0]
    return q


@pytest.mark.parametrize("skeleton", [DANCE_14, MOCAP_25], ids=lambda s: s.id)
@pytest.mark.parametrize("seed", range(3))
def test_the_forecast_turns_and_moves_with_the_observed_poses(
    skeleton: Skeleton, seed: int
) -> None:
    model, x = _model(skeleton), _windows(skeleton)
    turn = _orthogonal(skeleton.dimensions, seed)
    with torch.no_grad():
        one, other = model(x), model(x @ turn.T + 3.0)
    torch.testing.assert_close(other, one @ turn.T + 3.0, atol=1e-9, rtol=1e-9)
    assert (one - x[:, -1:]).abs().max() > 1e-3


def test_a_rotation_in_the_plane_of_the_picture() -> None:
    model, x, angle = _model(), _windows(), 0.7
    turn = torch.tensor(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]],
        dtype=torch.float64,
    )
    with torch.no_grad():
        torch.testing.assert_close(model(x @ turn.T), model(x) @ turn.T, atol=1e-9, rtol=1e-9)


def test_interaction_and_patterns_do_not_change_with_a_rotation() -> None:
    model, x, turn = _model(), _windows(), _orthogonal(2, 5)
    found = []
    model.reasoning.register_forward_hook(lambda _, given, out: found.append((given[0], out)))
    with torch.no_grad():
        model(x)
        model(x @ turn.T)
    (pattern, category), (turned_pattern, turned_category) = found
    torch.testing.assert_close(turned_pattern, pattern, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(turned_category, category, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(category.sum(dim=-1), torch.ones_like(category[..., 0]))


def test_joints_interact() -> None:
    model, x = _model(), _windows()
    changed = x.clone()
    changed[:, :, 3] += torch.linspace(0, 1, OBSERVED).double()[None, :, None]
    with torch.no_grad():
        moved = (model(changed) - model(x)).abs().amax(dim=(0, 1, 3))
    assert (moved > 1e-6).all()


def test_the_untrained_network_repeats_the_last_pose() -> None:
    x = torch.randn(2, OBSERVED, 14, 2)
    assert torch.equal(EqMotion(SMALL)(x), x[:, -1:].expand(-1, FUTURE, -1, -1))


def test_the_rectified_vector_does_not_oppose_the_key() -> None:
    layer = EqMotionLayer(SMALL, last=True).double()
    geometry = torch.randn(2, 14, 6, 2, dtype=torch.float64)
    key = layer.key.weight @ geometry
    out = layer._rectified(geometry)
    assert ((out * key).sum(dim=-1) > -1e-4).all()
    kept = ((layer.query.weight @ geometry) * key).sum(dim=-1) >= 0
    torch.testing.assert_close(out[kept], (layer.query.weight @ geometry)[kept])


def test_lengths_have_a_gradient_at_zero() -> None:
    vectors = torch.zeros(2, 2, requires_grad=True)
    lengths(vectors).sum().backward()
    assert vectors.grad is not None
    assert vectors.grad.isfinite().all()
