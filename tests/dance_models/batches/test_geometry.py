import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from dance_models.batches.crops import draw_warp
from dance_models.batches.geometry import Geometry, draw_geometry
from dance_models.batches.refine import RefineTensors, draw_hidden, draw_noise, noisy
from dance_models.config import CropJitterConfig, MkffStGcnConfig, TrainingConfig
from dance_models.data import refine_windows
from dance_models.data.refine_windows import refine_frames, window_indices
from dance_models.errors import InputError
from dance_models.evidence import JOINT_EVIDENCE, JOINT_VECTORS, LANDMARKS
from dance_models.nets.refiner_input import unpack
from dance_models.skeleton import DANCE_14
from dance_models.skeletons.coco_17 import COCO_17
from dance_models.skeletons.mocap_25 import MOCAP_25
from dance_models.training.synthetic import synthetic_runs

INDEX = DANCE_14.index

CPU = torch.device("cpu")
STILL = TrainingConfig(
    mirror_probability=0.0, rotation_rad=0.0, axis_scale=(1.0, 1.0), joint_mask_probability=0.0
)
NET = MkffStGcnConfig(landmarks=33, evidence=True)


def _draw(config: TrainingConfig, batch: int = 64) -> Geometry:
    return draw_geometry(batch, config, torch.Generator().manual_seed(0), CPU)


def _data() -> tuple[RefineTensors, torch.Tensor]:
    frames = refine_frames(synthetic_runs(2, 40), NET)
    return RefineTensors(frames, NET, CPU), torch.from_numpy(window_indices(frames, 11)[:16])


def test_mirroring_twice_is_the_identity_for_poses() -> None:
    geometry = _draw(replace(STILL, mirror_probability=1.0))
    poses = torch.randn(64, 11, 14, 2)
    assert torch.equal(geometry.poses(geometry.poses(poses)), poses)


def test_mirroring_swaps_left_and_right_and_turns_x() -> None:
    geometry = _draw(replace(STILL, mirror_probability=1.0))
    poses = torch.randn(64, 11, 14, 2)
    out = geometry.poses(poses)
    left, right = INDEX["left_wrist"], INDEX["right_wrist"]
    torch.testing.assert_close(out[:, :, left], poses[:, :, right] * torch.tensor([-1.0, 1.0]))


def test_a_fraction_of_the_windows_is_mirrored() -> None:
    geometry = _draw(replace(STILL, mirror_probability=0.5), 1000)
    assert 0.4 < geometry.mirrored.float().mean() < 0.6
    determinant = torch.linalg.det(geometry.matrix)
    assert torch.equal(determinant < 0, geometry.mirrored)  # each with its own matrix


def test_rotation_keeps_lengths_and_stays_within_its_bound() -> None:
    geometry = _draw(replace(STILL, rotation_rad=0.3), 500)
    x = torch.zeros(500, 1, 1, 2)
    x[..., 0] = 2.0
    out = geometry.vectors(x)
    torch.testing.assert_close(out.norm(dim=-1), x.norm(dim=-1))
    angle = torch.atan2(out[..., 1], out[..., 0]).abs()
    assert angle.max() <= 0.3 + 1e-6
    assert angle.max() > 0.25


def test_axis_scale_is_drawn_for_each_axis() -> None:
    matrix = _draw(replace(STILL, axis_scale=(0.8, 1.2)), 500).matrix
    x, y = matrix[:, 0, 0], matrix[:, 1, 1]
    for scale in (x, y):
        assert 0.8 <= scale.min() < 0.85
        assert 1.15 < scale.max() <= 1.2
    assert (x - y).abs().max() > 0.2
    assert (matrix[:, 0, 1] == 0).all()


def test_one_draw_applies_to_all_frames_and_features() -> None:
    data, windows = _data()
    geometry = _draw(TrainingConfig(), 16)
    plain, moved = (unpack(data.batch(windows, g).packed, 33) for g in (None, geometry))
    for name in ("pose", "flow", "velocity", "acceleration"):
        torch.testing.assert_close(getattr(moved, name), geometry.poses(getattr(plain, name)))
    target = data.batch(windows).target
    torch.testing.assert_close(data.batch(windows, geometry).target, geometry.poses(target))


