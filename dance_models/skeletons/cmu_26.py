"""The 25 moving joints of the CMU motion-prediction benchmark, and the fixed root, in 3-D.

The benchmark's files have 38 joints. It predicts 25 of them; the others are the root, the hips,
and copies of a joint at the same place (:data:`SOURCE_JOINTS` says which of the 38 are these).
Knees and lower spine hang on the root here. Axes: x to the left, y up, z to the front; millimetres.
"""

from typing import Final

from dance_models.skeleton import (
    Skeleton,
    body_parts,
    both_sides,
    chain_edges,
    joint_numbers,
    side_colours,
    side_pairs,
)

_SPINE: Final = ("root", "spine", "chest", "neck", "head", "head_top")
_LEGS: Final = both_sides("knee", "ankle", "toe_base", "toe")
_ARMS: Final = both_sides("shoulder", "elbow", "wrist", "hand", "fingers", "thumb")
_NAMES: Final = (*_SPINE, *_LEGS[0], *_LEGS[1], *_ARMS[0], *_ARMS[1])

# The number of each joint among the benchmark's 38, in the order of the names.
SOURCE_JOINTS: Final = (
    0, 14, 15, 17, 18, 19,
    3, 4, 5, 6, 9, 10, 11, 12,
    21, 22, 23, 25, 26, 28, 30, 31, 32, 34, 35, 37,
)  # fmt: skip


def _numbers(*wanted: str) -> tuple[int, ...]:
    return joint_numbers(_NAMES, wanted)


def _edges() -> tuple[tuple[int, int], ...]:
    """Root up the spine to the head; root to the legs; chest to the arms; wrist to the thumb."""
    chains: list[tuple[str, ...]] = [_SPINE, *(("root", *leg) for leg in _LEGS)]
    for *arm, thumb in _ARMS:
        chains += [("chest", *arm), (arm[2], thumb)]
    return chain_edges(_NAMES, chains)


CMU_26: Final = Skeleton(
    id="cmu26-v1",
    names=_NAMES,
    dimensions=3,
    edges=_edges(),
    centre=_NAMES.index("root"),
    neck=_numbers("neck"),
    hips=_numbers("root"),
    distal=_numbers(
        "head_top",
        *(f"{side}_{end}" for side in ("left", "right") for end in ("toe", "fingers", "thumb")),
    ),
    mirror_pairs=side_pairs(_NAMES),
    parts=body_parts(_NAMES, _ARMS, _LEGS, _SPINE),
    coarse_scales=(
        tuple(
            _numbers(*part)
            for part in (
                ("root", "spine", "chest"),
                ("neck", "head", "head_top"),
                *both_sides("shoulder", "elbow"),
                *both_sides("wrist", "hand", "fingers", "thumb"),
                *both_sides("knee"),
                *both_sides("ankle", "toe_base", "toe"),
            )
        ),
        tuple(_numbers(*part) for part in (_SPINE, *_ARMS, *_LEGS)),
    ),
    colours=side_colours(_NAMES),
    turn_plane=(0, 2),
)
