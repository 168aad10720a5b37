import numpy as np
import pytest
import torch
from network_cases import chain_skeleton, fitted_loss
from scipy.fft import dct, idct
from torch import Tensor, nn

from dance_models.config import TrajGcnConfig
from dance_models.errors import InputError
from dance_models.nets.traj_gcn import FreeGraphConv, TrajGcn

SMALL = TrajGcnConfig(hidden=16, blocks=2)


def _windows(count: int, frames: int = 27) -> Tensor:
    torch.manual_seed(3)
    return torch.randn(count, frames, 14, 2).cumsum(dim=1) * 0.1


def test_published_size() -> None:
    """66 coordinates, 20 coefficients, 12 blocks of 256: the "2.6 M" of the publication."""
    published = TrajGcn(TrajGcnConfig(hidden=256, blocks=12, observed=10), chain_skeleton(22, 3))
    assert sum(p.numel() for p in published.parameters()) == 2_547_580
    count = sum(p.numel() for p in TrajGcn(TrajGcnConfig()).parameters())
    assert count == 311_941


def test_graph_convolution_against_the_formula() -> None:
    """The channels are mixed with a bias, then the nodes: A (x W + b)."""
    torch.manual_seed(0)
    layer = FreeGraphConv(3, 2, 4)
    weight, bias = layer.linear.weight.detach().numpy().T, layer.linear.bias.detach().numpy()
    x = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
    expected = np.einsum("vw,bwc->bvc", layer.adjacency.detach().numpy(), x @ weight + bias)
    np.testing.assert_allclose(layer(torch.from_numpy(x)).detach(), expected, atol=1e-5)


def test_the_network_corrects_dct_coefficients() -> None:
    """Coefficient 1 of left wrist's y gets a constant, so that future gets that basis function."""
    model = TrajGcn(SMALL).eval()
    x = _windows(2)
    node = 2 * 6 + 1
    with torch.no_grad():
        model.last.adjacency.zero_()
        model.last.adjacency[node, node] = 1
        model.last.linear.bias[1] = 0.3
    padded = torch.cat([x, x[:, -1:].expand(-1, 10, -1, -1)], dim=1).numpy().copy()
    coefficients = dct(padded[:, :, 6, 1], axis=1, norm="ortho")
    coefficients[:, 1] += 0.3
    padded[:, :, 6, 1] = idct(coefficients, axis=1, norm="ortho")
    np.testing.assert_allclose(model(x).detach(), padded[:, 27:], atol=1e-5)


def test_untrained_network_repeats_the_last_pose() -> None:
    x = _windows(3)
    forecast = TrajGcn(TrajGcnConfig())(x)
    assert forecast.shape == (3, 10, 14, 2)
    torch.testing.assert_close(forecast, x[:, -1:].expand_as(forecast), atol=1e-5, rtol=0)


def test_it_reads_the_last_frames_alone() -> None:
    torch.manual_seed(0)
    model = TrajGcn(TrajGcnConfig(hidden=16, blocks=1, observed=10)).eval()
    nn.init.normal_(model.last.linear.weight)
    x = _windows(2)
    changed = x.clone()
    changed[:, :17] = 9.0
    assert model(x).shape == (2, 10, 14, 2)
    torch.testing.assert_close(model(x), model(changed))
    changed[:, 17] += 1.0
    assert (model(x) - model(changed)).abs().max() > 1e-3


@pytest.mark.parametrize("frames", [0, 28])
def test_more_frames_than_there_are_cannot_be_read(frames: int) -> None:
    with pytest.raises(InputError, match="1 to 27"):
        TrajGcn(TrajGcnConfig(observed=frames))


def test_it_can_learn_one_batch() -> None:
    both = _windows(8, 37)
    observed, future = both[:, :27], both[:, 27:]
    torch.manual_seed(0)
    model = TrajGcn(TrajGcnConfig(hidden=32, blocks=2, dropout=0.0))
    standing = (observed[:, -1:] - future).square().mean()
    below = 0.1 * float(standing)
    assert fitted_loss(model, observed, future, below=below, rate=5e-3, most=100) < below
