"""Prediction metrics against hand-computed cases."""

import numpy as np
import pytest
from evaluation_cases import figure
from hypothesis import given
from hypothesis import strategies as st

from dance_models.metrics.horizon import (
    at_horizons,
    bone_angle_error,
    bone_angles,
    coordinate_error,
    joint_distance,
    mean_speed,
    skill,
    speed_class,
    weighted_joint_error,
    wrap,
)
from dance_models.skeleton import DANCE_14


def test_horizons_are_frames_2_4_8_and_10() -> None:
    frames = np.arange(1, 11, dtype=float)
    forecast = np.broadcast_to(frames[None, :, None, None], (3, 10, 14, 2))
    assert at_horizons(forecast)[0, :, 0, 0].tolist() == [2, 4, 8, 10]


def test_distance_and_coordinate_error() -> None:
    truth = figure()
    assert joint_distance(truth + np.array([3, -4]), truth) == pytest.approx([5] * 14)
    assert coordinate_error(truth + np.array([3, -4]), truth) == pytest.approx([3.5] * 14)


def test_weighted_error_of_three_joints() -> None:
    truth = np.zeros((2, 3, 3))
    forecast = truth.copy()
    forecast[0, :, 0] = 1, 2, 6
    assert weighted_joint_error(forecast, truth, np.array([0.5, 0.25, 0])).tolist() == [1, 0]
    truth[1, 0] = np.nan
    assert np.isnan(weighted_joint_error(forecast, truth, np.full(3, 1 / 3))[1])


def test_bone_angle_of_the_standing_figure() -> None:
    angles = bone_angles(figure())
    knee = DANCE_14.edges.index((DANCE_14.index["neck"], DANCE_14.index["head_top"]))
    assert angles[knee] == pytest.approx(-np.pi / 2)  # up, with y pointing down


def test_turning_the_whole_body_turns_every_bone() -> None:
    pose = figure() - figure()[1]
    turned = np.stack([-pose[:, 1], pose[:, 0]], axis=-1)  # a quarter turn
    expected = np.sqrt(13) * np.pi / 2
    assert bone_angle_error(turned, pose) == pytest.approx(expected)
    assert bone_angle_error(pose * 3 + 17, pose) == pytest.approx(0, abs=1e-12)


def test_one_bone_across_the_wrap() -> None:
    truth, seen = figure(), figure()
    wrist, elbow = DANCE_14.index["left_wrist"], DANCE_14.index["left_elbow"]
    truth[wrist] = truth[elbow] + 50 * np.array([np.cos(np.pi - 0.1), np.sin(np.pi - 0.1)])
    seen[wrist] = seen[elbow] + 50 * np.array([np.cos(-np.pi + 0.2), np.sin(-np.pi + 0.2)])
    assert bone_angle_error(seen, truth) == pytest.approx(0.3)


def test_unknown_bones_are_left_out_and_the_norm_is_rescaled() -> None:
    pose = figure() - figure()[1]
    turned = np.stack([-pose[:, 1], pose[:, 0]], axis=-1)
    truth = pose.copy()
    truth[DANCE_14.index["left_ankle"]] = np.nan
    assert bone_angle_error(turned, truth) == pytest.approx(np.sqrt(13) * np.pi / 2)
    assert np.isnan(bone_angle_error(turned, np.full((14, 2), np.nan)))


@given(st.floats(-50, 50))
def test_wrap_is_the_same_direction_within_half_a_turn(angle: float) -> None:
    wrapped = float(wrap(np.array(angle)))
    assert -np.pi < wrapped <= np.pi
    assert np.cos(wrapped) == pytest.approx(np.cos(angle), abs=1e-9)
    assert np.sin(wrapped) == pytest.approx(np.sin(angle), abs=1e-9)


def test_wrap_keeps_pi() -> None:
    assert wrap(np.array([np.pi, -np.pi])).tolist() == [np.pi, np.pi]


def test_speed_is_in_torso_lengths_per_second() -> None:
    future = np.tile(figure(), (1, 10, 1, 1))
    future[..., 0] += 4 * np.arange(10)[None, :, None]  # 4 px a frame at 25 Hz
    assert mean_speed(future, np.array([100.0])) == pytest.approx([1.0])
    future[:, :, 3] = np.nan
    assert mean_speed(future, np.array([50.0])) == pytest.approx([2.0])


def test_terciles() -> None:
    assert speed_class(np.array([5.0, 1, 3, 2, 4, 6])).tolist() == [2, 0, 1, 0, 1, 2]
    assert speed_class(np.array([1.0, np.nan, 2.0, 3.0])).tolist() == [0, -1, 1, 2]
    assert speed_class(np.zeros(0)).tolist() == []


def test_skill() -> None:
    values = skill(np.array([5.0, 10, 20, 1]), np.array([10.0, 10, 10, 0]))
    assert values[:3].tolist() == [0.5, 0, -1] and np.isnan(values[3])
