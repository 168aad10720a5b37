"""Captured motion in 3-D: BVH, and arrays of joint positions, as the marks that move a body.

The same marks are projected through virtual cameras (:mod:`dance_models.motion.read`) and rendered
(:mod:`dance_models.rendered`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.arrays import load_arrays
from dance_models.errors import InputError, guarded
from dance_models.motion.body_joints import BodyMap, body_joints, body_map, plain_name
from dance_models.motion.bvh import END_SITE, Bvh, BvhJoint, read_bvh
from dance_models.motion.camera import upright
from dance_models.motion.forward import forward_kinematics, rest_positions
from dance_models.skeleton import DANCE_14

Array = NDArray[np.float64]

# What moves a body: the joints, the toes, and a point of the spine between hips and shoulders.
MARKS: Final = (*DANCE_14.names, "left_toe", "right_toe", "spine")
MARK: Final[Mapping[str, int]] = {name: i for i, name in enumerate(MARKS)}
_SPINES: Final = ("chest", "spine1", "upperback", "thorax", "spine", "abdomen")
_NEEDED: Final = tuple(
    f"{side}_{part}"
    for side in ("left", "right")
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
)
_LEAST_FRAMES: Final = 2
_MOST_FPS: Final = 10_000.0

# The 38 joints of the CMU arrays that the motion prediction papers use; a bone's name is where it
# begins. Parents come first.
_LEG: Final = ("hipjoint", "femur", "tibia", "foot", "toes", END_SITE)
_HAND: Final = ("clavicle", "humerus", "radius", "wrist", "hand", "fingers", END_SITE, "thumb")
_SPINE: Final = ("lowerback", "upperback", "thorax", "lowerneck", "upperneck", "head", END_SITE)


def _sided(side: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name if name == END_SITE else side + name for name in names)


CMU_38: Final = (
    "root",
    *_sided("l", _LEG),
    *_sided("r", _LEG),
    *_SPINE,
    *_sided("l", (*_HAND, END_SITE)),
    *_sided("r", (*_HAND, END_SITE)),
)
CMU_38_PARENTS: Final = (
    -1, 0, 1, 2, 3, 4, 5, 0, 7, 8, 9, 10, 11, 0, 13, 14, 15, 16, 17, 18,
    15, 20, 21, 22, 23, 24, 25, 23, 27, 15, 29, 30, 31, 32, 33, 34, 32, 36,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Capture:
    """One take. Axes: z up, right-handed; the unit of length is the file's."""

    name: str  # unique
    group: str  # the take, which decides the split
    fps: float
    marks: Array  # (T, M, 3) in the order of MARKS; NaN for toes and spine that the file lacks
    rest: Array  # (M, 3) the pose in which the body stands upright, arms anywhere

    @property
    def seconds(self) -> float:
        """Length."""
        return (len(self.marks) - 1) / self.fps


def read_captures(path: Path, source: str, positions_fps: float) -> list[Capture]:
    """The takes of a BVH or of an ``.npy``/``.npz`` of joint positions, without their first frame.

    An array is (T, J, 3) with parents before children, its first frame a rest pose. An ``.npz``
    may hold several takes, and ``joint_names`` and ``parents`` of all of them, and ``fps``;
    38 joints without names are CMU's. Raises InputError naming the file: unreadable, no such
    array, or a limb that is missing.
    """
    try:
        with guarded("motion", path):
            if path.suffix.lower() == ".bvh":
                return [_of_bvh(path, source)]
            return list(_of_arrays(path, source, positions_fps))
    except InputError as error:
        named = InputError(error.message, file=path, joint=error.joint, hint=error.hint)
        raise (error if error.file else named) from error


def holds_positions(path: Path) -> bool:
    """Whether an ``.npy`` or ``.npz`` is of joint positions, not of tracks in pixels."""
    try:
        stored = load_arrays(path)
    except InputError:
        return False
    first = next(iter(stored.values()), np.zeros(0))
    return "joint_names" in stored or first.shape[1:] == (len(CMU_38), 3)


def _of_bvh(path: Path, source: str) -> Capture:
    bvh = read_bvh(path)
    body = _complete(bvh)
    position = forward_kinematics(bvh).position
    joints = np.concatenate([body_joints(bvh, body), position[:, _extra(bvh, body)]], axis=1)
    rest = rest_positions(bvh)
    # A joint that is derived, such as the top of the head, has no place in the rest pose.
    standing = np.concatenate([_matched(rest, body), rest[_extra(bvh, body)]])
    return _capture(source, source, 1 / bvh.frame_time_s, joints, standing)


