"""What the recognition network reads, as one tensor.

One packed tensor instead of six, because a served model takes one input. Per frame: for each of
the 14 joints the nine ``FEATURES``, then ``landmarks`` times x, y, visibility. Coordinates are in
torso lengths about the window's centre, velocities in torso lengths per 1/25 s.
"""

from typing import Final, NamedTuple

from torch import Tensor

from dance_models.skeleton import NUM_JOINTS

# P, keypoint flow, velocity, acceleration (x and y each), confidence.
FEATURES: Final = 9
JOINT_WIDTH: Final = NUM_JOINTS * FEATURES


class RefinerInput(NamedTuple):
    """The unpacked input."""

    pose: Tensor  # (B, T, 14, 2)
    flow: Tensor  # (B, T, 14, 2)
    velocity: Tensor  # (B, T, 14, 2)
    acceleration: Tensor  # (B, T, 14, 2)
    confidence: Tensor  # (B, T, 14)
    landmarks: Tensor  # (B, T, L, 3)


def packed_width(landmarks: int) -> int:
    """Numbers a frame with ``landmarks`` extra landmarks."""
    return JOINT_WIDTH + 3 * landmarks


def unpack(packed: Tensor, landmarks: int) -> RefinerInput:
    """(B, T, packed_width) -> its parts."""
    joints = packed[..., :JOINT_WIDTH].reshape(*packed.shape[:-1], NUM_JOINTS, FEATURES)
    extra = packed[..., JOINT_WIDTH : packed_width(landmarks)]
    return RefinerInput(
        pose=joints[..., 0:2],
        flow=joints[..., 2:4],
        velocity=joints[..., 4:6],
        acceleration=joints[..., 6:8],
        confidence=joints[..., 8],
        landmarks=extra.reshape(*packed.shape[:-1], landmarks, 3),
    )
