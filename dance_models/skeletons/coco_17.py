"""COCO's 17 keypoints in 2-D: face, shoulders, elbows, wrists, hips, knees and ankles.

Neck and pelvis are no joints here: the torso goes from the middle of the shoulders to the middle
of the hips. The tree grows from the nose, as in PYSKL's graph of these joints.
"""

from typing import Final

from dance_models.skeleton import (
    BLAZEPOSE_MIRROR,
    Skeleton,
    body_parts,
    both_sides,
    chain_edges,
    joint_numbers,
    side_colours,
    side_pairs,
)

_NAMES: Final = (
    "nose",
    *(f"{side}_{part}" for part in ("eye", "ear") for side in ("left", "right")),
    *(f"{side}_{part}" for part in ("shoulder", "elbow", "wrist") for side in ("left", "right")),
    *(f"{side}_{part}" for part in ("hip", "knee", "ankle") for side in ("left", "right")),
)
_FACE: Final = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_ARMS: Final = both_sides("shoulder", "elbow", "wrist")
_LEGS: Final = both_sides("hip", "knee", "ankle")


def _numbers(*wanted: str) -> tuple[int, ...]:
    return joint_numbers(_NAMES, wanted)


def _edges() -> tuple[tuple[int, int], ...]:
    """Nose to eyes to ears; nose to shoulders, and from there along arms and legs."""
    chains = (
        ("nose", "eye", "ear"),
        ("nose", "shoulder", "elbow", "wrist"),
        ("shoulder", "hip", "knee", "ankle"),
    )
    named = (
        [part if part == "nose" else f"{side}_{part}" for part in chain]
        for chain in chains
        for side in ("left", "right")
    )
    return chain_edges(_NAMES, named)


COCO_17: Final = Skeleton(
    id="coco17-v1",
    names=_NAMES,
    dimensions=2,
    edges=_edges(),
    centre=_NAMES.index("nose"),
    neck=_numbers("left_shoulder", "right_shoulder"),
    hips=_numbers("left_hip", "right_hip"),
    distal=_numbers(
        "left_ear", "right_ear", "left_wrist", "right_wrist", "left_ankle", "right_ankle"
    ),
    mirror_pairs=side_pairs(_NAMES),
    parts=body_parts(
        _NAMES, _ARMS, _LEGS, (*_FACE, "left_shoulder", "right_shoulder", "left_hip", "right_hip")
    ),
    coarse_scales=(
        tuple(
            _numbers(*part)
            for part in (
                _FACE,
                *both_sides("shoulder"),
                *both_sides("elbow", "wrist"),
                *both_sides("hip"),
                *both_sides("knee", "ankle"),
            )
        ),
        tuple(_numbers(*part) for part in (_FACE, *_ARMS, *_LEGS)),
    ),
    colours=side_colours(_NAMES),
    landmark_mirror=BLAZEPOSE_MIRROR,
)