def _of_arrays(path: Path, source: str, fps: float) -> Iterator[Capture]:
    arrays = load_arrays(path)
    try:
        names = [str(n) for n in arrays.pop("joint_names", np.array(CMU_38))]
        parents = [int(p) for p in arrays.pop("parents", np.array(CMU_38_PARENTS))]
        fps = float(arrays.pop("fps", np.array(fps)))
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"joint_names, parents or fps are of a wrong kind ({error})") from error
    if not 0 < fps <= _MOST_FPS:
        raise InputError(f"{fps:g} frames/s cannot be")
    if any(not -1 <= parent < place for place, parent in enumerate(parents)):
        raise InputError("parents do not come before their children")
    takes = {k: a for k, a in arrays.items() if a.ndim == 3 and a.shape[1:] == (len(names), 3)}
    if not takes or len(parents) != len(names):
        raise InputError(
            f"no array of shape (T, {len(names)}, 3)",
            hint="Add joint_names and parents to the .npz",
        )
    for name, array in takes.items():
        positions = np.asarray(array, np.float64)
        offset = positions[0] - np.where(np.array(parents)[:, None] < 0, 0, positions[0, parents])
        joints = tuple(
            BvhJoint(n, p, (float(o[0]), float(o[1]), float(o[2])), ())
            for n, p, o in zip(names, parents, offset, strict=True)
        )
        bvh = Bvh(joints, 1 / fps, np.zeros((1, 0)))
        body = _complete(bvh)
        chosen = np.concatenate(
            [_matched(positions, body), positions[:, _extra(bvh, body)]], axis=1
        )
        take = f"{source}:{name}" if name else source
        yield _capture(take, take, fps, chosen, chosen[0])


def _complete(bvh: Bvh) -> BodyMap:
    body = body_map(bvh)
    if lost := [joint for joint in _NEEDED if joint not in body.index]:
        raise InputError(f"no joint is named like {', '.join(lost)}")
    return body


def _matched(positions: Array, body: BodyMap) -> Array:
    """(..., F, 3) -> (..., 14, 3): the joints that the file has, the neck between the shoulders."""
    found = np.full((*positions.shape[:-2], DANCE_14.num_joints, 3), np.nan)
    for name, joint in body.index.items():
        if name in DANCE_14.index:
            found[..., DANCE_14.index[name], :] = positions[..., joint, :]
    return found


def _extra(bvh: Bvh, body: BodyMap) -> list[int]:
    """Joints of the file that are the toes and the spine; the ankle or the hips in their place."""
    rest = rest_positions(bvh)
    extra = []
    for side in ("left", "right"):
        ankle = body.index[f"{side}_ankle"]
        below = [i for i, joint in enumerate(bvh.joints) if joint.parent == ankle]
        extra.append(max(below, key=lambda i: _length(rest[i] - rest[ankle]), default=ankle))
    places = {plain_name(joint.name): i for i, joint in enumerate(bvh.joints)}
    spine = next((places[name] for name in _SPINES if name in places), body.index["left_hip"])
    return [*extra, spine]


def _length(vector: Array) -> float:
    return float(np.linalg.norm(vector))


def _capture(name: str, group: str, fps: float, marks: Array, rest: Array) -> Capture:
    """Check the length, mark what the file lacks, and turn z up."""
    if len(marks) <= _LEAST_FRAMES:
        raise InputError("fewer than two frames after the first")
    both = np.concatenate([rest[None], marks[1:]])
    for extra, instead in (("left_toe", "left_ankle"), ("right_toe", "right_ankle")):
        same = np.allclose(rest[MARK[extra]], rest[MARK[instead]])
        both[:, MARK[extra]] = np.nan if same else both[:, MARK[extra]]
    if np.allclose(rest[MARK["spine"]], rest[MARK["left_hip"]]):
        both[:, MARK["spine"]] = np.nan
    both[:, MARK["neck"]] = (both[:, MARK["left_shoulder"]] + both[:, MARK["right_shoulder"]]) / 2
    if not np.isfinite(both[0, MARK["head_top"]]).all():
        hips = (both[0, MARK["left_hip"]] + both[0, MARK["right_hip"]]) / 2
        both[0, MARK["head_top"]] = both[0, MARK["neck"]] + 0.6 * (both[0, MARK["neck"]] - hips)
    y_up = upright(both)  # the marks begin with the joints of the default skeleton
    z_up = np.stack([y_up[..., 0], -y_up[..., 2], y_up[..., 1]], axis=-1)
    return Capture(name, group, fps, z_up[1:], z_up[0])
