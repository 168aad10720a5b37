"""Joints of several namings are matched; missing ones are reported."""

import numpy as np
import pytest
from motion_cases import ARM, person_bvh

from dance_models.errors import InputError
from dance_models.motion.body_joints import body_joints, body_map, plain_name
from dance_models.motion.bvh import parse_bvh
from dance_models.skeleton import DANCE_14

INDEX = DANCE_14.index

POSER = {
    "Arm": "Shldr", "ForeArm": "ForeArm", "Hand": "Hand", "UpLeg": "Thigh", "Leg": "Shin",
    "Foot": "Foot",
}  # fmt: skip


def test_every_joint_of_a_person_is_found() -> None:
    bvh = parse_bvh(person_bvh(2))
    body = body_map(bvh)
    assert body.naming == "MotionBuilder or Mixamo"
    assert body.missing == ()
    names = {ours: bvh.joints[i].name for ours, i in body.index.items()}
    assert names["left_shoulder"] == "LeftArm"  # LeftShoulder is the collar bone
    assert names["right_knee"] == "RightLeg"
    assert names["head_top"] == "End Site"
    assert np.isfinite(body_joints(bvh)).all()


def test_a_resting_person_is_the_right_way_round() -> None:
    bvh = parse_bvh(person_bvh(2))
    bvh.motion[:] = 0
    pose = body_joints(bvh)[0]
    assert pose[INDEX["left_wrist"]].tolist() == [70, 47, 0]
    assert pose[INDEX["right_ankle"]].tolist() == [-9, -82, 0]
    assert pose[INDEX["head_top"]].tolist() == [0, 78, 0]


@pytest.mark.parametrize("prefix", ["mixamorig:", "mixamorig1:", "mixamorig_", "actor:"])
def test_name_spaces_do_not_matter(prefix: str) -> None:
    bare, named = parse_bvh(person_bvh(3)), parse_bvh(person_bvh(3, prefix=prefix))
    assert body_map(named).missing == ()
    np.testing.assert_array_equal(body_joints(named), body_joints(bare))


def test_the_shoulder_of_one_naming_is_the_collar_of_another() -> None:
    text = person_bvh(2)
    for ours, theirs in (
        ("Shoulder", "Collar"), ("ForeArm", "Elbow"), ("Arm", "Shoulder"), ("Hand", "Wrist"),
        ("UpLeg", "Hip"), ("Leg", "Knee"), ("Foot", "Ankle"),
    ):  # fmt: skip
        for side in ("Left", "Right"):
            text = text.replace(f"JOINT {side}{ours}\n", f"JOINT {side}{theirs}\n")
    anatomical = parse_bvh(text)
    assert body_map(anatomical).naming == "anatomical"
    np.testing.assert_array_equal(body_joints(anatomical), body_joints(parse_bvh(person_bvh(2))))


def test_poser_names() -> None:
    text = person_bvh(2)
    for ours, theirs in POSER.items():
        for side in ("Left", "Right"):
            text = text.replace(f"JOINT {side}{ours}\n", f"JOINT {side[0].lower()}{theirs}\n")
    bvh = parse_bvh(text)
    assert body_map(bvh).naming == "Poser or DAZ"
    assert body_map(bvh).missing == ()


def test_a_head_without_end_site_gets_a_top_that_turns_with_it() -> None:
    bvh = parse_bvh(person_bvh(40, head_site=False))
    body = body_map(bvh)
    assert "head_top" not in body.index
    assert body.missing == ()
    top = body_joints(bvh)[:, INDEX["head_top"]]
    with_site = body_joints(parse_bvh(person_bvh(40)))[:, INDEX["head_top"]]
    assert np.linalg.norm(top - with_site, axis=1).max() < 4  # 0.4 of a torso of 50 is 20, not 18


def test_what_is_missing_is_reported_and_nan() -> None:
    bvh = parse_bvh(
        person_bvh(2).replace("RightHand", "RightClaw").replace("JOINT Neck", "JOINT N")
    )
    assert body_map(bvh).missing == ("right_wrist",)  # the neck is between the shoulders
    pose = body_joints(bvh)
    assert np.isnan(pose[:, INDEX["right_wrist"]]).all()
    shoulders = pose[:, [INDEX["left_shoulder"], INDEX["right_shoulder"]]]
    np.testing.assert_allclose(pose[:, INDEX["neck"]], shoulders.mean(axis=1))


def test_what_is_no_person_is_refused() -> None:
    with pytest.raises(InputError, match="no joint is named like left_shoulder"):
        body_joints(parse_bvh(ARM))


def test_plain_names() -> None:
    names = ("mixamorig:LeftArm", "Left_Arm", "left arm", "Bip01 LeftArm", "mixamorig2:LeftArm")
    assert {plain_name(name) for name in names} == {"leftarm"}
