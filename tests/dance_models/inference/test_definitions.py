import numpy as np
import pytest
from evaluation_cases import swaying
from numpy.typing import NDArray
from small_networks import one_run, small_refiner

from dance_models.geometry import pelvis
from dance_models.inference.definitions import APPLIED, definition_part, repaired
from dance_models.inference.refine import refine_runs
from dance_models.metrics.torso import torso_scale
from dance_models.skeleton import DANCE_14

NECK, WRIST = DANCE_14.index["neck"], DANCE_14.index["left_wrist"]
ELBOW, HIP = DANCE_14.index["left_elbow"], DANCE_14.index["left_hip"]


def _turning(frames: int = 60) -> NDArray[np.float64]:
    """A swaying dancer who turns once about the vertical axis."""
    poses = swaying(frames)
    middle = poses.mean(axis=1, keepdims=True)[..., :1]
    turn = np.cos(2 * np.pi * np.arange(frames) / frames)[:, None, None]
    poses[..., :1] = middle + (poses[..., :1] - middle) * turn
    return poses


def test_a_definition_that_is_fixed_in_the_body_is_found_whole() -> None:
    pose = _turning()
    correction = np.zeros_like(pose)
    spine = pose[:, NECK] - pelvis(pose)
    correction[:, NECK] = 0.1 * spine
    correction[:, WRIST] = -0.05 * (pose[:, WRIST] - pose[:, ELBOW])
    correction[:, HIP] = 0.2 * (pose[:, HIP] - pose[:, DANCE_14.index["right_hip"]])
    part = definition_part(pose, correction)
    tolerance = 0.01 * torso_scale(pose)
    np.testing.assert_allclose(part, correction, atol=tolerance)


def test_a_repair_stays_in_the_correction() -> None:
    """One joint is moved in a tenth of the frames, the same way in the picture."""
    pose = _turning()
    torso = torso_scale(pose)
    correction = np.zeros_like(pose)
    correction[10:16, WRIST] = 0.5 * torso
    part = definition_part(pose, correction)
    assert np.linalg.norm(part[:, WRIST], axis=-1).max() < 0.05 * torso
    assert not np.delete(part, WRIST, axis=1).any()


def test_missing_joints_have_no_definition() -> None:
    pose = _turning()
    pose[5:9] = np.nan
    correction = np.where(np.isfinite(pose), 2.0, np.nan)
    part = definition_part(pose, correction)
    assert np.isfinite(part).all()
    assert not part[5:9].any()


def test_a_joint_that_the_estimator_missed_keeps_its_refined_place() -> None:
    pose = _turning()
    refined = pose + 4.0
    seen = pose.copy()
    seen[7, WRIST] = np.nan
    result = repaired(seen, refined)
    assert np.isfinite(result).all()
    part = definition_part(seen, refined - seen)
    np.testing.assert_allclose(result[7, WRIST], (refined - part)[7, WRIST], atol=1e-3)


def test_a_causal_part_does_not_see_later_frames() -> None:
    pose, rng = _turning(), np.random.default_rng(0)
    correction = rng.normal(0, 3, pose.shape)
    changed = correction.copy()
    changed[31:] += 10
    first, second = (definition_part(pose, values, causal=True) for values in (correction, changed))
    np.testing.assert_array_equal(first[:31], second[:31])
    assert (first[31:] != second[31:]).any()


@pytest.mark.parametrize("frames", [3, 60])
def test_refined_poses_in_either_definition(frames: int) -> None:
    model, run = small_refiner(), one_run(frames)
    (annotation,) = refine_runs(model, [run])
    (estimator,) = refine_runs(model, [run], joints="estimator")
    correction = annotation - run.estimate
    repair = correction - definition_part(run.estimate, correction)
    expected = run.estimate + APPLIED * repair
    np.testing.assert_allclose(estimator, expected, atol=1e-3)
    assert estimator.dtype == np.float32
