import pytest
import torch
from torch import nn

from dance_models.config import StgaNetConfig
from dance_models.nets.graph import connected_edges, symmetric_edges
from dance_models.nets.graph_attention import (
    AdditiveAttention,
    DotAttention,
    GlobalAttention,
    GraphAttentionBlock,
    MaskedGraphConv,
    Pointwise,
)


def _randomised(module: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -1, 1)
    return module


def test_pointwise_is_a_1x1_convolution() -> None:
    layer = _randomised(Pointwise(3, 5))
    x = torch.randn(3, 4, 2, 14)
    expected = nn.functional.conv2d(
        x.permute(2, 0, 1, 3), layer.weight[:, :, None, None], layer.bias
    ).permute(1, 2, 0, 3)
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("edges", [symmetric_edges(), connected_edges()])
def test_attention_is_zero_off_the_graph_and_rows_sum_to_one(edges: torch.Tensor) -> None:
    layer = MaskedGraphConv(3, edges)
    _randomised(layer)
    shares = layer.shares()
    assert (shares[:, ~edges] == 0).all()
    assert (shares[:, edges] > 0).all()
    torch.testing.assert_close(shares.sum(dim=-1), torch.ones(3, 14))


def test_masked_graph_convolution_against_the_formula() -> None:
    """out_c = (S_c * I)(W_0 x)_c + (S_c * (1 - I))(W_1 x)_c, before the normalisation."""
    layer = MaskedGraphConv(2, connected_edges())
    _randomised(layer)
    layer.norm = nn.Sequential()
    x = torch.randn(2, 3, 4, 14)
    shares, weight = layer.shares(), layer.maps.weight
    expected = torch.zeros_like(x)
    for c in range(2):
        own = sum(weight[c, k] * x[k] for k in range(2))
        other = sum(weight[2 + c, k] * x[k] for k in range(2))
        for i in range(14):
            for j in range(14):
                expected[c, ..., i] += shares[c, i, j] * (own if i == j else other)[..., j]
    torch.testing.assert_close(layer(x), expected)


def test_additive_attention_against_the_formula() -> None:
    """B_k[i, j] = softmax_j LeakyReLU(w_k^T [theta(x_i); phi(x_j)]), values are mixed by it."""
    heads, width = 2, 3
    layer = AdditiveAttention(heads * width, heads)
    _randomised(layer)
    x = torch.randn(heads * width, 2, 4, 14)
    value = torch.randn(heads, width, 2, 4, 14)
    theta = layer.theta(x.movedim(0, -1)).unflatten(-1, (heads, width))  # (T, B, V, heads, d)
    phi = layer.phi(x.movedim(0, -1)).unflatten(-1, (heads, width))
    for k in range(heads):
        pairs = torch.cat(
            [
                theta[..., :, None, k, :].expand(2, 4, 14, 14, width),
                phi[..., None, :, k, :].expand(2, 4, 14, 14, width),
            ],
            dim=-1,
        )
        score = nn.functional.leaky_relu(pairs @ layer.halves[:, k].reshape(-1), 0.2)
        expected = torch.einsum("tbij,dtbj->dtbi", score.softmax(dim=-1), value[k])
        torch.testing.assert_close(layer(x, value)[k], expected)


def test_dot_attention_against_the_formula() -> None:
    """B_k[i, j] = softmax_j theta_k(x_i)^T phi_k(x_j) / sqrt(d), values are mixed by it."""
    heads, width = 2, 3
    layer = DotAttention(heads * width, heads)
    _randomised(layer)
    x = torch.randn(heads * width, 2, 4, 14)
    value = torch.randn(heads, width, 2, 4, 14)
    theta = layer.theta(x).unflatten(0, (heads, width))
    phi = layer.phi(x).unflatten(0, (heads, width))
    for k in range(heads):
        score = torch.einsum("dtbi,dtbj->tbij", theta[k], phi[k]) / width**0.5
        torch.testing.assert_close(layer.scores(x)[k], score)
        expected = torch.einsum("tbij,dtbj->dtbi", score.softmax(dim=-1), value[k])
        torch.testing.assert_close(layer(x, value)[k], expected)


def test_additive_scores_are_those_that_mix_the_values() -> None:
    layer = AdditiveAttention(6, 2)
    _randomised(layer)
    x, value = torch.randn(6, 2, 4, 14), torch.randn(2, 3, 2, 4, 14)
    expected = torch.einsum("ktbij,kdtbj->kdtbi", layer.scores(x).softmax(dim=-1), value)
    torch.testing.assert_close(layer(x, value), expected)


