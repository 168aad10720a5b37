"""Mapping motion capture joints, in any of several naming schemes, to a skeleton's joints.

Names are compared without case, punctuation and name space (``mixamorig:LeftArm`` is
``leftarm``). Several namings are known, and the one that explains most joints is taken as a
whole: ``LeftShoulder`` is the shoulder in one and the collar bone in the next.

``neck`` falls back to the middle of the shoulders. ``head_top`` is a joint of that name, else the
End Site of the head. A head without either gets a point ``HEAD_LENGTH`` rest torsos above it,
along the spine of the rest pose, that turns with the head.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.errors import InputError
from dance_models.geometry import pelvis
from dance_models.metrics.torso import torso_length
from dance_models.motion.bvh import Bvh
from dance_models.motion.forward import JointMotion, forward_kinematics, rest_positions
from dance_models.skeleton import DANCE_14, Skeleton

Array = NDArray[np.float64]

HEAD_LENGTH: Final = 0.4

_LIMBS: Final = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_LEFT_RIGHT: Final = ("left", "right")
_L_R: Final = ("l", "r")


def _naming(sides: tuple[str, str], parts: str) -> dict[str, str]:
    """Our name -> theirs; ``parts`` in the order of ``_LIMBS``."""
    return {
        f"{ours}_{limb}": theirs + part
        for ours, theirs in zip(_LEFT_RIGHT, sides, strict=True)
        for limb, part in zip(_LIMBS, parts.split(), strict=True)
    }


NAMINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "MotionBuilder or Mixamo": _naming(_LEFT_RIGHT, "arm forearm hand upleg leg foot"),
    "Poser or DAZ": _naming(_L_R, "shldr forearm hand thigh shin foot"),
    "Acclaim": _naming(_L_R, "humerus radius wrist femur tibia foot"),
    "Biped": _naming(_L_R, "upperarm forearm hand thigh calf foot"),
    "anatomical": _naming(_LEFT_RIGHT, "shoulder elbow wrist hip knee ankle"),
}
_NECK_NAMES: Final = ("neck", "lowerneck", "neckbase", "neck1")
_HEAD_NAMES: Final = ("head",)
_HEAD_TOP_NAMES: Final = ("headtopend", "headtop", "headend", "headnub")
_PREFIX: Final = re.compile(r"^(mixamorig|bip)\d*")


@dataclass(frozen=True)
class BodyMap:
    """Which joints of a file are those of the skeleton."""

    naming: str
    index: Mapping[str, int]  # our name (and "head") -> joint of the file
    missing: tuple[str, ...]  # joints of the skeleton that can be neither read nor derived


def plain_name(name: str) -> str:
    """``mixamorig:Left_Arm`` and ``LeftArm`` are both ``leftarm``."""
    return _PREFIX.sub("", re.sub(r"[^0-9a-z]", "", name.rsplit(":", 1)[-1].lower()))


def body_map(bvh: Bvh, skeleton: Skeleton = DANCE_14) -> BodyMap:
    """Match joints by name. Joints that are not found are missing, never guessed by position."""
    places: dict[str, int] = {}
    for i, joint in enumerate(bvh.joints):
        if not joint.is_end:
            places.setdefault(plain_name(joint.name), i)
    naming = max(NAMINGS, key=lambda n: sum(name in places for name in NAMINGS[n].values()))
    index = {ours: places[name] for ours, name in NAMINGS[naming].items() if name in places}
    for ours, names in (("neck", _NECK_NAMES), ("head", _HEAD_NAMES)):
        if found := [places[name] for name in names if name in places]:
            index[ours] = found[0]
    top = [places[name] for name in _HEAD_TOP_NAMES if name in places]
    top += [i for i, joint in enumerate(bvh.joints) if _tops(bvh, i, index.get("head"))]
    if top:
        index["head_top"] = top[0]
    derived = {"neck"} if {"left_shoulder", "right_shoulder"} <= index.keys() else set()
    if {"head", "left_hip", "right_hip"} <= index.keys() and (derived or "neck" in index):
        derived.add("head_top")
    missing = tuple(j for j in skeleton.names if j not in index and j not in derived)
    return BodyMap(naming, index, missing)


def _tops(bvh: Bvh, joint: int, head: int | None) -> bool:
    """Whether the joint is an End Site of the head at a distance from it."""
    site = bvh.joints[joint]
    return site.is_end and site.parent == head and any(site.offset)


def body_joints(bvh: Bvh, body: BodyMap | None = None, skeleton: Skeleton = DANCE_14) -> Array:
    """(T, J, 3) the skeleton's joints in the file's axes and unit; NaN for missing ones.

    Raises InputError when a shoulder or hip is missing: then the naming is unknown.
    """
    body = body or body_map(bvh, skeleton)
    if lost := [j for j in body.missing if j.endswith(("shoulder", "hip"))]:
        raise InputError(
            f"no joint is named like {', '.join(lost)}",
            hint=f"Known namings: {', '.join(NAMINGS)}",
        )
    motion = forward_kinematics(bvh)
    ours, place = _pick(motion.position, body, skeleton), skeleton.index
    if "head_top" in place and "head_top" not in body.index and "head" in body.index:
        ours[:, place["head_top"]] = _above_head(bvh, motion, body)
    return ours


def _pick(position: Array, body: BodyMap, skeleton: Skeleton) -> Array:
    """Joints of the file (..., F, 3) -> (..., J, 3), the neck derived where the file has none."""
    ours, place = np.full((*position.shape[:-2], skeleton.num_joints, 3), np.nan), skeleton.index
    for name, joint in body.index.items():
        if name in place:
            ours[..., place[name], :] = position[..., joint, :]
    if "neck" in place and "neck" not in body.index:
        shoulders = [place["left_shoulder"], place["right_shoulder"]]
        ours[..., place["neck"], :] = ours[..., shoulders, :].mean(axis=-2)
    return ours


def _above_head(bvh: Bvh, motion: JointMotion, body: BodyMap) -> Array:
    rest = _pick(rest_positions(bvh), body, DANCE_14)
    torso = float(torso_length(rest))
    up = (rest[DANCE_14.index["neck"]] - pelvis(rest)) / max(torso, 1e-9)
    head = body.index["head"]
    turned = motion.rotation[:, head] @ (up * HEAD_LENGTH * torso)
    return np.asarray(motion.position[:, head] + turned)