def test_mirroring_a_batch_twice_is_the_identity_landmarks_included() -> None:
    data, windows = _data()
    # Every joint and landmark gets its own confidence, so that a wrong swap shows.
    data.confidence += torch.arange(14) / 100
    data.landmarks[..., 2] += torch.arange(33) / 100
    data.visible[:, 3] = 0
    mirror = _draw(replace(STILL, mirror_probability=1.0), 16)
    plain, once = data.batch(windows), data.batch(windows, mirror)
    x, y = (unpack(batch.packed, 33, evidence=True) for batch in (plain, once))
    order = list(DANCE_14.mirror)
    turned = torch.tensor([-1.0 if n in ("shift_x", "world_x") else 1.0 for n in JOINT_EVIDENCE])
    assert torch.equal(y.evidence, x.evidence[:, :, order] * turned)
    assert torch.equal(y.confidence, x.confidence[:, :, order])
    assert torch.equal(once.visible, plain.visible[:, :, order])
    # BlazePose: 11 and 12 are the shoulders, 0 the nose.
    assert torch.equal(y.landmarks[:, :, 11, 2], x.landmarks[:, :, 12, 2])
    assert torch.equal(y.landmarks[:, :, 11, 0], -x.landmarks[:, :, 12, 0])
    assert torch.equal(y.landmarks[:, :, 0, 2], x.landmarks[:, :, 0, 2])


def test_windows_are_centred_on_the_reference_frame() -> None:
    data, windows = _data()
    pose = unpack(data.batch(windows).packed, 33).pose[:, 5]
    hips = (pose[:, INDEX["left_hip"]] + pose[:, INDEX["right_hip"]]) / 2
    torch.testing.assert_close(hips, torch.zeros(16, 2), atol=1e-5, rtol=0)


def test_hidden_joints_look_missing() -> None:
    data, windows = _data()
    hidden = torch.zeros(16, 11, 14, dtype=torch.bool)
    hidden[:, 4:8, 6] = True
    hidden[:, :3, 9] = True
    x, y = (unpack(data.batch(windows, None, h).packed, 33) for h in (None, hidden))
    assert torch.equal(y.pose[:, 4:8, 6], x.pose[:, 3:4, 6].expand(16, 4, 2))  # held
    assert torch.equal(y.pose[:, :3, 9], x.pose[:, 3:4, 9].expand(16, 3, 2))  # as filling does
    assert (y.confidence[hidden] == 0).all()
    assert (y.velocity[hidden] == 0).all()
    assert (y.acceleration[hidden] == 0).all()
    assert torch.equal(y.pose[~hidden], x.pose[~hidden])
    assert torch.equal(data.batch(windows, None, hidden).target, data.batch(windows).target)


def test_rotation_turns_the_vectors_of_the_evidence() -> None:
    data, windows = _data()
    geometry = _draw(replace(STILL, rotation_rad=0.3, axis_scale=(0.8, 1.2)), 16)
    x, y = (unpack(data.batch(windows, g).packed, 33, evidence=True) for g in (None, geometry))
    for pair in JOINT_VECTORS:
        moved = geometry.vectors(x.evidence[..., pair])
        torch.testing.assert_close(y.evidence[..., pair], moved)
    turning = {place for pair in JOINT_VECTORS for place in pair}
    rest = [i for i in range(len(JOINT_EVIDENCE)) if i not in turning]
    assert torch.equal(y.evidence[..., rest], x.evidence[..., rest])