def _variation_over_queries(shares: torch.Tensor) -> float:
    """Half the mean L1 distance of the rows of (..., V, V) to their mean; 0 when all are alike."""
    return float((shares - shares.mean(dim=-2, keepdim=True)).abs().sum(dim=-1).mean() / 2)


@pytest.mark.parametrize(("form", "learns"), [(DotAttention, True), (AdditiveAttention, False)])
def test_dot_attention_learns_which_joint_to_copy_and_additive_attention_cannot(
    form: type[DotAttention | AdditiveAttention], learns: bool
) -> None:
    """Every joint holds a label, what it asks for (another's label), and a value to be fetched.

    The labels are drawn anew for every window, so no fixed matrix (C) can do it.
    """
    joints, labels, windows, heads = 14, 4, 64, 1
    torch.manual_seed(0)
    attention = form(16, heads)
    optimiser = torch.optim.Adam(attention.parameters(), lr=0.03)
    for _ in range(150):
        label = torch.arange(joints)[torch.rand(windows, joints).argsort(dim=1)] % labels
        asked = torch.randint(labels, (windows, joints))
        features = torch.zeros(16, 1, windows, joints)
        features[:labels, 0] = nn.functional.one_hot(label, labels).permute(2, 0, 1).float()
        features[labels : 2 * labels, 0] = (
            nn.functional.one_hot(asked, labels).permute(2, 0, 1).float()
        )
        value = torch.randn(heads, 1, 1, windows, joints)
        fits = (asked[:, :, None] == label[:, None, :]).float()
        wanted = (fits @ value[0, 0, 0, :, :, None])[..., 0] / fits.sum(dim=-1)
        loss = (attention(features, value)[0, 0, 0] - wanted).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    unexplained = float(loss.detach() / wanted.var())
    variation = _variation_over_queries(attention.scores(features).detach().softmax(dim=-1))
    if learns:
        assert unexplained < 0.05
        assert variation > 0.5
    else:  # the best it can do is the mean of all joints
        assert unexplained > 0.5
        assert variation < 0.25


def test_additive_attention_ranks_joints_alike_for_all_queries_and_dot_attention_does_not() -> None:
    x = torch.randn(8, 3, 4, 14)
    for form, alike in ((AdditiveAttention, True), (DotAttention, False)):
        layer = form(8, 2)
        _randomised(layer)
        ranking = layer.scores(x).argsort(dim=-1)
        assert bool((ranking == ranking[..., :1, :]).all()) is alike


@pytest.mark.parametrize("form", [DotAttention, AdditiveAttention])
def test_attention_survives_large_scores(form: type[DotAttention | AdditiveAttention]) -> None:
    layer = form(4, 2)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(100.0)
    assert layer(torch.randn(4, 1, 1, 14) * 100, torch.randn(2, 2, 1, 1, 14)).isfinite().all()


def test_free_matrices_start_at_zero_and_mix_per_head() -> None:
    layer = GlobalAttention(4, StgaNetConfig(heads=2, use_b=False))
    layer.join = nn.Sequential()
    x = torch.randn(4, 3, 2, 14)
    assert layer.free is not None
    assert (layer(x) == 0).all()
    with torch.no_grad():
        layer.free[1, 5, 9] = 2.0
    out = layer(x)
    assert (out[:2] == 0).all()  # the other head
    torch.testing.assert_close(out[2:, ..., 5], 2 * layer.value(x)[2:, ..., 9])


@pytest.mark.parametrize(
    "config",
    [
        StgaNetConfig(graph=graph)  # type: ignore[arg-type]
        for graph in ("gcn", "local-sym", "local-distal", "local", "global", "both")
    ]
    + [StgaNetConfig(use_b=False), StgaNetConfig(use_c=False)],
)
def test_block_doubles_channels_in_every_ablation(config: StgaNetConfig) -> None:
    block = GraphAttentionBlock(8, config)
    assert block(torch.randn(8, 3, 2, 14)).shape == (16, 3, 2, 14)


def test_global_attention_without_b_and_c_is_refused() -> None:
    with pytest.raises(ValueError, match="B_k or C_k"):
        GraphAttentionBlock(8, StgaNetConfig(use_b=False, use_c=False))
