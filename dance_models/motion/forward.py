"""Forward kinematics of BVH, all frames at once.

A joint's rotation is the product of its rotation channels **in file order**, applied to column
vectors: ``Zrotation Xrotation Yrotation`` is Rz Rx Ry. A position channel replaces that
coordinate of the offset.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dance_models.motion.bvh import Bvh, BvhJoint

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class JointMotion:
    """Positions and rotations of J joints (End Sites included), in the file's axes."""

    position: Array  # (T, J, 3)
    rotation: Array  # (T, J, 3, 3) from the joint's own axes to the world's


def forward_kinematics(bvh: Bvh) -> JointMotion:
    """Positions and rotations of every joint in every frame."""
    frames, count = len(bvh.motion), len(bvh.joints)
    position = np.zeros((frames, count, 3))
    rotation = np.zeros((frames, count, 3, 3))
    first = 0
    for j, joint in enumerate(bvh.joints):
        values = bvh.motion[:, first : first + len(joint.channels)]
        first += len(joint.channels)
        offset, turn = _local(joint, values)
        if joint.parent < 0:
            position[:, j], rotation[:, j] = offset, turn
            continue
        parent = rotation[:, joint.parent]
        position[:, j] = position[:, joint.parent] + (parent @ offset[..., None])[..., 0]
        rotation[:, j] = parent @ turn
    return JointMotion(position, rotation)


def rest_positions(bvh: Bvh) -> Array:
    """(J, 3) joints with no rotation and every joint at its offset."""
    position = np.zeros((len(bvh.joints), 3))
    for j, joint in enumerate(bvh.joints):
        position[j] = joint.offset
        if joint.parent >= 0:
            position[j] += position[joint.parent]
    return position


def _local(joint: BvhJoint, values: Array) -> tuple[Array, Array]:
    """(T, 3) translation and (T, 3, 3) rotation relative to the parent."""
    offset = np.tile(np.asarray(joint.offset, np.float64), (len(values), 1))
    turn = np.tile(np.eye(3), (len(values), 1, 1))
    for channel, value in zip(joint.channels, values.T, strict=True):
        axis = "xyz".index(channel[0])
        if channel.endswith("position"):
            offset[:, axis] = value
        else:
            turn = turn @ _about(axis, np.deg2rad(value))
    return offset, turn


def _about(axis: int, angle: Array) -> Array:
    """(T,) radians -> (T, 3, 3) right-handed rotations about one axis."""
    matrix = np.zeros((len(angle), 3, 3))
    after, last = (axis + 1) % 3, (axis + 2) % 3
    matrix[:, axis, axis] = 1
    matrix[:, after, after] = matrix[:, last, last] = np.cos(angle)
    matrix[:, last, after] = np.sin(angle)
    matrix[:, after, last] = -matrix[:, last, after]
    return matrix
