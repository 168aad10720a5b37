"""Torso lengths: what they are, and that no torso is made up where none is seen."""

import numpy as np
import pytest
from evaluation_cases import figure, make_run

from dance_models import skeleton
from dance_models.metrics.torso import (
    median_torso,
    torso_by_clip,
    torso_length,
    torso_scale,
    window_torso,
)
from dance_models.skeleton import INDEX


def test_torso_is_neck_to_mid_hip_and_its_median_ignores_missing_frames() -> None:
    pose = np.zeros((3, 14, 2), np.float32)
    pose[:, skeleton.NECK] = (0, 0)
    pose[:, skeleton.INDEX["left_hip"]] = (4, 30)
    pose[:, skeleton.INDEX["right_hip"]] = (-4, 30)
    pose[1, skeleton.NECK] = np.nan
    np.testing.assert_allclose(torso_length(pose), [30, np.nan, 30])
    assert median_torso(pose) == 30


def test_an_unseen_torso_is_unknown_and_as_a_scale_one_pixel() -> None:
    unseen = np.full((2, 14, 2), np.nan, np.float32)
    assert np.isnan(median_torso(unseen))
    assert torso_scale(unseen) == 1.0
    assert torso_scale(figure()[None]) == median_torso(figure()[None]) == 100
    assert torso_scale(figure()[None] / 1000) == 1.0
    assert window_torso(np.stack([figure()[None], figure()[None] / 1000])).tolist() == [100, 1]
    assert window_torso(np.zeros((0, 27, 14, 2))).shape == (0,)


def test_torso_is_the_median_over_all_runs_of_the_clip() -> None:
    tall, bent = figure(), figure()
    for hip in ("left_hip", "right_hip"):
        bent[INDEX[hip], 1] -= 90  # bending to the camera: a torso of 10 pixels
    first = make_run(np.stack([tall, bent, bent]))
    second = make_run(np.stack([tall, tall, tall, tall]), run=1)
    other = make_run(np.stack([bent]), clip="other")
    assert torso_by_clip([first, second, other]) == pytest.approx({"clip": 100, "other": 10})
