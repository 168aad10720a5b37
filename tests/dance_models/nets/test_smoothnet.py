import pytest
import torch
from network_cases import fitted_loss, perturbed
from torch import Tensor

from dance_models.config import SmoothNetConfig
from dance_models.nets.refiner_input import joint_features, packed_width, unpack
from dance_models.nets.smoothnet import SmoothNet

FEATURES = joint_features()

SMALL = SmoothNetConfig(hidden=32, bottleneck=8, blocks=2)


def _windows(count: int, config: SmoothNetConfig = SMALL) -> Tensor:
    torch.manual_seed(3)
    return torch.randn(count, config.window, packed_width(config.landmarks))


@pytest.mark.parametrize("window", [8, 11, 32])
def test_size_is_that_of_the_published_structure(window: int) -> None:
    """T -> 512, three blocks 512 -> 128 -> 512, 512 -> T, all with biases."""
    count = sum(p.numel() for p in SmoothNet(SmoothNetConfig(window=window)).parameters())
    ends = (window * 512 + 512) + (512 * window + window)
    assert count == ends + 3 * ((512 * 128 + 128) + (128 * 512 + 512))
    assert {8: 403_848, 11: 406_923, 32: 428_448}[window] == count


def test_network_against_the_formula() -> None:
    """Every coordinate's frames through the same MLP."""
    model, x = perturbed(SmoothNet(SMALL)).eval().double(), _windows(2).double()
    pose = unpack(x, 0).pose
    (w_in, b_in), (w_out, b_out) = model.encoder[0].parameters(), model.decoder.parameters()
    for window, joint, axis in ((0, 0, 0), (1, 6, 1), (1, 13, 0)):
        track = pose[window, :, joint, axis]
        hidden = _leaky(w_in @ track + b_in, 0.1)
        for block in model.blocks:
            w_down, b_down, w_up, b_up = block.parameters()
            inner = _leaky(w_down @ hidden + b_down, 0.2)
            hidden = hidden + _leaky(w_up @ inner + b_up, 0.2)
        expected = track + w_out @ hidden + b_out
        torch.testing.assert_close(model(x)[window, :, joint, axis], expected)


def _leaky(x: Tensor, slope: float) -> Tensor:
    return torch.where(x > 0, x, slope * x)


@pytest.mark.parametrize("feature", [0, 1])
def test_each_coordinate_depends_only_on_itself(feature: int) -> None:
    model = perturbed(SmoothNet(SMALL)).eval()
    x = _windows(3)
    changed = x.clone()
    changed[1, :, FEATURES * 4 + feature] += 1
    moved = (model(changed) - model(x)).abs().amax(dim=1) > 0  # (B, 14, 2)
    expected = torch.zeros(3, 14, 2, dtype=torch.bool)
    expected[1, 4, feature] = True
    assert torch.equal(moved, expected)


def test_every_frame_sees_every_frame() -> None:
    model = perturbed(SmoothNet(SMALL)).eval()
    x = _windows(1)
    for frame in range(SMALL.window):
        changed = x.clone()
        changed[:, frame, 0] += 1
        assert (model(changed) - model(x))[0, :, 0, 0].abs().min() > 1e-7, frame


def test_only_the_coordinates_are_read() -> None:
    config = SmoothNetConfig(hidden=32, bottleneck=8, landmarks=33)
    model = perturbed(SmoothNet(config)).eval()
    x = _windows(2, config)
    changed = x.clone()
    joints = changed[..., : 14 * FEATURES].unflatten(-1, (14, FEATURES))
    joints[..., 2:] += 1
    changed[..., 14 * FEATURES :] += 1
    assert not torch.equal(changed, x)
    assert torch.equal(model(changed), model(x))


def test_joints_and_axes_share_the_weights() -> None:
    model = perturbed(SmoothNet(SMALL)).eval()
    x = _windows(2)
    x[..., FEATURES * 9 + 1] = x[..., 0]  # y of the tenth joint moves as x of the first
    refined = model(x)
    torch.testing.assert_close(refined[:, :, 9, 1], refined[:, :, 0, 0])


def test_it_can_learn_one_batch() -> None:
    torch.manual_seed(0)
    model = SmoothNet(SmoothNetConfig(hidden=128, bottleneck=64, dropout=0.0))
    truth = torch.sin(torch.linspace(0, 2, 11)[:, None, None] + 6 * torch.rand(4, 1, 14, 2))
    x = torch.zeros(4, 11, packed_width(0))
    noisy = truth + 0.1 * torch.randn_like(truth)
    x.unflatten(-1, (14, FEATURES))[..., :2] = noisy
    given = (noisy - truth).square().mean()
    below = 0.1 * float(given)
    assert fitted_loss(model, x, truth, below=below, rate=3e-3, most=200) < below
