"""The one source of joint names, order, edges, mirror pairs and colours.

Fourteen keypoints as in the paper: head top, neck, and left/right shoulder, elbow, wrist, hip,
knee and ankle. Left and right are the dancer's. Data from elsewhere is matched to these **by
name**, never by index: AI Challenger and CrowdPose hold the same joints in other orders.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

SKELETON_ID: Final = "dance14-v1"

JOINTS: Final[tuple[str, ...]] = (
    "head_top",
    "neck",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
NUM_JOINTS: Final = len(JOINTS)
INDEX: Final[dict[str, int]] = {name: i for i, name in enumerate(JOINTS)}

HEAD_TOP: Final = INDEX["head_top"]
NECK: Final = INDEX["neck"]
HIPS: Final = (INDEX["left_hip"], INDEX["right_hip"])

# (parent, child), pointing away from the neck, which is the centre of the spatial partition.
EDGES: Final[tuple[tuple[int, int], ...]] = tuple(
    (INDEX[a], INDEX[b])
    for a, b in (
        ("neck", "head_top"),
        ("neck", "left_shoulder"),
        ("neck", "right_shoulder"),
        ("left_shoulder", "left_elbow"),
        ("right_shoulder", "right_elbow"),
        ("left_elbow", "left_wrist"),
        ("right_elbow", "right_wrist"),
        ("neck", "left_hip"),
        ("neck", "right_hip"),
        ("left_hip", "left_knee"),
        ("right_hip", "right_knee"),
        ("left_knee", "left_ankle"),
        ("right_knee", "right_ankle"),
    )
)

MIRROR_PAIRS: Final[tuple[tuple[int, int], ...]] = tuple(
    (INDEX[f"left_{part}"], INDEX[f"right_{part}"])
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
)


def _mirror_permutation() -> tuple[int, ...]:
    order = list(range(NUM_JOINTS))
    for left, right in MIRROR_PAIRS:
        order[left], order[right] = right, left
    return tuple(order)


# ``keypoints[..., MIRROR, :]`` swaps left and right; to be used whenever geometry is reflected.
MIRROR: Final[tuple[int, ...]] = _mirror_permutation()

# Ends of limbs: these get second-order rows in the local graph attention (SPEC: Eq 11).
DISTAL: Final[tuple[int, ...]] = tuple(
    INDEX[n] for n in ("head_top", "left_wrist", "right_wrist", "left_ankle", "right_ankle")
)

# RGB: the dancer's left in warm colours, right in cool ones, the axis in yellow.
LEFT_COLOUR: Final = (255, 112, 67)
RIGHT_COLOUR: Final = (66, 165, 245)
CENTRE_COLOUR: Final = (255, 213, 79)


def joint_colour(joint: int) -> tuple[int, int, int]:
    """RGB colour of a joint (and of the edge that ends in it)."""
    name = JOINTS[joint]
    if name.startswith("left_"):
        return LEFT_COLOUR
    return RIGHT_COLOUR if name.startswith("right_") else CENTRE_COLOUR


def hop_distance() -> NDArray[np.int64]:
    """Shortest path length between joints along ``EDGES``, shape (14, 14)."""
    distance = np.full((NUM_JOINTS, NUM_JOINTS), NUM_JOINTS, dtype=np.int64)
    np.fill_diagonal(distance, 0)
    for a, b in EDGES:
        distance[a, b] = distance[b, a] = 1
    for via in range(NUM_JOINTS):  # Floyd-Warshall
        distance = np.minimum(distance, distance[:, via : via + 1] + distance[via : via + 1, :])
    return distance
