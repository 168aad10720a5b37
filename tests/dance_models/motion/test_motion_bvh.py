"""BVH text, its errors, and forward kinematics computed by hand."""

from pathlib import Path

import numpy as np
import pytest
from motion_cases import ARM, SHARED

from dance_models.errors import InputError
from dance_models.motion.bvh import parse_bvh, read_bvh
from dance_models.motion.forward import forward_kinematics, rest_positions


def test_the_hierarchy_is_read_with_its_end_site() -> None:
    bvh = parse_bvh(ARM)
    assert [(j.name, j.parent, j.is_end) for j in bvh.joints] == [
        ("Hips", -1, False),
        ("Arm", 0, False),
        ("End Site", 1, True),
    ]
    assert bvh.joints[1].channels == ("zrotation", "xrotation", "yrotation")
    assert bvh.motion.shape == (2, 9)
    assert bvh.frame_time_s == 0.05
    assert rest_positions(bvh).tolist() == [[0, 0, 0], [0, 10, 0], [5, 10, 0]]


def test_forward_kinematics_by_hand() -> None:
    """The root turns 90 degrees about z: up becomes -x. The arm turns about its own y: x is -z."""
    position = forward_kinematics(parse_bvh(ARM)).position
    np.testing.assert_allclose(position[0], [[0, 0, 0], [0, 10, 0], [5, 10, 0]], atol=1e-12)
    np.testing.assert_allclose(position[1], [[1, 2, 3], [-9, 2, 3], [-9, 2, -2]], atol=1e-12)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("Zrotation Xrotation Yrotation", [0, 5, 0]),  # Rz Rx x = Rz x = y
        ("Xrotation Zrotation Yrotation", [0, 0, 5]),  # Rx Rz x = Rx y = z
        ("Yrotation Zrotation Xrotation", [0, 5, 0]),
        ("Xrotation Yrotation Zrotation", [0, 0, 5]),
    ],
)
def test_rotations_apply_in_file_order(order: str, expected: list[float]) -> None:
    """90 degrees about z and about x, of an arm that lies along x."""
    text = ARM.replace("CHANNELS 3 Zrotation Xrotation Yrotation", f"CHANNELS 3 {order}")
    values = " ".join("0" if name[0] == "Y" else "90" for name in order.split())
    text = text.replace("1 2 3 90 0 0 0 0 90", f"0 0 0 0 0 0 {values}")
    position = forward_kinematics(parse_bvh(text)).position[1]
    np.testing.assert_allclose(position[2] - position[1], expected, atol=1e-12)


def test_position_channels_may_come_last_and_be_few() -> None:
    text = ARM.replace(
        "6 Xposition Yposition Zposition Zrotation Xrotation Yrotation",
        "4 Zrotation Xrotation Yrotation Yposition",
    )
    text = text.replace("0 0 0 0 0 0 0 0 0", "0 0 0 7 0 0 0").replace(
        "1 2 3 90 0 0 0 0 90", "0 0 0 8 0 0 0"
    )
    position = forward_kinematics(parse_bvh(text)).position
    assert position[:, 0].tolist() == [[0, 7, 0], [0, 8, 0]]


def test_line_ends_and_blank_lines_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "arm.bvh"
    path.write_bytes(ARM.replace("\n", "\r\n\r\n").encode("utf-8-sig"))
    assert np.array_equal(read_bvh(path).motion, parse_bvh(ARM).motion)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("OFFSET 0 10 0", "OFFSET 0 ten 0", "line 8: 'ten' is not a number"),
        ("CHANNELS 3", "CHANNELS three", "line 9: 'three'"),
        ("CHANNELS 3 Z", "CHANNELS 3 W", "line 9: 'wrotation' is not a channel"),
        ("Frames: 2", "Frames: 3", "line 17: 3 frames announced, 2 lines follow"),
        ("1 2 3 90", "1 2 90", "line 20: 8 values where the joints have 9"),
        ("1 2 3 90", "1 2 3 x", "line 20: 'x' is not a number"),
        ("1 2 3 90", "1 2 3 nan", "line 20: a value is not finite"),
        ("Frame Time: 0.05", "Frame Time: 0", "line 18: a frame time of 0 s"),
        ("Frame Time: 0.05", "Time: 0.05", "line 18: 'Time: 0.05' where 'Frame Time:'"),
        ("MOTION", "MOVES", "no MOTION section"),
        ("HIERARCHY\n", "", "line 1: 'ROOT' where HIERARCHY"),
        ("    }\n  }\n}", "    }\n  }\n", "'Hips' are not closed"),
        ("JOINT Arm", "BONE Arm", "line 6: unexpected 'BONE'"),
        ("JOINT Arm", "ROOT Arm", "line 6: ROOT inside a joint"),
        ("ROOT Hips", "ROOT", "line 2: a joint has no name"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "bad.bvh"
    path.write_text(ARM.replace(old, new, 1), "utf-8")
    with pytest.raises(InputError) as error:
        read_bvh(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


def test_a_file_cut_anywhere_is_an_input_error() -> None:
    for length in range(len(ARM) - 12):  # shorter than the last value of the last line
        with pytest.raises(InputError):
            parse_bvh(ARM[:length])


@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared motion capture here")
def test_bones_of_a_captured_person_keep_their_lengths() -> None:
    bvh = read_bvh(SHARED / "cmu_bvh" / "04.bvh").frames(1, 40)
    position = forward_kinematics(bvh).position
    assert bvh.frame_time_s == pytest.approx(1 / 3, rel=1e-4)
    for j, joint in enumerate(bvh.joints):
        if joint.parent >= 0:
            lengths = np.linalg.norm(position[:, j] - position[:, joint.parent], axis=1)
            np.testing.assert_allclose(lengths, np.linalg.norm(joint.offset), atol=1e-6)
