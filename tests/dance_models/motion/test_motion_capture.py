"""Captures in 3-D: BVH and joint positions give the same marks."""

from pathlib import Path

import numpy as np
import pytest
from motion_cases import ARM, person_bvh, standing
from rendered_cases import person

from dance_models.errors import InputError
from dance_models.motion.bvh import read_bvh
from dance_models.motion.capture import (
    CMU_38,
    CMU_38_PARENTS,
    MARK,
    MARKS,
    holds_positions,
    read_captures,
)
from dance_models.motion.forward import forward_kinematics, rest_positions
from dance_models.motion.read import read_source


def _positions(folder: Path, bvh: Path, **extra: object) -> Path:
    """The person of a BVH as an array of positions, the rest pose first."""
    read = read_bvh(bvh)
    moved = forward_kinematics(read).position
    poses = np.concatenate([rest_positions(read)[None], moved[1:]])
    arrays = {
        "walk": poses,
        "joint_names": np.array([joint.name for joint in read.joints]),
        "parents": np.array([joint.parent for joint in read.joints]),
        "fps": np.array(30.0),
    } | extra
    np.savez(folder / "person.npz", **arrays)  # type: ignore[arg-type]
    return folder / "person.npz"


def test_a_bvh_stands_with_z_up_and_the_left_at_x(tmp_path: Path) -> None:
    capture = person(tmp_path, frames=40)
    assert capture.fps == pytest.approx(30, rel=1e-4)
    assert capture.marks.shape == (39, len(MARKS), 3)  # without the first frame
    rest = capture.rest
    assert rest[MARK["neck"]][2] > rest[MARK["left_hip"]][2] > rest[MARK["left_ankle"]][2]
    assert rest[MARK["left_wrist"]][0] > 0 > rest[MARK["right_wrist"]][0]
    assert rest[MARK["left_hip"]][0] > 0
    assert np.isnan(rest[MARK["left_toe"]]).all()  # this file has no toes
    assert np.isfinite(capture.marks[:, : MARK["left_toe"]]).all()
    neck = capture.marks[:, [MARK["left_shoulder"], MARK["right_shoulder"]]].mean(axis=1)
    np.testing.assert_allclose(capture.marks[:, MARK["neck"]], neck)


def test_positions_are_read_like_the_bvh_they_come_from(tmp_path: Path) -> None:
    capture = person(tmp_path, frames=40)
    path = _positions(tmp_path, tmp_path / "person_1.bvh")
    assert holds_positions(path)
    (found,) = read_captures(path, "person.npz", 60.0)
    assert (found.name, found.group, found.fps) == ("person.npz:walk", "person.npz:walk", 30.0)
    np.testing.assert_allclose(found.rest, capture.rest, atol=1e-9)
    np.testing.assert_allclose(found.marks, capture.marks, atol=1e-9)


def test_38_joints_without_names_are_cmus() -> None:
    assert len(CMU_38) == len(CMU_38_PARENTS) == 38
    assert all(parent < i for i, parent in enumerate(CMU_38_PARENTS))
    parent_of = {name: CMU_38[p] for name, p in zip(CMU_38, CMU_38_PARENTS, strict=True)}
    assert parent_of["ltibia"] == "lfemur"
    assert parent_of["rwrist"] == "rradius"
    assert parent_of["lclavicle"] == parent_of["rclavicle"] == "thorax"
    assert parent_of["lthumb"] == "lwrist"


def test_38_joints_are_read_with_toes_and_spine(tmp_path: Path) -> None:
    rest = np.zeros((38, 3))
    for i, (name, parent) in enumerate(zip(CMU_38, CMU_38_PARENTS, strict=True)):
        side = {"l": 1, "r": -1}.get(name[0], 0)
        if parent < 0:
            continue
        step = {
            "femur": (100 * side, -100, 0), "tibia": (0, -400, 0), "foot": (0, -400, 0),
            "toes": (0, -40, 150), "upperback": (0, 140, 0), "thorax": (0, 140, 0),
            "upperneck": (0, 100, 0), "head": (0, 100, 0), "humerus": (200 * side, 50, 0),
            "radius": (300 * side, 0, 0), "wrist": (250 * side, 0, 0),
        }  # fmt: skip
        sided = name[1:] if name[1:] in step and name[0] in "lr" else name
        rest[i] = rest[parent] + step.get(sided, (0, 0, 0))
    rest[CMU_38.index("head") + 1] += (0, 100, 0)  # the end of the head
    np.savez(tmp_path / "cmu.npz", **{"train/walk_1": np.repeat(rest[None], 9, axis=0)})
    (capture,) = read_captures(tmp_path / "cmu.npz", "cmu.npz", 60.0)
    assert (capture.fps, capture.name) == (60.0, "cmu.npz:train/walk_1")
    np.testing.assert_allclose(
        capture.rest[MARK["left_toe"]] - capture.rest[MARK["left_ankle"]], (0, -150, -40)
    )
    assert capture.rest[MARK["head_top"]][2] == pytest.approx(580)
    assert np.isfinite(capture.rest).all()
    assert capture.rest[MARK["right_wrist"]][0] == pytest.approx(-750)


def test_positions_are_also_seen_through_virtual_cameras(tmp_path: Path) -> None:
    person(tmp_path, frames=61)
    path = _positions(tmp_path, tmp_path / "person_1.bvh")
    clips = read_source(path, "person.npz")
    assert [clip.name for clip in clips] == [f"person.npz:walk:view{v}" for v in range(3)]
    assert {(clip.source, clip.kind, len(clip)) for clip in clips} == {
        ("person.npz:walk", "positions", 60)
    }
    head, ankle = clips[0].keypoints[:, 0, 1], clips[0].keypoints[:, 12, 1]
    assert (head < ankle).mean() > 0.9  # y points down


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "arm.bvh").write_text(ARM, "utf-8")
    with pytest.raises(InputError, match=r"arm.bvh: no joint is named like left_shoulder"):
        read_captures(tmp_path / "arm.bvh", "arm.bvh", 60.0)
    np.save(tmp_path / "track.npy", np.stack([standing()] * 5))
    assert not holds_positions(tmp_path / "track.npy")
    (tmp_path / "broken.npz").write_bytes(b"not an array")
    assert not holds_positions(tmp_path / "broken.npz")
    with pytest.raises(InputError, match=r"broken.npz: is not a readable array"):
        read_captures(tmp_path / "broken.npz", "broken.npz", 60.0)
    (tmp_path / "short.bvh").write_text(person_bvh(2), "utf-8")
    with pytest.raises(InputError, match=r"short.bvh: fewer than two frames"):
        read_captures(tmp_path / "short.bvh", "short.bvh", 60.0)
