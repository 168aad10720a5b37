from typing import Final, Literal

import numpy as np
import pytest
import torch
from network_cases import fitted_loss
from numpy.typing import NDArray
from torch import Tensor

from dance_models.config import TGcnConfig
from dance_models.nets.t_gcn import TGcn
from dance_models.skeleton import DANCE_14

Output = Literal["absolute", "residual", "velocity"]
OUTPUTS: Final[tuple[Output, ...]] = ("absolute", "residual", "velocity")


def _windows(count: int, frames: int = 27) -> Tensor:
    torch.manual_seed(3)
    return torch.randn(count, frames, 14, 2).cumsum(dim=1) * 0.1


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-x))


def _adjacency() -> NDArray[np.float64]:
    """D^-1/2 (A + I) D^-1/2."""
    linked = np.eye(14)
    for a, b in DANCE_14.edges:
        linked[a, b] = linked[b, a] = 1
    degree = linked.sum(axis=0)
    return np.asarray(linked / np.sqrt(degree[:, None] * degree[None, :]))


def test_absolute_output_against_the_equations() -> None:
    """[r, u] = sig(A [x, h] W1 + b1), c = tanh(A [x, r h] W2 + b2), h = u h + (1 - u) c."""
    torch.manual_seed(0)
    hidden = 5
    model = TGcn(TGcnConfig(hidden=hidden)).double()
    x = _windows(2).double()
    gates, candidate, head = (
        (m.weight.detach().numpy().T, m.bias.detach().numpy())
        for m in (model.gates, model.candidate, model.head)
    )
    adjacency, h = _adjacency(), np.zeros((2, 14, hidden))
    for frame in x.numpy().transpose(1, 0, 2, 3):
        mixed = adjacency @ np.concatenate([frame, h], axis=-1)
        r, u = np.split(_sigmoid(mixed @ gates[0] + gates[1]), 2, axis=-1)
        mixed = adjacency @ np.concatenate([frame, r * h], axis=-1)
        h = u * h + (1 - u) * np.tanh(mixed @ candidate[0] + candidate[1])
    expected = (h @ head[0] + head[1]).reshape(2, 14, 10, 2).transpose(0, 2, 1, 3)
    # The network's adjacency was rounded to single precision.
    np.testing.assert_allclose(model(x).detach(), expected, atol=1e-6)


def test_gates_start_open() -> None:
    """b1 = 1, as published: an untrained cell keeps most of its state."""
    model = TGcn(TGcnConfig())
    assert (model.gates.bias == 1).all()
    assert model(_windows(3)).shape == (3, 10, 14, 2)


def test_size_with_one_feature_per_node_matches_the_published_formula() -> None:
    """Three gates of (features + hidden + 1) x hidden, and hidden + 1 for each output."""
    for output, features, more in (("absolute", 2, 0), ("residual", 2, 0), ("velocity", 4, 14)):
        count = sum(p.numel() for p in TGcn(TGcnConfig(output=output)).parameters())
        assert count == 3 * (features + 64 + 1) * 64 + 65 * 20 + more


def test_untrained_residual_variant_repeats_the_last_pose() -> None:
    x = _windows(3)
    forecast = TGcn(TGcnConfig(output="residual"))(x)
    assert torch.equal(forecast, x[:, -1:].expand_as(forecast))


def test_untrained_velocity_variant_extrapolates_the_damped_velocity() -> None:
    x = _windows(3)
    pose, velocity = x[:, -1], x[:, -1] - x[:, -2]
    forecast = TGcn(TGcnConfig(output="velocity"))(x)
    for step in range(10):
        velocity = 0.7 * velocity
        pose = pose + velocity
        torch.testing.assert_close(forecast[:, step], pose)


def test_untrained_velocity_variant_moves_with_its_input() -> None:
    x, moved = _windows(3), torch.tensor([0.4, -1.2])
    model = TGcn(TGcnConfig(output="velocity"))
    torch.testing.assert_close(model(x + moved), model(x) + moved)


@pytest.mark.parametrize("output", OUTPUTS)
def test_it_can_learn_one_batch(output: Output) -> None:
    both = _windows(2, 37)
    observed, future = both[:, :27], both[:, 27:]
    torch.manual_seed(0)
    model = TGcn(TGcnConfig(hidden=32, output=output))
    standing = (observed[:, -1:] - future).square().mean()
    wanted = 0.25 * float(standing)
    assert fitted_loss(model, observed, future, below=wanted, rate=2e-2, most=250) < wanted
