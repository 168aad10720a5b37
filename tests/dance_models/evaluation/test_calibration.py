"""The linear map from the estimator's joint definitions to the annotators'."""

import numpy as np
import pytest
from evaluation_cases import figure, make_run, swaying
from numpy.typing import NDArray

from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.evaluation.calibration import BodyFrame, fit_calibration
from dance_models.evaluation.filters import raw, recognition_score
from dance_models.skeleton import DANCE_14


def turned(poses: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (poses - 200) @ turn.T + 200


def defined_otherwise(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """An estimator whose head top lies 30 % of the way down to the neck and hips 15 px apart."""
    seen = poses.copy()
    neck = DANCE_14.index["neck"]
    seen[:, DANCE_14.index["head_top"]] = (
        0.7 * poses[:, DANCE_14.index["head_top"]] + 0.3 * poses[:, neck]
    )
    hips = poses[:, [DANCE_14.index["left_hip"], DANCE_14.index["right_hip"]]].mean(axis=1)
    for hip in ("left_hip", "right_hip"):
        seen[:, DANCE_14.index[hip]] = hips + 0.4 * (poses[:, DANCE_14.index[hip]] - hips)
    return seen


def dancer(seed: int, split: str) -> PoseRun:
    rng = np.random.default_rng(seed)
    truth = swaying(60, phase=float(rng.uniform(0, 6)))
    truth = truth * rng.uniform(0.6, 1.4)  # size in the image
    truth = turned(truth, float(rng.uniform(-0.6, 0.6)))
    seen = defined_otherwise(truth) + rng.normal(0, 0.3, truth.shape)
    return make_run(truth, seen, clip=f"{split}{seed}", split=split)


TRAIN = [dancer(seed, "train") for seed in range(4)]
VALIDATION = [dancer(seed, "val") for seed in (10, 11)]
TEST = [dancer(seed, "test") for seed in (20, 21)]


def test_definition_differences_are_learnt_at_any_size_and_angle() -> None:
    calibrated = fit_calibration(TRAIN, VALIDATION)
    for run, seen in zip(TEST, calibrated(TEST), strict=True):
        before = np.linalg.norm(run.estimate - run.annotation, axis=-1)
        after = np.linalg.norm(seen - run.annotation, axis=-1)
        assert before[:, DANCE_14.index["head_top"]].mean() > 8
        assert after[:, DANCE_14.index["head_top"]].mean() < 1
        assert after.mean() < before.mean()
    assert recognition_score(TEST, calibrated(TEST)) > recognition_score(TEST, raw(TEST))


def test_matching_definitions_are_left_unchanged() -> None:
    exact = [make_run(r.annotation, clip=r.clip, split="train") for r in TRAIN]
    calibrated = fit_calibration(exact, VALIDATION)
    same = [make_run(r.annotation) for r in TEST]
    for run, seen in zip(same, calibrated(same), strict=True):
        np.testing.assert_allclose(seen, run.annotation, atol=0.05)


def test_left_and_right_are_treated_alike() -> None:
    calibrated = fit_calibration(TRAIN, VALIDATION)
    run = TEST[0]
    swap = list(DANCE_14.mirror)
    mirrored = make_run(run.annotation, run.estimate[:, swap] * np.array([-1, 1]))
    (seen,), (other) = calibrated([run]), calibrated([mirrored])[0]
    np.testing.assert_allclose(other[:, swap] * np.array([-1, 1]), seen, atol=0.02)


def test_missing_frames_and_joints() -> None:
    run = TEST[0]
    estimate = run.estimate.copy()
    estimate[3] = np.nan  # no person
    estimate[5, DANCE_14.index["neck"]] = np.nan  # no body frame
    estimate[7, DANCE_14.index["left_wrist"]] = np.nan
    (seen,) = fit_calibration(TRAIN, VALIDATION)([make_run(run.annotation, estimate)])
    assert np.isnan(seen[3]).all()
    np.testing.assert_array_equal(seen[5], estimate[5])
    assert np.isnan(seen[7]).all(-1).tolist() == [
        j == DANCE_14.index["left_wrist"] for j in range(14)
    ]


def test_validation_selects_and_the_test_split_is_not_read() -> None:
    """With a misleading training set, validation selects the strongest ridge."""
    rng = np.random.default_rng(0)
    few = [
        make_run(r.annotation[:3], r.estimate[:3] + rng.normal(0, 9, (3, 14, 2)), split="train")
        for r in TRAIN[:1]
    ]
    chosen = fit_calibration(few, VALIDATION)
    assert (chosen.hops, chosen.strength) != (14, 1e-4)
    assert fit_calibration(TRAIN, []).hops == 0


def test_augmented_copies_are_excluded_from_the_fit() -> None:
    wild = [make_run(r.annotation, r.annotation + 40, split="train", variant=1) for r in TRAIN]
    with_copies = fit_calibration([*TRAIN, *wild], VALIDATION)
    np.testing.assert_array_equal(with_copies.weights, fit_calibration(TRAIN, VALIDATION).weights)


def test_pairs_more_than_half_a_torso_apart_are_excluded_from_the_fit() -> None:
    broken = dancer(5, "train")
    broken.annotation[::2, DANCE_14.index["head_top"]] += 120
    clean = fit_calibration(TRAIN, VALIDATION)(TEST)
    seen = fit_calibration([*TRAIN, broken], VALIDATION)(TEST)
    assert np.abs(np.concatenate(clean) - np.concatenate(seen)).max() < 2


def test_nothing_to_fit_on_is_an_error() -> None:
    with pytest.raises(InputError, match="no training runs"):
        fit_calibration([], VALIDATION)
    undetected = make_run(np.full((4, 14, 2), np.nan), np.tile(figure(), (4, 1, 1)), split="train")
    with pytest.raises(InputError, match="no training frame"):
        fit_calibration([undetected], VALIDATION)


def test_body_frame_of_the_standing_figure() -> None:
    frame = BodyFrame.of(np.stack([figure(), turned(figure(), np.pi / 2)]))
    body = frame.inward(np.stack([figure(), turned(figure(), np.pi / 2)]))
    np.testing.assert_allclose(body[0], body[1], atol=1e-9)
    np.testing.assert_allclose(body[0, DANCE_14.index["neck"]], [0, -1], atol=1e-9)
    np.testing.assert_allclose(body[0, DANCE_14.index["left_hip"]], [0.2, 0], atol=1e-9)
    np.testing.assert_allclose(frame.outward(body)[0], figure() - [200, 200], atol=1e-9)
