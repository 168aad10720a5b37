from collections.abc import Callable

import numpy as np
import pytest
import torch
from network_cases import fitted_loss, perturbed
from torch import Tensor, nn

from dance_models.config import HbrnnConfig
from dance_models.nets.hbrnn import Bidirectional, Hbrnn
from dance_models.nets.refiner_input import joint_features, packed_width, unpack
from dance_models.skeleton import DANCE_14

FEATURES = joint_features()

SMALL = HbrnnConfig(part=6, fused=8, half=10, body=12)


def _windows(count: int, config: HbrnnConfig = SMALL) -> Tensor:
    torch.manual_seed(3)
    return torch.randn(count, config.window, packed_width(config.landmarks))


def _changed(x: Tensor, joint: int, feature: int = 0) -> Tensor:
    changed = x.clone()
    changed[..., FEATURES * joint + feature] += 1
    return changed


LIMBS, TRUNK = DANCE_14.parts.limbs, DANCE_14.parts.trunk


def test_parts_are_two_arms_two_legs_and_a_trunk() -> None:
    assert len(LIMBS) == 4
    assert sorted({j for part in (*LIMBS, TRUNK) for j in part}) == list(range(14))
    for part, side, ending in zip(
        LIMBS, ("left", "right") * 2, ("wrist", "wrist", "ankle", "ankle"), strict=True
    ):
        assert all(DANCE_14.names[j].startswith(side) for j in part)
        assert DANCE_14.names[part[-1]] == f"{side}_{ending}"
    for left, right in (LIMBS[:2], LIMBS[2:]):
        assert [DANCE_14.mirror[j] for j in left] == list(right)
    assert sorted(DANCE_14.mirror[j] for j in TRUNK) == sorted(TRUNK)


def test_hierarchy_is_the_published_one() -> None:
    """5 -> 4 -> 2 -> 1; tanh in the first three layers, an LSTM in the last, all both ways."""
    config = HbrnnConfig()
    model = Hbrnn(config)
    layers = [model.parts, model.limbs, model.halves, [model.body]]
    assert [len(layer) for layer in layers] == [5, 4, 2, 1]
    cells = [[module.cells for module in layer] for layer in layers]
    assert all(cell.bidirectional for row in cells for cell in row)
    assert all(isinstance(cell, nn.RNN) for row in cells[:3] for cell in row)
    assert all(cell.nonlinearity == "tanh" for row in cells[:3] for cell in row)
    assert isinstance(cells[3][0], nn.LSTM)
    inputs = [{cell.input_size for cell in row} for row in cells]
    assert inputs == [
        {9, 12},  # three joints a limb, four of the trunk: x, y, confidence
        {2 * config.part + 2 * config.part},  # a limb with the trunk
        {2 * (2 * config.fused)},  # both arms or both legs
        {2 * (2 * config.half)},  # upper and lower body
    ]


def test_default_size_follows_from_the_structure() -> None:
    """Two directions, each with W, U and two biases; an LSTM has four of them."""

    def layer(channels_in: int, channels: int) -> int:
        return 2 * (channels_in * channels + channels**2 + 2 * channels)

    parts = 4 * layer(9, 32) + layer(12, 32)
    fused = 4 * layer(4 * 32, 48) + 2 * layer(4 * 48, 64) + 4 * layer(4 * 64, 96)
    count = sum(p.numel() for p in Hbrnn(HbrnnConfig()).parameters())
    assert count == parts + fused + (2 * 96 + 1) * 28 == 425_628


@pytest.mark.parametrize("limb", range(4))
def test_a_limb_reaches_only_its_own_modules_before_the_whole_body(limb: int) -> None:
    model, x = perturbed(Hbrnn(SMALL)), _windows(2)
    before, after = (
        _recurrent_outputs(model, x),
        _recurrent_outputs(model, _changed(x, LIMBS[limb][-1])),
    )
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    half = "halves.0" if limb < 2 else "halves.1"
    ends = {f"parts.{limb}", f"limbs.{limb}", half, "body"}
    assert changed == ends  # wrists and ankles are no part of the trunk


def test_the_trunk_reaches_all_limbs() -> None:
    model, x = perturbed(Hbrnn(SMALL)), _windows(2)
    neck = DANCE_14.names.index("neck")
    before, after = _recurrent_outputs(model, x), _recurrent_outputs(model, _changed(x, neck))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    own_part = {f"parts.{limb}" for limb in range(4)}
    assert changed == set(before) - own_part


def _recurrent_outputs(model: Hbrnn, x: Tensor) -> dict[str, Tensor]:
    """The output of every recurrent layer, by name."""
    returned_by: dict[str, Tensor] = {}

    def note(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        return lambda _module, _given, returned: returned_by.update({name: returned})

    handles = [
        module.register_forward_hook(note(name))
        for name, module in model.named_modules()
        if isinstance(module, Bidirectional)
    ]
    model(x)
    for handle in handles:
        handle.remove()
    assert len(returned_by) == 12
    return returned_by


def test_tanh_layer_against_the_formula() -> None:
    """h_t = tanh(W x_t + U h_(t-1) + b), once forward and once backward."""
    torch.manual_seed(0)
    layer = Bidirectional(3, 4)
    x = torch.randn(1, 5, 3)
    values = [p.detach().numpy() for p in layer.parameters()]
    expected = []
    for (w, u, b, c), order in ((values[:4], 1), (values[4:], -1)):
        h, states = np.zeros(4, dtype=np.float32), []
        for frame in x[0].numpy()[::order]:
            h = np.tanh(w @ frame + u @ h + b + c)
            states.append(h)
        expected.append(np.stack(states[::order]))
    np.testing.assert_allclose(layer(x)[0].detach(), np.concatenate(expected, axis=1), atol=1e-5)


@pytest.mark.parametrize("feature", [0, 1, 8])
def test_pose_and_confidence_reach_every_joint_in_every_frame(feature: int) -> None:
    model, x = perturbed(Hbrnn(SMALL)), _windows(1)
    changed = x.clone()
    changed[:, 5, FEATURES * 4 + feature] += 1  # the middle frame reaches all others
    difference = (model(changed) - model(x)).abs().amax(dim=-1)[0]
    assert difference.min() > 0


def test_flow_kinematics_and_landmarks_are_not_read() -> None:
    config = HbrnnConfig(part=6, fused=8, half=10, body=12, landmarks=33)
    model, x = perturbed(Hbrnn(config)), _windows(2, config)
    changed = x.clone()
    changed[..., : 14 * FEATURES].unflatten(-1, (14, FEATURES))[..., 2:8] += 1
    changed[..., 14 * FEATURES :] += 1
    assert not torch.equal(changed, x)
    assert torch.equal(model(changed), model(x))


def test_it_can_learn_one_batch() -> None:
    x = _windows(4)
    torch.manual_seed(0)
    model = Hbrnn(HbrnnConfig(part=16, fused=24, half=32, body=48))
    pose = unpack(x, 0).pose
    wanted = pose + 0.1 * torch.randn_like(pose)
    below = 0.1 * float((pose - wanted).square().mean())
    assert fitted_loss(model, x, wanted, below=below, rate=5e-3, most=250) < below
