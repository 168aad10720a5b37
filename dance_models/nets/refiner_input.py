"""The input of the recognition networks, packed into one tensor.

One tensor instead of seven, because a served model takes one input. Per frame: for each of the J
joints its ``joint_features``, then for each of L landmarks its D coordinates and its visibility,
then for each joint its evidence (:data:`dance_models.evidence.JOINT_EVIDENCE`), when it is read.
Coordinates are in torso lengths about the window's centre, velocities in torso lengths per 1/25 s.
"""

from typing import NamedTuple

from torch import Tensor

from dance_models.evidence import NUM_JOINT_EVIDENCE
from dance_models.skeleton import DANCE_14, Skeleton


class RefinerInput(NamedTuple):
    """The unpacked input."""

    pose: Tensor  # (B, T, J, D)
    flow: Tensor  # (B, T, J, D)
    velocity: Tensor  # (B, T, J, D)
    acceleration: Tensor  # (B, T, J, D)
    confidence: Tensor  # (B, T, J)
    landmarks: Tensor  # (B, T, L, D + 1)
    evidence: Tensor  # (B, T, J, F), or (B, T, J, 0) when it is not read


def joint_features(skeleton: Skeleton = DANCE_14) -> int:
    """Numbers a joint: D each of pose, keypoint flow, velocity, acceleration; the confidence."""
    return 4 * skeleton.dimensions + 1


def joint_width(skeleton: Skeleton = DANCE_14) -> int:
    """Numbers a frame of all joints together; the landmarks come after them."""
    return skeleton.num_joints * joint_features(skeleton)


def landmark_features(skeleton: Skeleton = DANCE_14) -> int:
    """Numbers a landmark: D coordinates and its visibility."""
    return skeleton.dimensions + 1


def evidence_features(evidence: bool) -> int:
    """F, the numbers of a joint's evidence; 0 when it is not read."""
    return NUM_JOINT_EVIDENCE if evidence else 0


def packed_width(landmarks: int, skeleton: Skeleton = DANCE_14, evidence: bool = False) -> int:
    """Numbers a frame with ``landmarks`` landmarks of the estimator and perhaps the evidence."""
    width = joint_width(skeleton) + landmark_features(skeleton) * landmarks
    return width + skeleton.num_joints * evidence_features(evidence)


def unpack(
    packed: Tensor, landmarks: int, skeleton: Skeleton = DANCE_14, evidence: bool = False
) -> RefinerInput:
    """(B, T, packed_width) -> its parts."""
    width, axes = joint_width(skeleton), skeleton.dimensions
    joints = packed[..., :width].reshape(*packed.shape[:-1], skeleton.num_joints, -1)
    stop = packed_width(landmarks, skeleton)
    extra = packed[..., width:stop]
    last = packed[..., stop : packed_width(landmarks, skeleton, evidence)]
    features = evidence_features(evidence)
    pose, flow, velocity, acceleration = (joints[..., i * axes : (i + 1) * axes] for i in range(4))
    return RefinerInput(
        pose=pose,
        flow=flow,
        velocity=velocity,
        acceleration=acceleration,
        confidence=joints[..., 4 * axes],
        landmarks=extra.reshape(*packed.shape[:-1], landmarks, landmark_features(skeleton)),
        evidence=last.reshape(*packed.shape[:-1], skeleton.num_joints, features),
    )
