from dataclasses import replace

import numpy as np
import torch
from network_cases import fitted_loss, perturbed
from torch import Tensor, nn

from dance_models.config import DmgnnConfig
from dance_models.nets.dmgnn import (
    Dmgnn,
    Exchange,
    ScaleEncoder,
    ScaleLayer,
    membership,
    part_graph,
    scales,
)
from dance_models.skeleton import DANCE_14

SCALES = scales()
BONE_PARTS, LIMB_PARTS = SCALES[1:]
SMALL = DmgnnConfig(widths=(4, 8, 8, 16), hidden=16)


def _windows(count: int, frames: int = 27) -> Tensor:
    torch.manual_seed(3)
    return torch.randn(count, frames, 14, 2).cumsum(dim=1) * 0.1


def test_parts_cover_each_joint_once() -> None:
    members = [{tuple(row.nonzero().flatten().tolist()) for row in membership(p)} for p in SCALES]
    assert members[0] == {(i,) for i in range(14)}
    assert members[1] == {(0, 1), (2,), (3,), (4, 6), (5, 7), (8,), (9,), (10, 12), (11, 13)}
    assert members[2] == {(0, 1), (2, 4, 6), (3, 5, 7), (8, 10, 12), (9, 11, 13)}
    for parts in SCALES:
        torch.testing.assert_close(membership(parts).sum(dim=1), torch.ones(len(parts)))


def test_neighbouring_parts() -> None:
    """All limbs are attached to the trunk; a lower arm only to its upper arm."""
    own, near = part_graph(LIMB_PARTS)
    assert torch.equal(own, torch.eye(5))
    assert near[0].tolist() == [0, 0.25, 0.25, 0.25, 0.25]
    assert torch.equal(near[1:, 0], torch.ones(4))
    near = part_graph(BONE_PARTS)[1]
    shoulder = BONE_PARTS.index((DANCE_14.index["left_shoulder"],))
    arm = BONE_PARTS.index((DANCE_14.index["left_elbow"], DANCE_14.index["left_wrist"]))
    assert near[arm, shoulder] == 1
    assert near[shoulder, arm] == near[shoulder, 0] == 0.5


def test_graph_is_scaled_and_shifted() -> None:
    """A * mul + add; the convolution over time passes only its middle frame."""
    torch.manual_seed(0)
    layer = ScaleLayer(LIMB_PARTS, 2, 3, stride=2, dropout=0.0).eval()
    nn.init.uniform_(layer.scale)
    nn.init.uniform_(layer.shift)
    nn.init.zeros_(layer.time.weight)
    nn.init.eye_(layer.time.weight.data[:, :, 2])
    scale, shift, maps, residual = (
        p.detach().numpy()
        for p in (layer.scale, layer.shift, layer.maps.weight, layer.residual.weight)
    )
    x = np.random.default_rng(0).normal(size=(5, 2, 7, 2)).astype(np.float32)
    graphs = layer.adjacency.numpy() * scale + shift
    received = [np.einsum("vw,wbtc->vbtc", graph, x) for graph in graphs]
    mixed = np.maximum(np.concatenate(received, axis=-1) @ maps.T / np.sqrt(1 + 1e-5), 0)
    kept = mixed[:, :, ::2] / np.sqrt(1 + 1e-5) + x[:, :, ::2] @ residual.T
    out = layer(torch.from_numpy(x)).detach()
    np.testing.assert_allclose(out, np.maximum(kept, 0), atol=1e-5)


def test_cross_scale_fusion_weights_by_similarity() -> None:
    """Embeddings that are the node's own mean: softmax(e_A e_B^T) over the other's nodes."""
    exchange = Exchange(2)
    embed = exchange.embed
    with torch.no_grad():
        embed[0].weight.copy_(torch.eye(2, 4))
        embed[2].weight.copy_(torch.eye(2))
        exchange.maps.weight.copy_(torch.eye(2))
        for layer in (embed[0], embed[2], exchange.maps):
            layer.bias.zero_()
    generator = np.random.default_rng(0)
    a = generator.uniform(size=(3, 2, 4, 2)).astype(np.float32)  # positive: the ReLU passes all
    b = generator.uniform(size=(5, 2, 4, 2)).astype(np.float32)
    score = np.exp(np.einsum("vbc,wbc->vbw", a.mean(axis=2), b.mean(axis=2)))
    weight = score / score.sum(axis=-1, keepdims=True)
    expected = np.einsum("vbw,wbtc->vbtc", weight, b)
    received = exchange(torch.from_numpy(a), torch.from_numpy(b)).detach()
    np.testing.assert_allclose(received, expected, atol=1e-5)


