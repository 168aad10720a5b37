"""Torso lengths; no torso is invented where none is visible."""

import numpy as np
import pytest
from evaluation_cases import figure, make_run

from dance_models.geometry import mirror_keypoints, pelvis
from dance_models.metrics.torso import (
    median_torso,
    torso_by_clip,
    torso_length,
    torso_scale,
    window_torso,
)
from dance_models.skeleton import DANCE_14, Skeleton
from dance_models.skeletons.coco_17 import COCO_17
from dance_models.skeletons.mocap_25 import MOCAP_25


def test_torso_is_neck_to_mid_hip_and_its_median_ignores_missing_frames() -> None:
    pose = np.zeros((3, 14, 2), np.float32)
    pose[:, DANCE_14.index["neck"]] = (0, 0)
    pose[:, DANCE_14.index["left_hip"]] = (4, 30)
    pose[:, DANCE_14.index["right_hip"]] = (-4, 30)
    pose[1, DANCE_14.index["neck"]] = np.nan
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


def test_where_no_torso_is_known_the_scale_comes_from_the_size_of_the_person() -> None:
    pose = figure()[None].astype(np.float64)
    tall = np.ptp(pose[0], axis=0).max()
    without = pose.copy()
    without[:, DANCE_14.index["neck"]] = np.nan
    assert torso_scale(without) == pytest.approx(
        np.ptp(without[0, [0, *range(2, 14)]], axis=0).max() / 3.3
    )
    collapsed = pose.copy()
    collapsed[:, [DANCE_14.index["left_hip"], DANCE_14.index["right_hip"]]] = pose[0, 1]
    assert torso_scale(collapsed) == pytest.approx(tall / 3.3)
    assert window_torso(collapsed[None]).tolist() == pytest.approx([tall / 3.3])


def test_torso_is_the_median_over_all_runs_of_the_clip() -> None:
    tall, bent = figure(), figure()
    for hip in ("left_hip", "right_hip"):
        bent[DANCE_14.index[hip], 1] -= 90  # bending to the camera: a torso of 10 pixels
    first = make_run(np.stack([tall, bent, bent]))
    second = make_run(np.stack([tall, tall, tall, tall]), run=1)
    other = make_run(np.stack([bent]), clip="other")
    assert torso_by_clip([first, second, other]) == pytest.approx({"clip": 100, "other": 10})


@pytest.mark.parametrize("skeleton", [DANCE_14, COCO_17, MOCAP_25], ids=lambda s: s.id)
def test_torso_is_invariant_to_mirroring(skeleton: Skeleton) -> None:
    shape = (5, skeleton.num_joints, skeleton.dimensions)
    pose = np.random.default_rng(0).integers(0, 320, shape).astype(np.float32)
    lengths = torso_length(pose, skeleton=skeleton)
    assert lengths.shape == (5,)
    assert pelvis(pose, skeleton=skeleton).shape == (5, skeleton.dimensions)
    mirrored = torso_length(mirror_keypoints(pose, 320, skeleton=skeleton), skeleton=skeleton)
    np.testing.assert_allclose(mirrored, lengths)
    assert median_torso(pose, skeleton=skeleton) == np.median(lengths)


def test_torso_of_coco_is_mid_shoulder_to_mid_hip() -> None:
    pose = np.full((1, 17, 2), np.nan, np.float32)
    for name, point in {
        "left_shoulder": (8, 0), "right_shoulder": (2, 0), "left_hip": (7, 40), "right_hip": (3, 40)
    }.items():  # fmt: skip
        pose[0, COCO_17.index[name]] = point
    assert torso_length(pose, skeleton=COCO_17)[0] == 40
    pose[0, COCO_17.index["left_hip"]] = np.nan
    assert np.isnan(torso_length(pose, skeleton=COCO_17)[0])
