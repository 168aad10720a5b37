from dataclasses import replace

import pytest
import torch
from network_cases import perturbed
from torch import Tensor, nn

from dance_models.config import StgaNetConfig
from dance_models.nets.graph_attention import GraphAttentionBlock
from dance_models.nets.stga_net import StgaNet, TemporalBlock, ThreeFrames, differences
from dance_models.rows import row_of, rows_of

SMALL = StgaNetConfig(channels=8, hidden=16)


def _windows(count: int) -> Tensor:
    torch.manual_seed(3)
    return torch.randn(count, 27, 14, 2).cumsum(dim=1) * 0.1


def test_untrained_network_extrapolates_the_damped_velocity() -> None:
    x = _windows(3)
    pose, velocity = x[:, -1], x[:, -1] - x[:, -2]
    forecast = StgaNet(SMALL)(x)
    for step in range(10):
        velocity = 0.7 * velocity
        pose = pose + velocity
        torch.testing.assert_close(forecast[:, step], pose)


def test_untrained_faithful_variant_repeats_the_last_pose() -> None:
    x = _windows(3)
    forecast = StgaNet(replace(SMALL, velocity_residual=False, kinematic_inputs=False))(x)
    assert torch.equal(forecast, x[:, -1:].expand_as(forecast))


def _reached(model: StgaNet, joint: int) -> set[int]:
    """The joints whose forecast depends on one joint's observed poses."""
    x = _windows(2).requires_grad_()
    found = set()
    for other in range(14):
        (gradient,) = torch.autograd.grad(model(x)[:, :, other].square().sum(), x)
        if gradient[:, :, joint].abs().max() > 0:
            found.add(other)
    return found


def test_no_weight_of_the_ablation_gcn_mixes_joints() -> None:
    """Its joints meet along the fixed skeleton alone: without that, each is on its own."""
    net = row_of("stga_net.gcn").experiment.net
    assert isinstance(net, StgaNetConfig)
    small = replace(net, channels=8, hidden=16)
    for config, cut, reached in (
        (small, True, {3}),
        (small, False, set(range(14))),
        (replace(small, free_decoder=True), True, set(range(14))),
    ):
        model = perturbed(StgaNet(config)).eval()
        if cut:
            for name, buffer in model.named_buffers():
                if name.endswith("adjacency"):
                    buffer.copy_(torch.eye(14).expand_as(buffer))
        assert _reached(model, 3) == reached


def test_the_variants_of_the_graph_have_as_many_weights_as_the_whole_network() -> None:
    whole = sum(p.numel() for p in StgaNet(StgaNetConfig()).parameters())
    for row in rows_of("prediction"):
        if row.kind == "ablation":
            assert isinstance(row.experiment.net, StgaNetConfig)
            count = sum(p.numel() for p in StgaNet(row.experiment.net).parameters())
            assert abs(count / whole - 1) < 0.02, row.id


@pytest.mark.parametrize(
    ("config", "millions"),
    [(StgaNetConfig(), 0.29), (StgaNetConfig(channels=32, hidden=256), 1.05)],
)
def test_size_is_that_of_the_specification(config: StgaNetConfig, millions: float) -> None:
    count = sum(p.numel() for p in StgaNet(config).parameters())
    assert abs(count / 1e6 - millions) < 0.1 * millions


def _dilated(layers: nn.Sequential, x: Tensor) -> Tensor:
    """The encoder as the specification puts it: valid convolutions with dilation 1, 3, 9."""

    def convolve(conv: ThreeFrames, values: Tensor, dilation: int) -> Tensor:
        inner = conv.conv
        weight = inner[0].weight.unflatten(1, (3, -1)).transpose(1, 2)[..., None]  # (O, I, 3, 1)
        picture = values.permute(2, 0, 1, 3)  # (B, C, T, V)
        out = nn.functional.conv2d(picture, weight, dilation=(dilation, 1)).permute(1, 2, 0, 3)
        rest: Tensor = inner[1:](out)
        return rest

    dilations = iter((1, 3, 9))
    for layer in layers:
        if isinstance(layer, ThreeFrames):
            x = convolve(layer, x, next(dilations))
        elif isinstance(layer, TemporalBlock):
            dilation = next(dilations)
            x = x[:, dilation:-dilation] + layer.body[1](convolve(layer.body[0], x, dilation))
        else:
            x = layer(x)
    return x


def test_the_dct_of_a_constant_path_is_zero() -> None:
    """Coefficients are of the path to the last pose: a dancer elsewhere moves the same."""
    model = StgaNet(replace(SMALL, dct_inputs=5)).eval()
    assert model.from_dct is not None
    seen: list[Tensor] = []
    model.from_dct.register_forward_hook(lambda layer, given, out: seen.append(given[0]))
    still = torch.randn(3, 1, 14, 2).expand(-1, 27, -1, -1)
    model(still)
    assert seen[0].abs().max() < 1e-6
    x = _windows(3)
    model(x)
    model(x + 7)
    assert seen[1].shape == (14, 3, 10)
    torch.testing.assert_close(seen[1], seen[2], atol=1e-4, rtol=0)
    path = (x - x[:, -1:])[1, :, 4, 0]
    frame = torch.arange(27) + 0.5
    expected = [path.sum() / 27**0.5]
    expected += [
        (2 / 27) ** 0.5 * (path * torch.cos(torch.pi * frame * k / 27)).sum() for k in range(1, 5)
    ]
    torch.testing.assert_close(seen[1][4, 1, :5], torch.stack(expected), atol=1e-5, rtol=1e-4)


def test_strides_are_equivalent_to_dilations_1_3_9() -> None:
    model = perturbed(StgaNet(SMALL), 0.05).eval()
    assert sum(isinstance(layer, GraphAttentionBlock) for layer in model.encoder) == 3
    x = torch.randn(6, 27, 2, 14)
    expected = _dilated(model.encoder, x)
    assert expected.shape == (64, 1, 2, 14)  # 8 C, one frame left
    torch.testing.assert_close(model.encoder(x), expected)


def test_differences_do_not_invent_an_acceleration() -> None:
    steady = torch.arange(5.0)[None, :, None, None].expand(1, 5, 14, 2)
    assert (differences(steady) == 1).all()
    assert (differences(differences(steady)) == 0).all()
