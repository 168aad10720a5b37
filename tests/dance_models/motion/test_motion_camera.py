"""Projection computed by hand, and cameras that see the whole body."""

import numpy as np
import pytest
from motion_cases import person_bvh

from dance_models.errors import InputError
from dance_models.motion.body_joints import body_joints
from dance_models.motion.bvh import parse_bvh
from dance_models.motion.camera import Camera, CameraRanges, look_from, random_camera, upright
from dance_models.skeleton import DANCE_14

INDEX = DANCE_14.index


def test_projection_by_hand() -> None:
    """A camera 10 before the origin: 1 to the left of a person facing it is 100 px to the right."""
    camera = Camera(np.array([0, 0, 10.0]), look_from(0, 0), 1000, 641, 481)
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [1, 0, 5], [0, 0, 11], [np.nan, 0, 0]])
    expected = [[320, 240], [420, 240], [320, 40], [520, 240], [np.nan] * 2, [np.nan] * 2]
    np.testing.assert_allclose(camera.project(points), expected, atol=1e-4)


def test_a_camera_from_the_side_and_from_above() -> None:
    side = Camera(np.array([10.0, 0, 0]), look_from(np.pi / 2, 0), 1000, 641, 481)
    np.testing.assert_allclose(side.project(np.array([0, 0, 1.0])), [220, 240], atol=1e-4)
    above = Camera(np.array([0, 10.0, 0]), look_from(0, np.pi / 2), 1000, 641, 481)
    np.testing.assert_allclose(above.project(np.array([0, 0, 1.0])), [320, 340], atol=1e-4)


@pytest.mark.parametrize("seed", range(20))
def test_the_whole_body_is_in_the_picture(seed: int) -> None:
    points = body_joints(parse_bvh(person_bvh(60)))
    ranges = CameraRanges(width=320, height=480, margin=0.1)
    camera = random_camera(points, np.random.default_rng(seed), ranges)
    seen = camera.project(points)
    np.testing.assert_allclose(camera.axes @ camera.axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(camera.axes) == pytest.approx(1)
    assert (seen >= np.array([32, 48]) - 0.51).all()
    assert (seen <= np.array([288, 432]) + 0.51).all()
    assert (seen[:, INDEX["head_top"], 1] < seen[:, INDEX["left_ankle"], 1]).all()


def test_cameras_come_from_the_generator_alone() -> None:
    points = body_joints(parse_bvh(person_bvh(10)))
    first, again, other = (
        random_camera(points, np.random.default_rng(s), CameraRanges()).project(points)
        for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 5


def test_left_is_left_from_the_front_and_right_from_behind() -> None:
    points = body_joints(parse_bvh(person_bvh(2)))[:1]
    for azimuth, sign in ((0, 1), (np.pi, -1)):
        axes = look_from(azimuth, 0)
        seen = Camera(-axes[2] * 900, axes, 500, 640, 480).project(points)[0]
        across = seen[INDEX["left_shoulder"], 0] - seen[INDEX["right_shoulder"], 0]
        assert sign * across > 0


@pytest.mark.parametrize("roll", [1, 2])
@pytest.mark.parametrize("down", [False, True])
def test_any_axis_may_be_up(roll: int, down: bool) -> None:
    points = body_joints(parse_bvh(person_bvh(20)))
    turned = np.roll(points, roll, axis=-1)
    if down:
        turned = turned * np.roll([1, -1, -1], roll)
    np.testing.assert_allclose(upright(points), points)
    np.testing.assert_allclose(upright(turned), points)


def test_no_point_no_camera() -> None:
    with pytest.raises(InputError, match="no joint"):
        random_camera(np.full((3, 14, 3), np.nan), np.random.default_rng(0), CameraRanges())
