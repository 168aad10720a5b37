import torch
from network_cases import inputs, perturbed

from dance_models.config import FrameMlpConfig
from dance_models.nets.frame_mlp import FrameMlp

CONFIG = FrameMlpConfig(hidden=16, landmarks=33, evidence=True)


def test_frames_do_not_interact() -> None:
    model, x = perturbed(FrameMlp(CONFIG)).eval(), inputs(CONFIG, 2)
    changed = x.clone()
    changed[:, 4] += 1
    difference = (model(changed) - model(x)).abs().amax(dim=(0, 2, 3))
    assert difference[4] > 1e-3
    assert (difference[torch.arange(11) != 4] == 0).all()


def test_velocity_and_flow_are_not_read() -> None:
    """The frame's motion is the other frames; features 2 to 7 of a joint are flow and motion."""
    model, x = perturbed(FrameMlp(CONFIG)).eval(), inputs(CONFIG, 2)
    changed = x.clone()
    changed[..., : 14 * 9].unflatten(-1, (14, 9))[..., 2:8] += 1
    assert torch.equal(model(changed), model(x))
