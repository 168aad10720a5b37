from dataclasses import replace

import pytest
import torch
from network_cases import perturbed
from torch import nn

from dance_models.config import MkffStGcnConfig
from dance_models.evidence import JOINT_EVIDENCE, NUM_JOINT_EVIDENCE
from dance_models.nets.mkff_st_gcn import FIRST_SCALE, KinematicAttention, MkffStGcn
from dance_models.nets.refiner_input import joint_width, packed_width, unpack

SMALL = MkffStGcnConfig(
    spatial_channels=8,
    spatial_blocks=2,
    kinematic_channels=16,
    attention_blocks=2,
    landmarks=33,
)

JOINT_WIDTH = joint_width()


def _windows(count: int, config: MkffStGcnConfig) -> torch.Tensor:
    torch.manual_seed(3)
    width = packed_width(config.landmarks, evidence=config.evidence)
    return torch.randn(count, config.window, width)


def test_packed_layout() -> None:
    packed = torch.arange(float(packed_width(2)))[None, None]
    x = unpack(packed, 2)
    assert x.pose[0, 0, 1].tolist() == [9, 10]  # the second joint
    assert x.flow[0, 0, 0].tolist() == [2, 3]
    assert x.velocity[0, 0, 0].tolist() == [4, 5]
    assert x.acceleration[0, 0, 0].tolist() == [6, 7]
    assert x.confidence[0, 0, 13].item() == JOINT_WIDTH - 1
    assert x.landmarks[0, 0, 1].tolist() == [JOINT_WIDTH + 3, JOINT_WIDTH + 4, JOINT_WIDTH + 5]


def test_the_evidence_comes_last_in_the_packed_input() -> None:
    plain, width = packed_width(2), packed_width(2, evidence=True)
    assert width == plain + 14 * NUM_JOINT_EVIDENCE
    x = unpack(torch.arange(float(width))[None, None], 2, evidence=True)
    assert x.evidence[0, 0, 1].tolist() == list(
        range(plain + NUM_JOINT_EVIDENCE, plain + 2 * NUM_JOINT_EVIDENCE)
    )
    assert unpack(torch.zeros(1, 1, plain), 2).evidence.shape == (1, 1, 14, 0)


@pytest.mark.parametrize("feature", range(NUM_JOINT_EVIDENCE))
def test_every_number_of_the_evidence_reaches_the_output(feature: int) -> None:
    config = replace(SMALL, evidence=True)
    model = perturbed(MkffStGcn(config), 0.05).eval()
    x = _windows(2, config)
    changed = x.clone()
    changed[:, :, packed_width(33) + 4 * NUM_JOINT_EVIDENCE + feature] += 1  # of the fifth joint
    assert (model(changed) - model(x)).abs().max() > 1e-6


def test_the_tokens_get_what_says_which_frame_to_trust() -> None:
    """With a spatial stream that is cut off, spread and shift still reach the output."""
    config = replace(SMALL, evidence=True)
    model = perturbed(MkffStGcn(config), 0.05).eval()
    for parameter in model.spatial.parameters():
        parameter.data.zero_()
    x = _windows(2, config)
    place = packed_width(33) + 4 * NUM_JOINT_EVIDENCE
    for name, reaches in {"spread": True, "shift": True, "depth": False}.items():
        changed = x.clone()
        changed[:, :, place + JOINT_EVIDENCE.index(name)] += 1
        assert (not torch.equal(model(changed), model(x))) == reaches, name


def test_untrained_network_returns_the_flow_in_that_variant() -> None:
    config = replace(SMALL, residual_on_flow=True)
    x = _windows(4, config)
    assert torch.equal(MkffStGcn(config)(x), unpack(x, 33).flow)


def test_default_size_is_that_of_the_specification() -> None:
    """About 0.8 million parameters."""
    count = sum(p.numel() for p in MkffStGcn(MkffStGcnConfig(landmarks=33)).parameters())
    assert 0.72e6 < count < 0.88e6


def test_the_likelihood_variant_returns_a_scale_beside_the_pose() -> None:
    config = replace(SMALL, uncertainty=True)
    x = _windows(4, config)
    untrained = MkffStGcn(config).refine(x)
    assert torch.equal(untrained.pose, unpack(x, 33).pose)
    assert untrained.log_scale is not None
    torch.testing.assert_close(untrained.log_scale.exp(), torch.full((4, 11, 14), FIRST_SCALE))
    moved = perturbed(MkffStGcn(config), 0.05).eval()
    assert isinstance(moved, MkffStGcn)
    found = moved.refine(x)
    assert found.log_scale is not None
    assert found.log_scale.std() > 1e-3
    torch.testing.assert_close(moved(x), found.pose)
    assert MkffStGcn(SMALL).refine(x).log_scale is None


@pytest.mark.parametrize("feature", range(9))
def test_every_feature_reaches_the_output(feature: int) -> None:
    model = perturbed(MkffStGcn(SMALL), 0.05).eval()
    x = _windows(2, SMALL)
    changed = x.clone()
    changed[:, :, 9 * 4 + feature] += 1  # of the fifth joint
    other_joints = [j for j in range(14) if j != 4]
    difference = (model(changed) - model(x))[:, :, other_joints]
    assert difference.abs().max() > 1e-6


def test_landmarks_reach_the_output() -> None:
    model = perturbed(MkffStGcn(SMALL), 0.05).eval()
    x = _windows(2, SMALL)
    changed = x.clone()
    changed[1, :, JOINT_WIDTH + 7] += 1
    difference = (model(changed) - model(x)).abs().amax(dim=(1, 2, 3))
    assert difference[1] > 1e-6


def test_attention_against_the_formula() -> None:
    """Q, K, V = LN(Z) W + E_pos; softmax(Q K^T / sqrt(d_k)) V; residuals (Eq 8-9)."""
    torch.manual_seed(0)
    block = KinematicAttention(8, 2, 5, 0.0)
    nn.init.normal_(block.position)
    z = torch.randn(3, 5, 8)
    qkv = block.qkv(block.norm(z))
    q, k, v = (part + block.position for part in qkv.split(8, dim=-1))
    heads = []
    for head in (slice(0, 4), slice(4, 8)):
        scores = q[..., head] @ k[..., head].transpose(1, 2) / 4**0.5
        heads.append(scores.softmax(dim=-1) @ v[..., head])
    expected = z + block.out(torch.cat(heads, dim=-1))
    expected = expected + block.mlp(block.norm_mlp(expected))
    torch.testing.assert_close(block(z), expected)
