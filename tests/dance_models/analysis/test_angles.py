"""Angles of figures with known ones, and that none flips."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dance_models.analysis.angles import ANGLE_BY_NAME, ANGLES, angle_difference, angles
from dance_models.evidence import LANDMARKS
from dance_models.geometry import mirror_keypoints
from dance_models.skeleton import BLAZEPOSE_MIRROR, DANCE_14

Array = NDArray[np.float64]
WIDTH = 641
TILT = float(np.degrees(np.arctan2(10, 100)))  # of the trunk's sides
SIDED = [angle.name for angle in ANGLES if angle.name.startswith("left_")]
# Pixels, y down. The dancer faces the camera: the dancer's left is at the right of the picture.
JOINTS = {
    "head_top": (320, 40), "neck": (320, 100), "left_shoulder": (350, 100),
    "right_shoulder": (290, 100), "left_elbow": (410, 100), "right_elbow": (290, 160),
    "left_wrist": (410, 40), "right_wrist": (290, 220), "left_hip": (340, 200),
    "right_hip": (300, 200), "left_knee": (420, 200), "right_knee": (300, 280),
    "left_ankle": (420, 280), "right_ankle": (300, 360),
}  # fmt: skip
FEET = {
    "left_ankle": (420, 280), "right_ankle": (300, 360), "left_heel": (420, 288),
    "right_heel": (308, 368), "left_foot_index": (420, 320), "right_foot_index": (268, 368),
}  # fmt: skip


def figure(frames: int = 1) -> tuple[Array, Array]:
    """Left: elbow, hip and knee at right angles, foot on full pointe. Right: straight, flat."""
    pose = np.array([JOINTS[name] for name in DANCE_14.names], float)
    marks = np.full((len(LANDMARKS), 3), np.nan)
    for name, point in FEET.items():
        marks[LANDMARKS.index(name)] = *point, 1.0
    return np.tile(pose, (frames, 1, 1)), np.tile(marks, (frames, 1, 1))


def random_figures() -> tuple[Array, Array]:
    """Joints anywhere, in frames in which every angle is known."""
    rng = np.random.default_rng(3)
    poses, marks = rng.uniform(0, 640, (60, 14, 2)), rng.uniform(0, 640, (60, 33, 3))
    known = np.isfinite(list(angles(poses, marks).values())).all(axis=0)
    assert known.sum() > 30
    return poses[known], marks[known]


def close(found: dict[str, Array], expected: dict[str, Array]) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        difference = angle_difference(name, found[name], values)
        np.testing.assert_allclose(difference, 0, atol=1e-6, err_msg=name)


def test_known_angles() -> None:
    found = {name: float(values[0]) for name, values in angles(*figure()).items()}
    expected = {
        "left_elbow": 90, "right_elbow": 180, "left_knee": 90, "right_knee": 180,
        "left_pointe": 180, "right_pointe": 90, "left_ankle": 180, "leg_opening": 90,
        "trunk": 0, "shoulder_line": 0, "hip_line": 0,
        "right_hip": 180 - TILT, "left_hip": 90 - TILT,
        "right_shoulder": TILT, "left_shoulder": 90 + TILT,
        "right_ankle": 90 + np.degrees(np.arctan2(8, 32)),
    }  # fmt: skip
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-9), name
    assert found.keys() == ANGLE_BY_NAME.keys()


def test_a_line_is_positive_where_its_right_end_is_higher() -> None:
    poses, marks = figure()
    poses[:, DANCE_14.index["left_shoulder"], 1] -= 60  # at the right of the picture
    assert angles(poses, marks)["shoulder_line"][0] == pytest.approx(45)
    turned = poses[:, DANCE_14.mirror]  # the same picture of a dancer who faces away
    assert angles(turned, marks)["shoulder_line"][0] == pytest.approx(45)


def test_a_mirror_swaps_the_sides_and_the_sign_of_lines_alone() -> None:
    poses, marks = random_figures()
    mirrored = marks[:, list(BLAZEPOSE_MIRROR)]
    mirrored[..., 0] = WIDTH - 1 - mirrored[..., 0]
    seen, there = angles(poses, marks), angles(mirror_keypoints(poses, WIDTH), mirrored)
    expected = {}
    for name, values in seen.items():
        side, _, rest = name.partition("_")
        other = {"left": f"right_{rest}", "right": f"left_{rest}"}.get(side, name)
        expected[other] = -values if ANGLE_BY_NAME[name].kind == "level" else values
    close(there, {name: expected[name] for name in there})


def test_a_dancer_who_faces_away_has_the_same_angles_on_the_other_sides() -> None:
    poses, marks = random_figures()
    seen = angles(poses, marks)
    swapped = angles(poses[:, DANCE_14.mirror], marks[:, list(BLAZEPOSE_MIRROR)])
    for name in SIDED:
        other = name.replace("left_", "right_")
        np.testing.assert_allclose(swapped[other], seen[name])
    for name in ("trunk", "shoulder_line", "hip_line", "leg_opening"):
        np.testing.assert_allclose(swapped[name], seen[name], atol=1e-9)


@pytest.mark.parametrize("degrees", [17.0, 90.0, 180.0, 271.0])
def test_a_turn_of_the_picture_leaves_interior_angles(degrees: float) -> None:
    poses, marks = random_figures()
    a = np.radians(degrees)
    turn = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])  # counter-clockwise, y down
    moved = marks.copy()
    moved[..., :2] = marks[..., :2] @ turn.T
    seen, turned = angles(poses, marks), angles(poses @ turn.T, moved)
    for angle in ANGLES:
        if angle.kind == "between":
            np.testing.assert_allclose(turned[angle.name], seen[angle.name], atol=1e-6)
    lines = ("shoulder_line", "hip_line")
    close({n: turned[n] for n in lines}, {n: seen[n] + degrees for n in lines})
    turned_by = turned["trunk"]
    assert ((turned_by >= 0) & (turned_by <= 180)).all()


def test_a_bone_that_turns_all_the_way_never_jumps() -> None:
    """Signed angles jump by 360 degrees here, which is what users of them complain about."""
    frames = 361
    poses, marks = figure(frames)
    a = np.radians(np.arange(frames))
    knee = poses[:, DANCE_14.index["right_knee"]]
    poses[:, DANCE_14.index["right_ankle"]] = knee + 80 * np.stack([np.cos(a), np.sin(a)], 1)
    found = angles(poses, marks)
    for name in ("right_knee", "right_pointe", "right_ankle"):
        assert np.abs(np.diff(found[name])).max() == pytest.approx(1.0, abs=1e-6), name
    assert found["right_knee"].max() == pytest.approx(180)
    assert found["right_knee"].min() == pytest.approx(0, abs=1e-6)


def test_values_are_within_their_limits() -> None:
    for name, values in angles(*random_figures()).items():
        low, high = ANGLE_BY_NAME[name].limits
        assert ((values >= low) & (values <= high)).all(), name


def test_a_missing_joint_makes_its_angles_unknown_and_no_others() -> None:
    poses, marks = figure(2)
    poses[1, DANCE_14.index["left_knee"]] = np.nan
    found = angles(poses, marks)
    unknown = {name for name, values in found.items() if np.isnan(values[1])}
    assert unknown == {"left_hip", "left_knee", "left_ankle", "left_pointe", "leg_opening"}
    assert all(np.isfinite(values[0]) for values in found.values())


@pytest.mark.parametrize("length", [0.0, 4.9])
def test_a_bone_without_a_direction_makes_its_angles_unknown(length: float) -> None:
    poses, marks = figure()
    elbow = poses[0, DANCE_14.index["left_elbow"]]
    # The torso is 100 pixels.
    poses[0, DANCE_14.index["left_wrist"]] = elbow + np.array([0, length])
    found = angles(poses, marks)
    assert [name for name, values in found.items() if np.isnan(values[0])] == ["left_elbow"]


def test_without_a_torso_and_without_landmarks() -> None:
    poses, _ = figure()
    poses[0, DANCE_14.index["neck"]] = np.nan
    found = angles(poses, np.zeros((1, 0, 3)))
    unknown = {name for name, values in found.items() if np.isnan(values[0])}
    assert unknown == {"trunk"} | {angle.name for angle in ANGLES if angle.of_feet}
    assert {values.shape for values in angles(poses[:0], np.zeros((0, 33, 3))).values()} == {(0,)}


def test_lines_near_the_vertical_differ_by_the_shorter_way() -> None:
    assert angle_difference("hip_line", np.array([89.0]), np.array([-89.0])) == pytest.approx(-2)
    assert angle_difference("left_knee", np.array([170.0]), np.array([10.0])) == pytest.approx(160)
