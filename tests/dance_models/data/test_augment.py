"""Augmentation: one draw a run, consistent between keypoints and landmarks."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from dance_models.config import AugmentConfig
from dance_models.data.augment import augment_run, draw_geometry
from dance_models.data.pose_runs import ARRAYS, PoseRun
from dance_models.errors import InputError
from dance_models.evidence import EVIDENCE, NUM_EVIDENCE, columns, no_evidence
from dance_models.geometry import mirror_keypoints
from dance_models.metrics.torso import torso_length
from dance_models.skeleton import DANCE_14
from dance_models.skeletons.coco_17 import COCO_17
from dance_models.skeletons.mocap_25 import MOCAP_25
from dance_models.training.synthetic import synthetic_runs

INDEX = DANCE_14.index

WIDTH, HEIGHT = 96, 64
STILL = AugmentConfig(
    rotation_deg=0, scale=(1, 1), flip_probability=0, keypoint_jitter=0, keypoint_dropout=0
)
FLIP = replace(STILL, flip_probability=1)
GEOMETRY = replace(STILL, rotation_deg=20, scale=(0.7, 0.9), flip_probability=0.5)


def make_run(frames: int = 6, clip: str = "clip", run: int = 0) -> PoseRun:
    rng = np.random.default_rng(3)
    # sixteenths of a pixel: mirroring them is exact in float32
    annotation = (rng.integers(240, 800, (frames, 14, 2)) / 16).astype(np.float32)
    landmarks = (rng.integers(240, 800, (frames, 33, 3)) / 16).astype(np.float32)
    landmarks[..., 2] = rng.random((frames, 33))
    return PoseRun(
        clip=clip,
        style="ballet",
        performer="",
        group=clip,
        split="train",
        fold=0,
        run=run,
        variant=0,
        width=WIDTH,
        height=HEIGHT,
        frame=np.arange(frames),
        time_s=np.arange(frames) / 25,
        estimate=annotation + 1,
        score=rng.random((frames, 14)).astype(np.float32),
        landmarks=landmarks,
        evidence=(rng.integers(240, 800, (frames, 33, NUM_EVIDENCE)) / 16).astype(np.float32),
        annotation=annotation,
        visibility=np.full((frames, 14), 2, np.uint8),
    )


def test_without_any_draw_nothing_changes() -> None:
    run = make_run()
    copy, _ = augment_run(run, STILL, 1)
    assert copy.variant == 1
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(copy, name), getattr(run, name))


def test_flip_is_exact_to_the_pixel_and_swaps_left_and_right() -> None:
    run = make_run()
    copy, drawn = augment_run(run, FLIP, 1)
    assert drawn["flip"] is True
    np.testing.assert_array_equal(copy.annotation, mirror_keypoints(run.annotation, WIDTH))
    left, right = INDEX["left_wrist"], INDEX["right_wrist"]
    np.testing.assert_array_equal(
        copy.estimate[:, left], run.estimate[:, right] * [-1, 1] + [WIDTH - 1, 0]
    )
    np.testing.assert_array_equal(copy.score[:, left], run.score[:, right])
    left_ear, right_ear = 7, 8
    np.testing.assert_array_equal(
        copy.landmarks[:, left_ear, 0], WIDTH - 1 - run.landmarks[:, right_ear, 0]
    )
    np.testing.assert_array_equal(copy.landmarks[:, left_ear, 2], run.landmarks[:, right_ear, 2])


def test_flip_twice_is_the_identity() -> None:
    run = make_run()
    once, _ = augment_run(run, FLIP, 1)
    twice, _ = augment_run(once, FLIP, 1)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(twice, name), getattr(run, name))


def test_rotation_and_scale_are_about_the_centre_as_audited() -> None:
    run = make_run()
    config = replace(STILL, rotation_deg=20, scale=(0.7, 0.9))
    copy, drawn = augment_run(run, config, 1)
    angle, scale = np.deg2rad(float(drawn["rotation_deg"])), float(drawn["scale"])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([(WIDTH - 1) / 2, (HEIGHT - 1) / 2])
    expected = (run.annotation - centre) @ turn.T + centre
    seen = copy.visibility > 0
    np.testing.assert_allclose(copy.annotation[seen], expected[seen], atol=1e-3)
    assert 0.7 <= scale <= 0.9 and abs(float(drawn["rotation_deg"])) <= 20


def test_the_evidence_is_mirrored_with_the_image() -> None:
    run = make_run()
    copy, _ = augment_run(run, FLIP, 1)
    left, right = 7, 8  # the ears
    expected = run.evidence[:, right].copy()
    expected[:, EVIDENCE.index("mirrored_x")] = (
        WIDTH - 1 - expected[:, EVIDENCE.index("mirrored_x")]
    )
    expected[:, columns("world_x", "mirrored_world_x")] *= -1
    np.testing.assert_array_equal(copy.evidence[:, left], expected)


def test_the_evidence_turns_and_grows_with_the_image() -> None:
    """The two passes keep their distance in torso lengths; world vectors turn, in metres."""
    run = make_run()
    xy, world = columns("mirrored_x", "mirrored_y"), columns("world_x", "world_y")
    # the mirrored pass lies 2 px right of the straight one; the world says the same direction
    run.evidence[..., xy] = run.landmarks[..., :2] + [2, 0]
    run.evidence[..., world] = [0.5, 0]
    copy, drawn = augment_run(run, replace(STILL, rotation_deg=20, scale=(0.7, 0.9)), 1)
    angle, scale = np.deg2rad(float(drawn["rotation_deg"])), float(drawn["scale"])
    apart = copy.evidence[..., xy] - copy.landmarks[..., :2]
    direction = np.array([np.cos(angle), np.sin(angle)])
    expected = np.broadcast_to(2 * scale * direction, apart.shape)
    np.testing.assert_allclose(apart, expected, atol=1e-3)
    turned = copy.evidence[..., world]
    np.testing.assert_allclose(turned, np.broadcast_to(0.5 * direction, turned.shape), atol=1e-6)
    for name, factor in {"world_z": 1, "presence": 1, "depth": scale, "spread": scale}.items():
        at = EVIDENCE.index(name)
        grown = factor * run.evidence[..., at]
        np.testing.assert_allclose(copy.evidence[..., at], grown, rtol=1e-6)


def test_one_draw_for_the_whole_run() -> None:
    run = make_run(frames=30)
    constant = np.broadcast_to(run.annotation[:1], run.annotation.shape).copy()
    still = replace(run, annotation=constant, estimate=constant.copy())
    copy, _ = augment_run(still, GEOMETRY, 1)
    assert np.ptp(copy.estimate, axis=0).max() == 0


def test_proportions_are_kept() -> None:
    run = make_run()
    copy, drawn = augment_run(run, GEOMETRY, 2)
    ratio = torso_length(copy.estimate) / torso_length(run.estimate)
    np.testing.assert_allclose(ratio, float(drawn["scale"]), rtol=1e-3)


def test_joints_that_leave_the_image_become_invisible() -> None:
    run = make_run()
    run.annotation[:, INDEX["neck"]] = (
        WIDTH - 1,
        HEIGHT - 1,
    )  # a corner: any enlargement moves it outside
    run.visibility[0, INDEX["left_hip"]] = 0
    run.visibility[:, INDEX["left_knee"]] = 1
    copy, drawn = augment_run(run, replace(STILL, scale=(1.3, 1.3)), 1)
    assert (copy.visibility[:, INDEX["neck"]] == 0).all()
    assert np.isnan(copy.annotation[:, INDEX["neck"]]).all()
    assert np.isfinite(copy.estimate[:, INDEX["neck"]]).all()
    assert copy.visibility[0, INDEX["left_hip"]] == 0
    assert np.isnan(copy.annotation[0, INDEX["left_hip"]]).all()
    assert set(np.unique(copy.visibility[:, INDEX["left_knee"]])) <= {0, 1}
    inside = (copy.visibility == 0).sum() - 1
    assert drawn["joints_left_image"] == inside


def test_jitter_and_dropout_change_only_the_estimate() -> None:
    run = make_run(frames=400)
    config = replace(STILL, keypoint_jitter=0.05, keypoint_dropout=0.1)
    copy, drawn = augment_run(run, config, 1)
    np.testing.assert_array_equal(copy.annotation, run.annotation)
    np.testing.assert_array_equal(copy.landmarks, run.landmarks)
    lost = np.isnan(copy.estimate).all(-1)
    assert lost.sum() == drawn["dropped_joints"]
    assert abs(lost.mean() - 0.1) < 0.02
    assert (copy.score[lost] == 0).all() and (copy.score[~lost] > 0).all()
    moved = (copy.estimate - run.estimate)[~lost]
    torso = float(np.median(torso_length(run.annotation)))
    assert drawn["jitter_px"] == pytest.approx(0.05 * torso, rel=1e-5)
    assert np.std(moved) == pytest.approx(0.05 * torso, rel=0.05)


def test_missing_joints_stay_missing() -> None:
    run = make_run()
    run.estimate[2] = np.nan
    run.score[2] = 0
    copy, _ = augment_run(run, replace(GEOMETRY, keypoint_jitter=0.02), 1)
    assert np.isnan(copy.estimate[2]).all()
    assert np.isfinite(copy.estimate[[0, 1, 3, 4, 5]]).all()


def test_the_draw_depends_on_seed_clip_run_and_variant() -> None:
    config = replace(AugmentConfig(), rotation_deg=30)

    def estimate(
        clip: str = "clip", run: int = 0, variant: int = 1, seed: int = 0
    ) -> NDArray[np.float32]:
        return augment_run(make_run(clip=clip, run=run), replace(config, seed=seed), variant)[
            0
        ].estimate

    np.testing.assert_array_equal(estimate(), estimate())
    for other in (estimate(clip="b"), estimate(run=1), estimate(variant=2), estimate(seed=1)):
        assert not np.array_equal(estimate(), other, equal_nan=True)


def test_only_training_originals_are_augmented() -> None:
    with pytest.raises(InputError, match="split 'val'"):
        augment_run(replace(make_run(), split="val"), STILL, 1)
    with pytest.raises(InputError, match="variant 0"):
        augment_run(make_run(), STILL, 0)


def test_unknown_landmarks_cannot_be_mirrored_but_none_can() -> None:
    run = make_run()
    without = replace(run, landmarks=run.landmarks[:, :0], evidence=no_evidence(6))
    assert augment_run(without, FLIP, 1)[0].landmarks.shape == (6, 0, 3)
    with pytest.raises(InputError, match="17 landmarks"):
        augment_run(replace(run, landmarks=run.landmarks[:, :17]), FLIP, 1)


def test_the_geometry_of_a_variant_is_drawn_within_its_limits() -> None:
    config = AugmentConfig()
    draws = [draw_geometry(make_run(), config, variant) for variant in range(1, 200)]
    assert 0.35 < np.mean([bool(d["flip"]) for d in draws]) < 0.65
    assert max(abs(float(d["rotation_deg"])) for d in draws) <= config.rotation_deg
    assert all(config.scale[0] <= float(d["scale"]) <= config.scale[1] for d in draws)


def test_the_augmentation_package_is_imported_without_network_or_warning() -> None:
    """Also without the environment variable that disables its version check."""
    code = (
        "import os, socket, warnings\n"
        "def refuse(*arguments, **options): raise SystemExit('the network was asked')\n"
        "socket.create_connection = socket.getaddrinfo = refuse\n"
        "warnings.simplefilter('error', UserWarning)\n"
        "from dance_models.data.augment import _albumentations\n"
        "assert _albumentations().HorizontalFlip\n"
        "assert 'NO_ALBUMENTATIONS_UPDATE' not in os.environ\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "NO_ALBUMENTATIONS_UPDATE"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_image_coordinates_are_augmented() -> None:
    run = synthetic_runs(1, 5, skeleton=MOCAP_25)[0]
    with pytest.raises(InputError, match="image plane"):
        augment_run(replace(run, split="train"), FLIP, 1, MOCAP_25)


def test_another_skeleton_is_mirrored_by_its_own_pairs() -> None:
    run = replace(synthetic_runs(1, 5, skeleton=COCO_17)[0], split="train")
    once, _ = augment_run(run, FLIP, 1, COCO_17)
    left, right = COCO_17.index["left_eye"], COCO_17.index["right_eye"]
    np.testing.assert_allclose(
        once.annotation[:, left, 0], run.width - 1 - run.annotation[:, right, 0], atol=1e-3
    )


def test_a_consensus_moves_with_the_annotation() -> None:
    run = make_run()
    run = replace(run, consensus=run.annotation.copy())
    for variant in (1, 2, 3):
        moved, _ = augment_run(run, GEOMETRY, variant)
        known = np.isfinite(moved.annotation)
        np.testing.assert_allclose(moved.consensus[known], moved.annotation[known], atol=1e-3)