# Landmarks that show a joint, where it is not the one of its name; joints that are derived from it.
SHOWN = {"head_top": ["left_ear", "right_ear", "nose"], "neck": []}
DERIVED = {"right_shoulder": ["neck", "head_top"]}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("of_flow", [False, True])
@pytest.mark.parametrize("joint", ["left_elbow", "right_shoulder", "left_hip", "head_top", "neck"])
def test_nothing_follows_from_the_estimate_of_a_hidden_joint(
    joint: str, of_flow: bool, causal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's estimate, landmarks and evidence are changed where the joint is hidden."""
    # The unit is of the whole run.
    monkeypatch.setattr(refine_windows, "torso_scale", lambda *_, **__: 60.0)
    monkeypatch.setattr(refine_windows, "running_scale", lambda poses, **_: np.full(len(poses), 60))
    net = replace(NET, causal=causal, kinematics_of_flow=of_flow)
    run, other = (synthetic_runs(1, 30)[0] for _ in range(2))
    frames = slice(12, 19)
    joints = [INDEX[name] for name in (joint, *DERIVED.get(joint, []))]
    marks = [LANDMARKS.index(name) for name in SHOWN.get(joint, [joint])]
    other.estimate[frames, joints] += 50
    other.landmarks[frames, marks] *= 1.5
    other.evidence[frames, marks] += 7
    hidden = torch.zeros(1, 11, 14, dtype=torch.bool)
    hidden[:, 2:9, joints[0]] = True  # of the window that starts at frame 10
    window = torch.arange(10, 21)[None]
    one, two = (
        RefineTensors(refine_frames([given], net), net, CPU).batch(window, None, hidden)
        for given in (run, other)
    )
    torch.testing.assert_close(one.packed, two.packed, atol=1e-5, rtol=1e-5)
    plain = RefineTensors(refine_frames([other], net), net, CPU).batch(window)
    assert (plain.packed - two.packed).abs().max() > 0.5


def test_hidden_spans_are_contiguous_and_as_frequent_as_configured() -> None:
    config = replace(STILL, joint_mask_probability=0.25)
    hidden = draw_hidden(500, 11, config, torch.Generator().manual_seed(0))
    assert 0.2 < hidden.any(dim=1).float().mean() < 0.3
    edges = torch.diff(hidden.int(), dim=1)
    assert ((edges == 1).sum(dim=1) <= 1).all()  # at most one start
    assert not hidden.all(dim=1).any()  # something is always shown


def test_jitter_changes_only_coordinates() -> None:
    data, windows = _data()
    batch = data.batch(windows)
    noise = draw_noise(windows.shape, 0.02, torch.Generator().manual_seed(0))
    x, y = unpack(batch.packed, 33), unpack(noisy(batch, noise).packed, 33)
    assert torch.equal(x.confidence, y.confidence)
    assert torch.equal(x.landmarks, y.landmarks)
    assert (y.pose - x.pose).std().item() == pytest.approx(0.02, rel=0.1)
    assert math.isclose((y.pose - x.pose).mean().item(), 0, abs_tol=1e-3)


def _draw_3d(config: TrainingConfig) -> Geometry:
    return draw_geometry(200, config, torch.Generator().manual_seed(0), CPU, MOCAP_25)


def test_in_3d_poses_turn_about_the_vertical() -> None:
    geometry = _draw_3d(replace(STILL, rotation_rad=0.3))
    poses = torch.randn(200, 2, 25, 3)
    turned = geometry.poses(poses)
    assert torch.equal(turned[..., 1], poses[..., 1])  # heights stay
    torch.testing.assert_close(turned.norm(dim=-1), poses.norm(dim=-1))
    front = geometry.vectors(torch.tensor([0.0, 0.0, 1.0]).expand(200, 1, 3))[:, 0]
    angle = torch.atan2(front[:, 0], front[:, 2]).abs()
    assert 0.25 < angle.max() <= 0.3 + 1e-6


def test_in_3d_a_mirror_negates_x_and_swaps_sides() -> None:
    geometry = _draw_3d(replace(STILL, mirror_probability=1.0))
    poses = torch.randn(200, 2, 25, 3)
    mirrored = geometry.poses(poses)
    left, right = MOCAP_25.index["left_toe"], MOCAP_25.index["right_toe"]
    expected = poses[:, :, right] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(mirrored[:, :, left], expected)
    assert torch.equal(geometry.poses(mirrored), poses)


def test_in_3d_every_axis_has_its_own_scale() -> None:
    matrix = _draw_3d(replace(STILL, axis_scale=(0.8, 1.2))).matrix
    scales = torch.diagonal(matrix, dim1=1, dim2=2)
    assert torch.equal(matrix, torch.diag_embed(scales))
    assert ((scales >= 0.8) & (scales <= 1.2)).all()
    assert (scales.amax(dim=1) - scales.amin(dim=1)).median() > 0.1


def test_in_3d_a_batch_turns_as_its_poses_do() -> None:
    net = MkffStGcnConfig()
    frames = refine_frames(synthetic_runs(2, 40, skeleton=MOCAP_25), net, MOCAP_25)
    data, windows = RefineTensors(frames, net, CPU), torch.from_numpy(window_indices(frames, 11))
    geometry = draw_geometry(
        len(windows), TrainingConfig(), torch.Generator().manual_seed(1), CPU, MOCAP_25
    )
    plain, moved = (unpack(data.batch(windows, g).packed, 0, MOCAP_25) for g in (None, geometry))
    for name in ("pose", "flow", "velocity", "acceleration"):
        assert getattr(plain, name).shape[-2:] == (25, 3)
        torch.testing.assert_close(
            getattr(moved, name), geometry.poses(getattr(plain, name)), atol=1e-4, rtol=1e-4
        )


def test_crops_are_pictures_and_need_a_2d_skeleton() -> None:
    generator = torch.Generator().manual_seed(0)
    with pytest.raises(InputError, match="not 2-D"):
        draw_warp(2, STILL, CropJitterConfig(), generator, CPU, MOCAP_25)
    warp = draw_warp(2, STILL, CropJitterConfig(), generator, CPU, COCO_17)
    assert warp.points(torch.rand(2, 17, 2)).shape == (2, 17, 2)
