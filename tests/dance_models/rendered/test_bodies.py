"""Bodies: the stored four and shapes beyond them; and how captures move them."""

from pathlib import Path

import numpy as np
import pytest
from rendered_cases import person

from dance_models.demo.body import Body, Shape, Trunk, about, nearest_rotation, unit
from dance_models.demo.decimate import BODIES
from dance_models.errors import InputError
from dance_models.motion.capture import MARK
from dance_models.rendered.bodies import body_names, make_body
from dance_models.rendered.performance import perform
from dance_models.rendered.retarget import body_pose, rest_frames
from dance_models.skeleton import DANCE_14

BONES = {
    "upper_arm": ("Arm", "ForeArm"),
    "forearm": ("ForeArm", "Hand"),
    "thigh": ("UpLeg", "Leg"),
    "shin": ("Leg", "Foot"),
}


def _span(body: Body, bone: str, child: str) -> float:
    return float(np.linalg.norm(body.head_of(child) - body.head_of(bone)))


def test_sixteen_bodies_differ_and_are_people() -> None:
    names = body_names(16)
    assert names[:4] == BODIES
    bodies = [make_body(name) for name in names]
    for body in bodies:
        assert 1.4 < np.ptp(body.rest[: body.count, 2]) < 2.1
    for i, one in enumerate(bodies):
        for other in bodies[:i]:
            apart = np.linalg.norm(one.rest - other.rest, axis=1).mean()
            assert apart > 0.008
    assert body_names(6)[5] == names[5]
    with pytest.raises(InputError, match="must be a body"):
        body_names(0)


def test_a_body_of_one_part_is_that_body_and_a_mixture_lies_between() -> None:
    one, two = Body("woman_a"), Body("man_b")
    np.testing.assert_array_equal(Body(Shape({"woman_a": 1.0})).rest, one.rest)
    mixed = Body(Shape({"woman_a": 0.5, "man_b": 0.5}))
    np.testing.assert_allclose(mixed.rest, (one.rest + two.rest) / 2, atol=1e-6)


def test_a_bone_is_scaled_along_and_across_and_takes_its_children_along() -> None:
    plain = Body("man_a")
    longer = Body(Shape({"man_a": 1.0}, length={"LeftArm": 1.2}, girth={"LeftLeg": 1.5}))
    assert _span(longer, "LeftArm", "LeftForeArm") == pytest.approx(
        1.2 * _span(plain, "LeftArm", "LeftForeArm")
    )
    for bones in (
        ("LeftForeArm", "LeftHand"),
        ("RightArm", "RightForeArm"),
        ("LeftLeg", "LeftFoot"),
    ):
        assert _span(longer, *bones) == pytest.approx(_span(plain, *bones))
    calf = plain.main_bone == "LeftLeg"

    def thickness(body: Body) -> float:
        knee, ankle = body.head_of("LeftLeg"), body.head_of("LeftFoot")
        axis = unit(ankle - knee)
        away = body.rest[: body.count][calf] - knee
        return float(np.linalg.norm(away - (away @ axis)[:, None] * axis, axis=1).mean())

    assert thickness(longer) > 1.3 * thickness(plain)


def test_frames_turn_with_the_bones() -> None:
    body = Body("woman_a")
    turn = about("z", 40.0)
    limbs = {}
    for side, short in (("Left", "l_"), ("Right", "r_")):
        for limb, (bone, child) in {**BONES, "foot": ("Foot", "ToeBase")}.items():
            limbs[short + limb] = turn @ (body.head_of(side + child) - body.head_of(side + bone))
    posed = body.pose(Trunk(turn, turn, turn), limbs, turn @ body.heads[0])
    np.testing.assert_allclose(posed.frames, np.tile(turn, (14, 1, 1)), atol=1e-6)
    np.testing.assert_allclose(posed.joints, body.rest[body.count :] @ turn.T, atol=1e-5)


def test_the_nearest_rotation_is_proper() -> None:
    turn = about("x", 25.0) @ about("y", -50.0)
    np.testing.assert_allclose(nearest_rotation(0.7 * turn), turn, atol=1e-12)
    mirrored = turn @ np.diag([1.0, 1.0, -0.2])
    assert np.linalg.det(nearest_rotation(mirrored)) == pytest.approx(1)


# --- retargeting --------------------------------------------------------------------------------


def test_the_rest_pose_leaves_the_trunk_as_it_is_whatever_its_heading(tmp_path: Path) -> None:
    rest = person(tmp_path).rest
    for degrees in (0.0, 75.0, 200.0):
        turned = rest @ about("z", degrees).T
        pose = body_pose(turned, rest_frames(turned))
        for part in (pose.trunk.pelvis, pose.trunk.chest, pose.trunk.head):
            np.testing.assert_allclose(part, about("z", degrees), atol=1e-9)


def test_limbs_point_as_in_the_capture_on_every_body(tmp_path: Path) -> None:
    capture = person(tmp_path)
    for name in ("woman_b", "shape_09"):
        body = make_body(name)
        stage = perform(capture, body, 0.5, 1.0, np.random.default_rng(0))
        posed, marks = stage.at(0.0), capture.marks[15]
        for side in ("left", "right"):
            for start, end in (
                ("shoulder", "elbow"),
                ("elbow", "wrist"),
                ("hip", "knee"),
                ("knee", "ankle"),
            ):
                a, b = (DANCE_14.index[f"{side}_{part}"] for part in (start, end))
                ours = unit(posed.joints[b] - posed.joints[a])
                theirs = unit(marks[MARK[f"{side}_{end}"]] - marks[MARK[f"{side}_{start}"]])
                assert ours @ theirs > np.cos(np.radians(14)), (name, side, start)
        left = posed.joints[DANCE_14.index["left_hip"]] - posed.joints[DANCE_14.index["right_hip"]]
        marked = marks[MARK["left_hip"]] - marks[MARK["right_hip"]]
        assert unit(left) @ unit(marked) > 0.98


def test_the_body_stands_on_the_floor_and_stays_on_the_stage(tmp_path: Path) -> None:
    stage = perform(person(tmp_path), make_body("shape_05"), 0.0, 2.0, np.random.default_rng(1))
    poses = [stage.at(t) for t in np.linspace(0, 2, 21)]
    low = np.array([p.vertices[:, 2].min() for p in poses])
    assert np.percentile(low, 10) == pytest.approx(0, abs=0.03)
    middle = np.stack([p.joints[:, :2].mean(axis=0) for p in poses])
    assert np.linalg.norm(middle, axis=1).max() < 1.2


def test_between_two_frames_the_motion_is_between_them(tmp_path: Path) -> None:
    stage = perform(person(tmp_path), make_body("man_a"), 0.0, 1.0, np.random.default_rng(1))
    a, b, c = (stage.at(t / 30).joints for t in (3.0, 3.5, 4.0))
    np.testing.assert_allclose(b, (a + c) / 2, atol=0.006)
    assert np.linalg.norm(c - a, axis=1).max() > 0.01
