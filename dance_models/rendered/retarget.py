"""From the marks of a capture to the pose of a body: rotations of the trunk, directions of limbs.

A body keeps its own proportions. The trunk turns as the capture's trunk turned from its rest pose,
so that it does not matter where a file places its hips, spine and shoulders.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.demo.body import Trunk, about, swing, unit
from dance_models.motion.capture import MARK

Array = NDArray[np.float64]

# Limb -> the marks from which and to which it points.
_LIMBS: Final = {
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
    "thigh": ("hip", "knee"),
    "shin": ("knee", "ankle"),
    "foot": ("ankle", "toe"),
}
_SIDES: Final = (("l_", "left_"), ("r_", "right_"))
_FOOT_DROP: Final = 0.35  # of an invented foot: how far it points down, for 1 to the front


@dataclass(frozen=True, eq=False)
class RestFrames:
    """Rotations (3, 3) of pelvis, chest and head in a capture's rest pose, from facing -y."""

    pelvis: Array
    chest: Array
    head: Array


@dataclass(frozen=True, eq=False)
class BodyPose:
    """What :meth:`dance_models.demo.body.Body.pose` takes, without the place."""

    trunk: Trunk
    limbs: Mapping[str, Array]


def rest_frames(rest: Array) -> RestFrames:
    """How the trunk is turned in the rest pose (M, 3), with whichever heading it has."""
    pelvis, chest, head = _trunk(rest)
    lateral = rest[MARK["left_hip"]] - rest[MARK["right_hip"]]
    heading = _frame(lateral * (1, 1, 0), np.array([0.0, 0.0, 1.0]))
    # Turned back by the heading: then the same pose of a body that faces -y.
    return RestFrames(*(heading.T @ part for part in (pelvis, chest, head)))


def body_pose(marks: Array, rest: RestFrames, glance_deg: float = 0.0) -> BodyPose:
    """The pose of marks (M, 3); ``glance_deg`` turns the head, which marks do not tell."""
    pelvis, chest, head = _trunk(marks)
    turned = [now @ before.T for now, before in zip(
        (pelvis, chest, head), (rest.pelvis, rest.chest, rest.head), strict=True
    )]  # fmt: skip
    turned[2] = turned[2] @ about("z", glance_deg)
    limbs = {
        short + limb: unit(marks[MARK[side + to]] - marks[MARK[side + start]])
        for short, side in _SIDES
        for limb, (start, to) in _LIMBS.items()
    }
    for short, _ in _SIDES:
        if not np.isfinite(limbs[f"{short}foot"]).all():
            limbs[f"{short}foot"] = _invented_foot(turned[0], limbs[f"{short}shin"])
    return BodyPose(Trunk(*turned), limbs)


def _trunk(marks: Array) -> tuple[Array, Array, Array]:
    """Frames of pelvis, chest and head: the columns point to the left, to the back and up."""
    hips = (marks[MARK["left_hip"]] + marks[MARK["right_hip"]]) / 2
    neck, spine = marks[MARK["neck"]], marks[MARK["spine"]]
    if not np.isfinite(spine).all():
        spine = (hips + neck) / 2
    pelvis = _frame(marks[MARK["left_hip"]] - marks[MARK["right_hip"]], spine - hips)
    across = marks[MARK["left_shoulder"]] - marks[MARK["right_shoulder"]]
    chest = _frame(across, neck - spine)
    up = chest @ np.array([0.0, 0.0, 1.0])
    head = swing(up, marks[MARK["head_top"]] - neck) @ chest
    return pelvis, chest, head


def _frame(lateral: Array, up: Array) -> Array:
    """The rotation whose x is ``lateral`` and whose z is as near to ``up`` as can be."""
    x = unit(lateral)
    z = unit(up - (up @ x) * x)
    return np.stack([x, np.cross(z, x), z], axis=1)


def _invented_foot(pelvis: Array, shin: Array) -> Array:
    """A foot that points to where the pelvis faces, square to the shin and a little down it."""
    front = pelvis @ np.array([0.0, -1.0, 0.0])
    return unit(unit(front - (front @ shin) * shin) + _FOOT_DROP * shin)
