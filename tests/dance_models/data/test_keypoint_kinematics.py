import numpy as np
import pytest

from dance_models.data.kinematics import keypoint_kinematics


def _poses(x: list[float]) -> np.ndarray:
    """(T, 14, 2): every joint at (x, -2 x)."""
    line = np.array(x)[:, None, None]
    return np.broadcast_to(line * np.array([1.0, -2.0]), (len(x), 14, 2)).copy()


def test_flow_is_the_mean_of_three_frames_and_ends_are_replicated() -> None:
    flow = keypoint_kinematics(_poses([0, 3, 9, 3]), np.arange(4) / 25).flow
    np.testing.assert_allclose(flow[:, 5, 0], [1, 4, 5, 5])
    np.testing.assert_allclose(flow[:, 5, 1], [-2, -8, -10, -10])


def test_causal_flow_sees_no_later_frame() -> None:
    flow = keypoint_kinematics(_poses([0, 3, 9, 3]), np.arange(4) / 25, causal=True).flow
    np.testing.assert_allclose(flow[:, 0, 0], [0, 2, 7, 5])  # (P_{t-1} + 2 P_t) / 3


def test_missing_joints_are_excluded_from_the_mean() -> None:
    poses = _poses([0, 3, 9, 3])
    poses[1, 6] = np.nan
    flow = keypoint_kinematics(poses, np.arange(4) / 25).flow
    np.testing.assert_allclose(flow[:, 6, 0], [0, 4.5, 6, 5])
    poses[:, 6] = np.nan
    assert np.isnan(keypoint_kinematics(poses, np.arange(4) / 25).flow[:, 6]).all()


def test_velocity_and_acceleration_are_backward_differences() -> None:
    kinematics = keypoint_kinematics(_poses([0, 1, 4, 9]), np.arange(4) / 25)
    np.testing.assert_allclose(kinematics.velocity[:, 2, 0], [1, 1, 3, 5])
    np.testing.assert_allclose(kinematics.acceleration[:, 2, 0], [0, 0, 2, 2])


@pytest.mark.parametrize("fps", [24.0, 30.0, 60.0])
def test_velocity_means_the_same_at_any_frame_rate(fps: float) -> None:
    """A joint at 50 units a second moves 2 units in 1/25 s."""
    time_s = np.arange(6) / fps
    kinematics = keypoint_kinematics(_poses(list(50 * time_s)), time_s)
    np.testing.assert_allclose(kinematics.velocity[:, 0, 0], 2)
    np.testing.assert_allclose(kinematics.acceleration, 0, atol=1e-9)


def test_variable_frame_rate_is_no_acceleration() -> None:
    time_s = np.array([0, 0.02, 0.09, 0.1, 0.2])
    kinematics = keypoint_kinematics(_poses(list(10 * time_s)), time_s)
    np.testing.assert_allclose(kinematics.velocity[:, 0, 0], 10 / 25)
    np.testing.assert_allclose(kinematics.acceleration, 0, atol=1e-9)


def test_velocity_of_the_flow_is_the_variant() -> None:
    poses, time_s = _poses([0, 3, 9, 3]), np.arange(4) / 25
    kinematics = keypoint_kinematics(poses, time_s, of_flow=True)
    np.testing.assert_allclose(kinematics.velocity[:, 0, 0], [3, 3, 1, 0])


def test_one_frame_has_zero_velocity() -> None:
    kinematics = keypoint_kinematics(_poses([7]), np.zeros(1))
    assert (kinematics.velocity == 0).all()
    assert (kinematics.acceleration == 0).all()


def test_a_causal_run_starts_without_motion() -> None:
    kinematics = keypoint_kinematics(_poses([0, 1, 4, 9]), np.arange(4) / 25, causal=True)
    np.testing.assert_allclose(kinematics.velocity[:, 0, 0], [0, 1, 3, 5])
    np.testing.assert_allclose(kinematics.acceleration[:, 0, 0], [0, 1, 2, 2])


def test_two_frames_close_together_do_not_turn_jitter_into_speed() -> None:
    """A joint that jitters by 0.05 torso lengths; the time stamps of frames 3 and 4 nearly meet."""
    time_s = np.arange(8) / 30
    time_s[4] = time_s[3] + 1e-5
    kinematics = keypoint_kinematics(_poses([0, 0.05, 0, 0.05, 0, 0.05, 0, 0.05]), time_s)
    # At most over 4 ms, a tenth of the unit, and twice that again.
    assert np.abs(kinematics.velocity[:, 0, 0]).max() == pytest.approx(0.5)
    assert np.abs(kinematics.acceleration[:, 0, 0]).max() < 6
