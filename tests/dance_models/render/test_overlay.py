"""Skeletons on images."""

import numpy as np
import pytest

from dance_models.render.overlay import draw_skeleton, line_thickness
from dance_models.skeleton import DANCE_14
from dance_models.skeletons.coco_17 import COCO_17
from dance_models.skeletons.mocap_25 import MOCAP_25

CENTRE_OF = {
    "head_top": (100, 20),
    "neck": (100, 60),
    **{f"left_{p}": (140 + 5 * i, 60 + 30 * i) for i, p in enumerate(("shoulder", "elbow"))},
    **{f"right_{p}": (60 - 5 * i, 60 + 30 * i) for i, p in enumerate(("shoulder", "elbow"))},
    "left_wrist": (150, 120),
    "right_wrist": (50, 120),
    **{f"left_{p}": (120, 130 + 50 * i) for i, p in enumerate(("hip", "knee", "ankle"))},
    **{f"right_{p}": (80, 130 + 50 * i) for i, p in enumerate(("hip", "knee", "ankle"))},
}
POSE = np.array([CENTRE_OF[joint] for joint in DANCE_14.names], dtype=np.float32)
BLACK = np.zeros((260, 200, 3), np.uint8)


def middle(edge):
    x, y = POSE[list(edge)].mean(axis=0)
    return round(float(y)), round(float(x))


def test_every_edge_and_joint_is_drawn_in_its_colour() -> None:
    drawn = draw_skeleton(BLACK, POSE)
    for edge in DANCE_14.edges:
        colour = drawn[middle(edge)].astype(float)
        assert colour.max() > 120  # a thin line is anti-aliased: its hue counts
        np.testing.assert_allclose(
            colour / colour.max(),
            np.divide(DANCE_14.colours[edge[1]], max(DANCE_14.colours[edge[1]])),
            atol=0.1,
        )
    for x, y in POSE.astype(int):
        assert drawn[y, x].min() > 150  # white dots


def test_the_input_image_is_not_modified() -> None:
    image = BLACK.copy()
    draw_skeleton(image, POSE)
    assert not image.any()


@pytest.mark.parametrize("how", ["nan", "score", "infinite"])
def test_edges_of_a_missing_joint_are_not_drawn(how) -> None:
    pose, score = POSE.copy(), np.ones(14)
    knee = DANCE_14.index["left_knee"]
    if how == "score":
        score[knee] = 0.29
    else:
        pose[knee] = np.nan if how == "nan" else np.inf
    drawn = draw_skeleton(BLACK, pose, score, threshold=0.3)
    for edge in DANCE_14.edges:
        assert drawn[middle(edge)].any() == (knee not in edge)
    assert not drawn[180, 120].any()


def test_visibility_is_used_as_score() -> None:
    visibility = np.full(14, 2, np.uint8)
    visibility[DANCE_14.index["head_top"]] = 0
    drawn = draw_skeleton(BLACK, POSE, visibility, threshold=1)
    assert not drawn[:40].any()
    assert drawn[60, 120].any()


def test_missing_people_and_joints_outside_the_image_are_not_drawn() -> None:
    assert not draw_skeleton(BLACK, None).any()
    assert not draw_skeleton(BLACK, np.full((14, 2), np.nan)).any()
    assert not draw_skeleton(BLACK, POSE + 5000).any()
    assert not draw_skeleton(BLACK, POSE + 1e9).any()


def test_lines_grow_with_the_image() -> None:
    assert line_thickness(360, 480) == 2
    assert line_thickness(1080, 1920) == 8
    assert line_thickness(48, 64) == 1


def test_wrong_joint_count() -> None:
    with pytest.raises(ValueError, match=r"\(17, 2\)"):
        draw_skeleton(BLACK, np.zeros((17, 2)))


@pytest.mark.parametrize("skeleton", [COCO_17, MOCAP_25], ids=lambda skeleton: skeleton.id)
def test_other_skeletons_are_drawn_from_their_pixels(skeleton) -> None:
    angle = np.arange(skeleton.num_joints) * 2 * np.pi / skeleton.num_joints
    pose = 100 + 80 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    drawn = draw_skeleton(BLACK, pose, skeleton=skeleton)
    for x, y in pose.round().astype(int):
        assert drawn[y, x].min() > 150  # white dots
    with pytest.raises(ValueError, match="expected"):
        draw_skeleton(BLACK, pose)
