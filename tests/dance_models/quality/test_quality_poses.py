"""Damage to a pose sequence is found at its frame and joint, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest
from quality_cases import TORSO, moved, standing

from dance_models.config import QualityConfig
from dance_models.quality import poses
from dance_models.skeleton import DANCE_14

CONFIG = QualityConfig()
WRIST, KNEE = DANCE_14.index["left_wrist"], DANCE_14.index["right_knee"]


def test_nothing_is_found_on_a_clean_clip() -> None:
    clean = standing()
    assert not poses.missing_joints(clean, CONFIG)
    assert not poses.long_limbs(clean, CONFIG)
    assert not poses.jumps(clean, CONFIG)
    assert not poses.swapped_sides(clean, clean, CONFIG)
    assert not poses.far_estimates(clean, clean, CONFIG)


def test_a_clip_without_annotations_has_no_findings() -> None:
    empty = poses.ClipPoses("none", np.zeros(0, int), np.zeros(0), np.zeros((0, 14, 2)))
    for check in (poses.missing_joints, poses.long_limbs, poses.jumps):
        assert not check(empty, CONFIG)
    assert not poses.swapped_sides(empty, empty, CONFIG)
    assert not poses.far_estimates(empty, empty, CONFIG)


def test_a_joint_that_is_almost_always_missing_is_reported() -> None:
    clip = standing()
    clip.keypoints[5:, WRIST] = np.nan
    (found,) = poses.missing_joints(clip, CONFIG)
    assert (found.clip, found.frame, found.joint) == ("solo_01", 15, "left_wrist")
    assert found.value == pytest.approx(5 / 60)
    assert not poses.long_limbs(clip, CONFIG)


def test_a_long_limb_is_located_and_is_an_error_only_when_frequent() -> None:
    # forearm (0.1, 0.45), 0.46 torso lengths, becomes (0.1, 1.25): 1.25 over the floor of 0.5
    found = poses.long_limbs(moved(standing(), slice(20, 22), WRIST, (0, 0.8)), CONFIG)
    assert [(f.frame, f.joint, f.severity) for f in found] == [
        (30, "left_wrist", "warn"), (31, "left_wrist", "warn")
    ]  # fmt: skip
    assert found[0].value == pytest.approx(1.254 / 0.5, rel=1e-2)
    many = poses.long_limbs(moved(standing(), slice(20, 32), WRIST, (0, 0.8)), CONFIG)
    assert {f.severity for f in many} == {"error"}  # 12 of 60 frames
    assert not poses.long_limbs(moved(standing(), slice(20, 40), WRIST, (0, -0.4)), CONFIG)


def test_a_joint_that_jumps_away_and_back_is_reported() -> None:
    found = poses.jumps(moved(standing(), slice(20, 21), KNEE, (1.2, 0)), CONFIG)
    assert [(f.frame, f.joint) for f in found] == [(30, "right_knee"), (31, "right_knee")]
    assert found[0].value == pytest.approx(1.2 * 30, rel=0.02)


def test_jitter_at_a_high_frame_rate_and_sparse_annotations_are_no_jumps() -> None:
    clip = moved(standing(), slice(20, 21), KNEE, (0.4, 0))
    assert not poses.jumps(replace(clip, time_s=clip.time_s / 8), CONFIG)
    sparse = moved(standing(), slice(20, 21), KNEE, (20.0, 0))
    assert not poses.jumps(replace(sparse, time_s=sparse.time_s * 10), CONFIG)


def test_lasting_left_right_swaps_are_located() -> None:
    truth, estimate = standing(), standing()
    estimate.keypoints[20:30] = estimate.keypoints[20:30][:, list(DANCE_14.mirror)]
    found = poses.swapped_sides(estimate, truth, CONFIG)
    assert [f.frame for f in found] == list(range(30, 40))
    assert {f.severity for f in found} == {"warn"}
    assert "frames 30-39" in found[0].message
    estimate.keypoints[25:30] = truth.keypoints[25:30]  # five frames only: the dancer turns
    assert not poses.swapped_sides(estimate, truth, CONFIG)
    whole = replace(truth, keypoints=truth.keypoints[:, list(DANCE_14.mirror)])
    assert {f.severity for f in poses.swapped_sides(standing(), whole, CONFIG)} == {"error"}


def test_overlapping_sides_are_not_reported_as_swapped() -> None:
    """Seen from the side, left and right are the same points with a little noise."""
    truth = standing()
    truth.keypoints[..., 0] = 150
    noise = np.random.default_rng(0).normal(0, 0.03 * TORSO, truth.keypoints.shape)
    estimate = replace(truth, keypoints=truth.keypoints + noise)
    assert not poses.swapped_sides(estimate, truth, CONFIG)


def test_frequent_estimates_of_another_person_are_a_warning() -> None:
    truth, estimate = standing(), standing()
    estimate.keypoints[40:44] += 0.7 * TORSO
    assert not poses.far_estimates(estimate, truth, CONFIG), "4 of 60 are the estimator's errors"
    estimate.keypoints[40:50] += 0.7 * TORSO
    found = poses.far_estimates(estimate, truth, CONFIG)
    assert [f.frame for f in found] == list(range(50, 60))
    assert {f.severity for f in found} == {"warn"}


def test_only_common_frames_are_compared() -> None:
    a, b = standing(30, first=0), standing(30, first=20)
    first, second = poses.on_common_frames(a, b)
    assert first.frame.tolist() == second.frame.tolist() == list(range(20, 30))


def test_jumps_of_estimates_are_reported_only_when_frequent() -> None:
    few = moved(standing(), slice(20, 21), KNEE, (1.2, 0))
    assert not poses.lasting(poses.jumps(few, CONFIG), few, CONFIG)
    many = moved(standing(), slice(0, 60, 4), KNEE, (1.2, 0))
    found = poses.lasting(poses.jumps(many, CONFIG), many, CONFIG)
    assert found
    assert {f.severity for f in found} == {"warn"}


def test_without_a_torso_there_is_no_unit_and_nothing_is_measured_in_it() -> None:
    """With a torso of one pixel, every step would be a jump and every estimate too far away."""
    seen = standing()
    points = seen.keypoints.copy()
    points[:, DANCE_14.index["left_hip"]] = np.nan
    blind = replace(seen, keypoints=points)
    estimate = replace(blind, keypoints=points + np.float32(9))
    assert not poses.jumps(blind, CONFIG)
    assert not poses.far_estimates(estimate, blind, CONFIG)
    assert not poses.swapped_sides(estimate, blind, CONFIG)
    # A limb is compared with its own median all the same.
    long = moved(blind, slice(5, 6), DANCE_14.index["left_wrist"], (2.0, 0.0))
    assert [f.joint for f in poses.long_limbs(long, CONFIG)] == ["left_wrist"]