def test_time_is_strided_and_coarse_scales_reach_their_joints() -> None:
    encoder = ScaleEncoder(SMALL).eval()
    frames: list[int] = []
    for layers in encoder.layers:
        assert isinstance(layers, nn.ModuleList)
        layers[0].register_forward_hook(lambda _m, _i, out: frames.append(out.shape[2]))
    x = _windows(2).permute(2, 0, 1, 3)
    assert encoder(x).shape == (14, 2, 16)
    assert frames == [27, 14, 7, 4]
    limbs = torch.arange(5.0)[:, None, None]
    spread = encoder._spread(membership(LIMB_PARTS), limbs).flatten()
    assert spread.tolist() == [0, 0, 1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4]


def test_scales_count_with_their_weights() -> None:
    """0.3 of a neighbouring scale, 0.6 of the coarse scales in the end."""
    torch.manual_seed(0)
    encoder = ScaleEncoder(SMALL).eval()
    joint, bone, limb = (torch.rand(len(parts), 2, 5, 4) for parts in SCALES)
    first = encoder.exchanges[0]
    assert isinstance(first, nn.ModuleList)
    a, b, c, d = first
    new = encoder._exchanged([joint, bone, limb], [a, b, c, d])
    torch.testing.assert_close(new[0], joint + 0.3 * a(joint, bone))
    torch.testing.assert_close(new[1], bone + 0.3 * b(bone, joint) + 0.3 * c(bone, limb))
    torch.testing.assert_close(new[2], limb + 0.3 * d(limb, bone))

    x = _windows(2).permute(2, 0, 1, 3)
    features = []
    for merge in (0.0, 0.6, 1.0):
        encoder.config = replace(SMALL, merge=merge)
        features.append(encoder(x))
    alone, usual, whole = features
    torch.testing.assert_close(usual, alone + 0.6 * (whole - alone))
    assert (whole - alone).abs().max() > 1e-3


def test_untrained_network_repeats_the_last_pose() -> None:
    x = _windows(3)
    forecast = Dmgnn(DmgnnConfig())(x)
    assert forecast.shape == (3, 10, 14, 2)
    assert torch.equal(forecast, x[:, -1:].expand_as(forecast))


def test_steps_add_up() -> None:
    """p_{t+1} = p_t + MLP(H): with a constant MLP the forecast is a straight line."""
    model = Dmgnn(SMALL)
    step = torch.tensor([0.2, -0.1])
    with torch.no_grad():
        model.head[-1].bias.copy_(step)
    x = _windows(3)
    line = x[:, -1:] + torch.arange(1, 11)[:, None, None] * step
    torch.testing.assert_close(model(x), line)


def test_decoder_reads_pose_velocity_and_acceleration_of_its_own_forecast() -> None:
    model = perturbed(Dmgnn(SMALL), 0.05).eval()
    received: list[Tensor] = []
    model.cell.register_forward_pre_hook(lambda _m, inputs: received.append(inputs[0]))
    x = _windows(2)
    track = torch.cat([x, model(x)], dim=1)[:, :-1]  # the last pose is not fed back
    velocity = track[:, 1:] - track[:, :-1]
    acceleration = velocity[:, 1:] - velocity[:, :-1]
    expected = torch.cat([t[:, -10:] for t in (track, velocity, acceleration)], dim=-1)
    torch.testing.assert_close(torch.stack(received).permute(2, 0, 1, 3), expected)


def test_it_can_learn_one_batch() -> None:
    both = _windows(4, 37)
    observed, future = both[:, :27], both[:, 27:]
    torch.manual_seed(0)
    model = Dmgnn(DmgnnConfig(widths=(4, 8, 8, 16), hidden=32, dropout=0.0))
    standing = (observed[:, -1:] - future).square().mean()
    wanted = 0.25 * float(standing)
    assert fitted_loss(model, observed, future, below=wanted, rate=1e-2, most=60) < wanted
