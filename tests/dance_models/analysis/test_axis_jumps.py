"""Bodies that turn over and back impossibly fast, and those that really turn."""

from dataclasses import replace

import numpy as np
import pytest
from video_poses import swinging

from dance_models.analysis.axis_jumps import axis_jumps
from dance_models.analysis.figures import figures_of
from dance_models.geometry import pelvis

FPS = 30.0


def upright(frames: int) -> np.ndarray:
    """(T, 14, 2) of somebody who stands still."""
    return np.repeat(swinging().refined[:1], frames, axis=0).astype(np.float64)


def turned(poses: np.ndarray, degrees: np.ndarray | float) -> np.ndarray:
    """About the hips, by an angle each frame."""
    angle = np.radians(np.broadcast_to(degrees, len(poses)))
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], -1)
    middle = pelvis(poses)[:, None]
    return (poses - middle) @ turn.reshape(-1, 2, 2).transpose(0, 2, 1) + middle


def seconds(poses: np.ndarray, fps: float = FPS) -> np.ndarray:
    return np.arange(len(poses)) / fps


@pytest.mark.parametrize("lasting", [1, 3, 20])
def test_a_body_that_is_upside_down_for_a_moment_is_found(lasting: int) -> None:
    poses = upright(90)
    poses[40 : 40 + lasting] = turned(poses[40 : 40 + lasting], 170)
    assert axis_jumps(poses, seconds(poses)) == [(40, 40 + lasting)]
    assert axis_jumps(poses, seconds(poses), [40]) == []  # another shot begins: who knows


def test_frames_without_a_pose_between_do_not_hide_it() -> None:
    poses = upright(90)
    poses[40:46] = turned(poses[40:46], 170)
    poses[[39, 43, 46]] = np.nan
    assert axis_jumps(poses, seconds(poses)) == [(40, 46)]


@pytest.mark.parametrize("fps", [15.0, 30.0, 60.0])
@pytest.mark.parametrize("turns_a_second", [0.25, 1.0, 2.0])
def test_a_cartwheel_and_a_handstand_are_not(fps: float, turns_a_second: float) -> None:
    poses = upright(int(4 * fps))
    time_s = seconds(poses, fps)
    rolling = turned(poses, 360 * turns_a_second * time_s)
    assert axis_jumps(rolling, time_s) == []
    up_and_back = np.interp(time_s, [1, 1.4, 1.6, 2], [0, 180, 180, 0])
    assert axis_jumps(turned(poses, up_and_back), time_s) == []


def test_a_jump_that_stays_or_follows_a_long_gap_is_not() -> None:
    poses = upright(90)
    poses[40:] = turned(poses[40:], 180)
    assert axis_jumps(poses, seconds(poses)) == []
    poses = upright(90)
    poses[40:50] = np.nan
    poses[50:60] = turned(poses[50:60], 100)
    assert axis_jumps(poses, seconds(poses)) == []


def test_a_trunk_that_points_at_the_camera_has_no_axis() -> None:
    poses = upright(90)
    middle = pelvis(poses)[:, None]
    poses[40:50] = middle[40:50] - 0.1 * (poses[40:50] - middle[40:50])
    assert axis_jumps(poses, seconds(poses)) == []


def test_frames_in_which_the_trunk_shrinks_on_its_way_are_of_the_stretch() -> None:
    poses = upright(90)
    middle = pelvis(poses)[:, None]
    poses[40:42] = middle[40:42] + 0.1 * (poses[40:42] - middle[40:42])
    poses[42:45] = turned(poses[42:45], 100)
    poses[45] = middle[45] + 0.1 * (poses[45] - middle[45])
    assert axis_jumps(poses, seconds(poses)) == [(40, 46)]


def test_such_frames_count_in_no_range_and_are_no_moment() -> None:
    poses = swinging()
    wrong = poses.refined.copy()
    wrong[60:63] = turned(wrong[60:63], 178)
    wild = replace(poses, refined=wrong, restored=replace(poses.run, estimate=wrong))
    told = figures_of(replace(wild, unsure=((60, 63),)))
    trunk = {row.name: row.most for row in told.ranges}["trunk"]
    assert trunk == pytest.approx({row.name: row.most for row in figures_of(poses).ranges}["trunk"])
    assert {row.name: row.most for row in figures_of(wild).ranges}["trunk"] > 150
    assert not [m for m in told.moments if 58 <= m.frame <= 65]
    assert [m for m in figures_of(wild).moments if 58 <= m.frame <= 65]
