"""The map from landmarks to joints, and the evidence under rotation."""

import numpy as np

from dance_models.evidence import (
    EVIDENCE,
    LANDMARKS,
    columns,
    joint_sources,
    no_evidence,
    shown_landmarks,
    turned,
)
from dance_models.skeleton import DANCE_14
from dance_models.skeletons.by_name import to_skeleton
from dance_models.skeletons.coco_17 import COCO_17
from dance_models.skeletons.mocap_25 import MOCAP_25


def test_joints_follow_from_the_landmarks_as_the_estimator_derives_them() -> None:
    points = np.random.default_rng(0).normal(size=(33, 2))
    for skeleton in (DANCE_14, COCO_17):
        expected, _ = to_skeleton(LANDMARKS, points, np.ones(33), skeleton)
        np.testing.assert_allclose(joint_sources(skeleton)[0] @ points, expected, atol=1e-5)


def test_other_numbers_of_a_joint_are_means_over_what_it_is_made_of() -> None:
    of_position, of_value = joint_sources(DANCE_14)
    for weights in (of_position, of_value):
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    names = {
        joint: {LANDMARKS[i] for i in np.flatnonzero(of_value[DANCE_14.index[joint]])}
        for joint in ("neck", "head_top", "left_knee")
    }
    assert names == {
        "neck": {"left_shoulder", "right_shoulder"},
        "head_top": {"left_ear", "right_ear"},
        "left_knee": {"left_knee"},
    }
    assert (of_value >= 0).all()


def test_a_skeleton_of_another_estimator_has_no_sources() -> None:
    of_position, _ = joint_sources(MOCAP_25)
    assert not of_position[MOCAP_25.index["left_toe"]].any()


def test_the_landmarks_that_show_a_joint() -> None:
    shown = shown_landmarks(DANCE_14)
    names = {
        joint: {LANDMARKS[i] for i in np.flatnonzero(shown[i_joint])}
        for i_joint, joint in enumerate(DANCE_14.names)
    }
    assert names["left_elbow"] == {"left_elbow"}
    assert names["neck"] == set()  # the shoulders are joints themselves
    assert names["head_top"] == {"left_ear", "right_ear", "nose"}


def test_world_vectors_turn_and_lengths_grow() -> None:
    evidence = np.ones((2, 33, len(EVIDENCE)), np.float32)
    quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
    moved = turned(evidence, quarter, 3.0)
    assert (moved[..., columns("world_x", "mirrored_world_x")] == -1).all()
    assert (moved[..., columns("world_y", "mirrored_world_y")] == 1).all()
    assert (moved[..., columns("depth", "spread")] == 3).all()
    unchanged = columns("mirrored_x", "mirrored_y", "world_z", "mirrored_world_z", "presence")
    assert (moved[..., unchanged] == 1).all()
    assert turned(no_evidence(2), quarter).shape == (2, 0, len(EVIDENCE))
