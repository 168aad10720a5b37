"""Recognition metrics against hand-computed cases."""

import numpy as np
import pytest
from evaluation_cases import TORSO, figure, make_run, swaying

from dance_models.metrics.pck import (
    MAX_LAG,
    acceleration_errors,
    box_side,
    joint_errors,
    lag_frames,
    lag_sums,
    pck_hits,
    pck_sums,
    same_person,
)
from dance_models.metrics.torso import torso_by_clip, visible_annotation
from dance_models.skeleton import DANCE_14
from dance_models.skeletons.mocap_25 import MOCAP_25


def test_errors_at_and_beyond_the_threshold() -> None:
    truth = np.tile(figure(), (4, 1, 1))
    seen = truth.copy()
    seen[:, DANCE_14.index["neck"], 0] += [0, 9, 10, 11]  # threshold 0.1 x 100 pixels
    errors = joint_errors(seen, truth)
    np.testing.assert_allclose(errors[:, DANCE_14.index["neck"]], [0, 9, 10, 11])
    hits, counts = pck_sums(errors, TORSO, 0.1)
    assert hits[DANCE_14.index["neck"]] == 3
    assert np.delete(hits, DANCE_14.index["neck"]).tolist() == [4.0] * 13
    assert counts.tolist() == [4.0] * 14


def test_the_error_is_euclidean() -> None:
    truth = figure()[None]
    assert joint_errors(truth + np.array([3, 4]), truth)[0] == pytest.approx([5] * 14)


def test_absent_joints_are_masked_and_occluded_ones_count() -> None:
    run = make_run(np.tile(figure(), (4, 1, 1)), np.tile(figure() + 50, (4, 1, 1)))
    run.visibility[:, DANCE_14.index["neck"]] = [0, 0, 1, 2]
    run.visibility[:, DANCE_14.index["head_top"]] = 0
    hits, counts = pck_sums(joint_errors(run.estimate, visible_annotation(run)), TORSO, 0.1)
    assert (hits[DANCE_14.index["neck"]], counts[DANCE_14.index["neck"]]) == (0, 2)
    assert counts[DANCE_14.index["head_top"]] == 0


def test_a_missing_detection_counts_as_wrong() -> None:
    truth = np.tile(figure(), (2, 1, 1))
    seen = truth.copy()
    seen[0] = np.nan
    seen[1, DANCE_14.index["neck"], 1] = np.nan
    errors = joint_errors(seen, truth)
    assert np.isinf(errors[0]).all() and np.isinf(errors[1, DANCE_14.index["neck"]])
    hits, counts = pck_sums(errors, TORSO, 0.2)
    assert (hits[DANCE_14.index["neck"]], counts[DANCE_14.index["neck"]]) == (0, 2)
    assert (hits[DANCE_14.index["head_top"]], counts[DANCE_14.index["head_top"]]) == (1, 2)


def test_a_prediction_on_another_person_is_wrong_in_every_joint() -> None:
    truth = figure()[None]
    elsewhere = figure(x=1000)[None]
    assert not same_person(elsewhere, truth)[0]
    assert np.isinf(joint_errors(elsewhere, truth)).all()
    assert same_person(truth + 5, truth)[0]
    # one annotated joint is a box of size zero and still a person
    single = np.full((1, 14, 2), np.nan)
    single[0, DANCE_14.index["neck"]] = truth[0, DANCE_14.index["neck"]]
    assert same_person(truth, single)[0] and not same_person(elsewhere, single)[0]
    assert not same_person(np.full((1, 14, 2), np.nan), truth)[0]


def test_absent_hips_are_not_used_for_the_torso() -> None:
    run = make_run(np.stack([figure()] * 3))
    run.visibility[:, DANCE_14.index["left_hip"]] = 0
    assert np.isnan(torso_by_clip([run])["clip"])
    hits, counts = pck_sums(joint_errors(run.estimate, visible_annotation(run)), np.nan, 0.2)
    assert counts.sum() == hits.sum() == 0


def test_box_side_is_the_longer_one_of_each_frame() -> None:
    lying = figure()[:, ::-1]
    assert box_side(np.stack([figure(), lying])).tolist() == [310, 310]
    arms = figure()
    arms[DANCE_14.index["left_wrist"], 0] += 400
    assert box_side(arms[None]).tolist() == [500]
    assert np.isnan(box_side(np.full((1, 14, 2), np.nan)))[0]


def test_a_normaliser_per_frame() -> None:
    truth = np.tile(figure(), (2, 1, 1))
    errors = joint_errors(truth + np.array([10, 0]), truth)
    hits, counts = pck_hits(errors, np.array([100.0, 50.0]), 0.1)
    assert hits.tolist() == [[True] * 14, [False] * 14]
    assert counts.all()


def test_single_precision_errors_are_compared_in_single_precision() -> None:
    """float32(0.1) is above 0.1 and must still meet a threshold of 0.1."""
    errors = np.full((1, 14), 0.1, np.float32)
    assert pck_sums(errors, 1.0, 0.1)[0].tolist() == [1.0] * 14


def test_acceleration_error_sees_jitter_and_not_offset_or_drift() -> None:
    truth = swaying(10)
    drift = truth + np.arange(10)[:, None, None] * 3 + 7
    np.testing.assert_allclose(acceleration_errors(drift, truth), 0, atol=1e-9)
    jitter = truth.copy()
    jitter[::2, DANCE_14.index["neck"], 0] += 1  # second difference of 1, 0, 1, 0 ... is -2, 2, -2
    np.testing.assert_allclose(acceleration_errors(jitter, truth)[:, DANCE_14.index["neck"]], 2)
    jitter[4] = np.nan
    assert np.isnan(acceleration_errors(jitter, truth)[2:5]).all()
    assert acceleration_errors(truth[:2], truth[:2]).shape == (0, 14)


@pytest.mark.parametrize("shift", [-3, 0, 2, 5])
def test_lag_is_the_shift_in_frames(shift: int) -> None:
    motion = swaying(80)
    truth = motion[10:70]
    seen = motion[10 - shift : 70 - shift]  # trails by ``shift`` frames
    assert lag_frames(lag_sums(seen, truth)) == pytest.approx(shift, abs=0.1)


def test_lag_of_half_a_frame_survives_gaps() -> None:
    motion = swaying(160, fps=50)
    truth, seen = motion[20:140:2], motion[19:139:2].copy()
    seen[20:23] = np.nan
    assert lag_frames(lag_sums(seen, truth)) == pytest.approx(0.5, abs=0.15)


def test_lag_without_motion_is_unknown_and_short_runs_do_not_fail() -> None:
    still = np.tile(figure(), (30, 1, 1))
    assert np.isnan(lag_frames(lag_sums(still, still)))
    assert lag_sums(still[:1], still[:1]).shape == (3, 2 * MAX_LAG + 1)


def test_in_3d_a_person_behind_is_another_person() -> None:
    truth = np.random.default_rng(0).random((2, MOCAP_25.num_joints, 3))
    behind = truth + np.array([0.0, 0.0, 5.0])
    assert same_person(truth, truth).all()
    assert not same_person(behind, truth).any()
    extent = truth.max(axis=1) - truth.min(axis=1)
    np.testing.assert_allclose(box_side(truth), extent.max(axis=-1))
