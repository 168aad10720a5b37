import pytest
import torch
from network_cases import fitted_loss, perturbed
from torch import Tensor

from dance_models.config import MkffStGcnConfig, StGcnConfig
from dance_models.nets.mkff_st_gcn import MkffStGcn
from dance_models.nets.refiner_input import joint_features, joint_width, packed_width, unpack
from dance_models.nets.st_gcn import StGcnBlock, StGcnRefiner

FEATURES = joint_features()
JOINT_WIDTH = joint_width()

SMALL = StGcnConfig(channels=8, blocks=2, dropout=0.0)
SMALL_WITH_LANDMARKS = StGcnConfig(channels=8, blocks=2, dropout=0.0, landmarks=33)


def _windows(count: int, config: StGcnConfig = SMALL) -> Tensor:
    torch.manual_seed(3)
    return torch.randn(count, config.window, packed_width(config.landmarks))


def test_as_deep_as_the_network_it_is_an_ablation_of() -> None:
    blocks = [
        [module for module in model.modules() if isinstance(module, StGcnBlock)]
        for model in (StGcnRefiner(StGcnConfig()), MkffStGcn(MkffStGcnConfig()))
    ]
    assert len(blocks[0]) == len(blocks[1]) == 4
    assert StGcnConfig().temporal_kernel == MkffStGcnConfig().temporal_kernel
    assert StGcnConfig().channels == MkffStGcnConfig().spatial_channels


@pytest.mark.parametrize(("landmarks", "expected"), [(0, 188_806), (33, 278_406)])
def test_size_follows_from_the_structure(landmarks: int, expected: int) -> None:
    """A block: 3 A-sized importances, 3 C_in C, 9 C C, two norms; the first has a projection."""
    c, edges = 64, 3 * 14 * 14
    first = edges + 3 * 3 * c + 9 * c * c + 4 * c + (3 * c + 2 * c)
    other = edges + 3 * c * c + 9 * c * c + 4 * c
    extra = (3 * landmarks + 1) * 14 * c if landmarks else 0
    count = sum(p.numel() for p in StGcnRefiner(StGcnConfig(landmarks=landmarks)).parameters())
    assert count == 2 * 14 * 3 + first + 3 * other + extra + (2 * c + 2) == expected


@pytest.mark.parametrize("feature", range(FEATURES))
def test_only_pose_and_confidence_are_read(feature: int) -> None:
    model, x = perturbed(StGcnRefiner(SMALL)).eval(), _windows(2)
    changed = x.clone()
    changed[:, :, FEATURES * 4 + feature] += 1  # of the fifth joint
    others = [j for j in range(14) if j != 4]
    difference = (model(changed) - model(x)).abs()[:, :, others].max()
    if feature in {0, 1, 8}:
        assert difference > 1e-6
    else:
        assert difference == 0


def test_a_block_reaches_neighbours_and_two_blocks_their_neighbours() -> None:
    wrist, elbow, shoulder, neck = 6, 4, 2, 1
    x = _windows(1)
    changed = x.clone()
    changed[..., FEATURES * wrist] += 1
    for blocks, reached in ((1, {wrist, elbow}), (2, {wrist, elbow, shoulder})):
        model = perturbed(StGcnRefiner(StGcnConfig(channels=8, blocks=blocks, dropout=0.0))).eval()
        difference = (model(changed) - model(x)).abs().amax(dim=(0, 1, 3))
        assert set(difference.nonzero().flatten().tolist()) == reached
        assert neck not in reached


def test_a_landmark_reaches_every_joint() -> None:
    model = perturbed(StGcnRefiner(SMALL_WITH_LANDMARKS)).eval()
    x = _windows(2, SMALL_WITH_LANDMARKS)
    changed = x.clone()
    changed[1, :, JOINT_WIDTH + 7] += 1
    difference = (model(changed) - model(x)).abs().amax(dim=(1, 3))  # (B, 14)
    assert difference[1].min() > 1e-7


def test_it_can_learn_one_batch() -> None:
    x = _windows(4)
    torch.manual_seed(0)
    model = StGcnRefiner(StGcnConfig(channels=32, blocks=3, dropout=0.0))
    pose = unpack(x, 0).pose
    wanted = pose + 0.1 * torch.randn_like(pose)
    below = 0.1 * float((pose - wanted).square().mean())
    assert fitted_loss(model, x, wanted, below=below, rate=1e-2, most=150) < below
