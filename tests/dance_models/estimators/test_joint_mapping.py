"""Mapping other skeletons to our 14 joints by name."""

import numpy as np
import pytest

from dance_models.estimators.joints import (
    COCO17,
)
from dance_models.estimators.pose_models import OPENPOSE_BODY25, OPENPOSE_COCO18
from dance_models.evidence import LANDMARKS
from dance_models.skeleton import DANCE_14
from dance_models.skeletons.by_name import missing_joints, to_skeleton
from dance_models.skeletons.coco_17 import COCO_17

LAYOUTS = (COCO17, OPENPOSE_BODY25, OPENPOSE_COCO18, LANDMARKS)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (COCO17, {0: "nose", 3: "left_ear", 5: "left_shoulder", 10: "right_wrist"}),
        (COCO17, {11: "left_hip", 16: "right_ankle"}),
        (OPENPOSE_BODY25, {1: "neck", 4: "right_wrist", 5: "left_shoulder", 8: "mid_hip"}),
        (OPENPOSE_BODY25, {9: "right_hip", 14: "left_ankle", 17: "right_ear", 19: "left_big_toe"}),
        (OPENPOSE_COCO18, {8: "right_hip", 10: "right_ankle", 11: "left_hip", 17: "left_ear"}),
        (LANDMARKS, {0: "nose", 7: "left_ear", 8: "right_ear", 11: "left_shoulder"}),
        (LANDMARKS, {14: "right_elbow", 15: "left_wrist", 23: "left_hip", 28: "right_ankle"}),
        (LANDMARKS, {2: "left_eye", 5: "right_eye", 31: "left_foot_index"}),
    ],
)
def test_published_joint_orders(names, expected) -> None:
    assert {i: names[i] for i in expected} == expected


def test_layout_sizes() -> None:
    assert [len(layout) for layout in LAYOUTS] == [17, 25, 18, 33]
    assert all(len(set(layout)) == len(layout) for layout in LAYOUTS)


@pytest.mark.parametrize("names", LAYOUTS)
def test_every_layout_maps_to_all_our_joints_in_any_order(names) -> None:
    rng = np.random.default_rng(0)
    points, score = rng.uniform(0, 100, (len(names), 2)), rng.uniform(0.1, 1, len(names))
    keypoints, confidence = to_skeleton(names, points, score)
    order = rng.permutation(len(names))
    shuffled = to_skeleton([names[i] for i in order], points[order], score[order])
    assert np.isfinite(keypoints).all()
    assert (confidence > 0).all()
    np.testing.assert_allclose(shuffled[0], keypoints, rtol=1e-6)
    np.testing.assert_array_equal(shuffled[1], confidence)
    for joint in set(DANCE_14.names) & set(names):
        np.testing.assert_allclose(
            keypoints[DANCE_14.index[joint]], points[names.index(joint)], rtol=1e-6
        )


def coco(**points):
    values = np.full((17, 2), np.nan)
    score = np.zeros(17)
    for name, (x, y, s) in points.items():
        values[COCO17.index(name)], score[COCO17.index(name)] = (x, y), s
    return to_skeleton(COCO17, values, score)


def test_neck_is_the_middle_of_the_shoulders_with_the_lower_score() -> None:
    keypoints, score = coco(left_shoulder=(20, 10, 0.9), right_shoulder=(10, 14, 0.4))
    np.testing.assert_allclose(keypoints[DANCE_14.index["neck"]], (15, 12))
    assert score[DANCE_14.index["neck"]] == pytest.approx(0.4)


def test_head_top_is_extrapolated_through_the_ears() -> None:
    keypoints, score = coco(
        left_shoulder=(20, 100, 0.9),
        right_shoulder=(0, 100, 0.9),
        left_ear=(16, 80, 0.7),
        right_ear=(8, 80, 0.8),
        nose=(30, 90, 0.1),
    )
    np.testing.assert_allclose(
        keypoints[DANCE_14.index["head_top"]], (10 + 1.9 * 2, 100 - 1.9 * 20)
    )
    assert score[DANCE_14.index["head_top"]] == pytest.approx(0.7)


def test_head_top_falls_back_to_one_ear_and_then_to_the_nose() -> None:
    shoulders = {"left_shoulder": (20, 100, 0.9), "right_shoulder": (0, 100, 0.9)}
    one, _ = coco(**shoulders, left_ear=(12, 80, 0.7), nose=(30, 90, 0.5))
    np.testing.assert_allclose(one[DANCE_14.index["head_top"]], (13.8, 62), rtol=1e-6)
    nose, _ = coco(**shoulders, nose=(10, 90, 0.5))
    np.testing.assert_allclose(nose[DANCE_14.index["head_top"]], (10, 81))
    none, _ = coco(**shoulders)
    assert np.isnan(none[DANCE_14.index["head_top"]]).all()


def test_a_missing_shoulder_leaves_neck_and_head_missing() -> None:
    keypoints, score = coco(left_shoulder=(20, 100, 0.9), left_ear=(12, 80, 0.7))
    for joint in ("neck", "head_top", "right_shoulder"):
        assert np.isnan(keypoints[DANCE_14.index[joint]]).all()
        assert score[DANCE_14.index[joint]] == 0


def test_given_neck_and_head_top_are_not_replaced_when_missing() -> None:
    names = (*COCO17, "neck", "head_top")
    points = np.full((19, 2), 5.0)
    points[17:] = np.nan
    keypoints, _ = to_skeleton(names, points, np.ones(19))
    assert np.isnan(keypoints[DANCE_14.index["neck"]]).all()
    assert np.isnan(keypoints[DANCE_14.index["head_top"]]).all()


def test_missing_joints_are_named() -> None:
    assert missing_joints(COCO17) == []
    assert missing_joints([n for n in COCO17 if n != "left_knee"]) == ["left_knee"]
    assert set(missing_joints([n for n in COCO17 if n != "left_shoulder"])) == {
        "left_shoulder",
        "neck",
        "head_top",
    }


def test_a_skeleton_of_the_estimators_own_joints_uses_them_unchanged() -> None:
    points = np.random.default_rng(0).random((17, 2))
    keypoints, score = to_skeleton(COCO17, points, np.linspace(0.1, 0.9, 17), COCO_17)
    np.testing.assert_allclose(keypoints, points, atol=1e-6)
    np.testing.assert_allclose(score, np.linspace(0.1, 0.9, 17), atol=1e-6)
    assert missing_joints(COCO17, COCO_17) == []
    assert missing_joints(("nose", "left_hip"), COCO_17)[:2] == ["left_eye", "right_eye"]
