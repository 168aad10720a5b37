import numpy as np
import pytest
import torch
from network_cases import chain_skeleton, fitted_loss, perturbed
from scipy.fft import dct
from torch import Tensor

from dance_models.config import SimlpeConfig
from dance_models.nets.simlpe import Simlpe, TimeBlock, dct_matrix

SMALL = SimlpeConfig(blocks=3)


def _windows(count: int, frames: int = 27) -> Tensor:
    torch.manual_seed(3)
    return torch.randn(count, frames, 14, 2).cumsum(dim=1) * 0.1


def test_published_and_default_size() -> None:
    published = Simlpe(SimlpeConfig(blocks=48), chain_skeleton(22, 3), frames=50)
    assert sum(p.numel() for p in published.parameters()) == 137_580
    assert sum(p.numel() for p in Simlpe(SimlpeConfig()).parameters()) == 21_112


@pytest.mark.parametrize("size", [10, 27])
def test_transform_is_the_orthonormal_dct(size: int) -> None:
    matrix = dct_matrix(size)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(size))
    signal = np.random.default_rng(0).normal(size=(size, 3)).astype(np.float32)
    expected = dct(signal, axis=0, norm="ortho")
    np.testing.assert_allclose(matrix.numpy() @ signal, expected, atol=1e-5)


def test_untrained_network_repeats_the_last_pose() -> None:
    x = _windows(3)
    forecast = Simlpe(SimlpeConfig())(x)
    assert forecast.shape == (3, 10, 14, 2)
    torch.testing.assert_close(forecast, x[:, -1:].expand_as(forecast), atol=1e-5, rtol=0)


def test_block_against_the_formula() -> None:
    """x + LN(W x + b): W mixes the frames, the norm runs over a frame's numbers."""
    torch.manual_seed(0)
    block = TimeBlock(4, 3)
    for parameter in block.parameters():
        torch.nn.init.uniform_(parameter, -1, 1)
    weight, bias, scale, shift = (p.detach().numpy() for p in block.parameters())
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    mixed = np.einsum("st,btd->bsd", weight, x) + bias[:, None]
    centred = mixed - mixed.mean(axis=-1, keepdims=True)
    expected = x + centred / np.sqrt(mixed.var(axis=-1, keepdims=True) + 1e-5) * scale + shift
    np.testing.assert_allclose(block(torch.from_numpy(x)).detach(), expected, atol=1e-5)


def test_network_against_the_formula() -> None:
    """No blocks: last pose + D^T (C (D x)) with C the two linear layers, ten frames of it."""
    model = perturbed(Simlpe(SimlpeConfig(blocks=0))).double()
    x = _windows(2).double()
    matrix = model.dct.numpy()
    first, second = model.fc_in, model.fc_out
    inner = np.einsum("kt,btd->bkd", matrix, x.flatten(2).numpy())
    for layer in (first, second):
        inner = inner @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    offset = np.einsum("kt,bkd->btd", matrix, inner)[:, :10].reshape(2, 10, 14, 2)
    np.testing.assert_allclose(model(x).detach(), x[:, -1:].numpy() + offset, atol=1e-9)


def test_it_can_learn_one_batch() -> None:
    both = _windows(8, 37)
    observed, future = both[:, :27], both[:, 27:]
    torch.manual_seed(0)
    model = Simlpe(SimlpeConfig(blocks=8))
    standing = (observed[:, -1:] - future).square().mean()
    below = 0.2 * float(standing)
    assert fitted_loss(model, observed, future, below=below, rate=1e-2, most=200) < below
