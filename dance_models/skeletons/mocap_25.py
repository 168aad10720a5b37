"""25 joints in 3-D, as motion capture (CMU's, for one) has them.

The tree grows from the hips. Axes: x to one side, y up, z to the front; a unit of length of the
file's own. A mirror negates x, and augmentation turns poses about the vertical.
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

_SPINE: Final = ("hips", "spine", "chest", "neck", "head")
_LEGS: Final = both_sides("hip", "knee", "ankle", "foot", "toe")
_ARMS: Final = both_sides("collar", "shoulder", "elbow", "wrist", "hand")
_NAMES: Final = (*_SPINE, *_LEGS[0], *_LEGS[1], *_ARMS[0], *_ARMS[1])


def _numbers(*wanted: str) -> tuple[int, ...]:
    return joint_numbers(_NAMES, wanted)


def _edges() -> tuple[tuple[int, int], ...]:
    """Hips up the spine to the head; hips to the legs; chest to the arms."""
    chains = [_SPINE, *(("hips", *leg) for leg in _LEGS), *(("chest", *arm) for arm in _ARMS)]
    return chain_edges(_NAMES, chains)


MOCAP_25: Final = Skeleton(
    id="mocap25-v1",
    names=_NAMES,
    dimensions=3,
    edges=_edges(),
    centre=_NAMES.index("hips"),
    neck=_numbers("neck"),
    hips=_numbers("left_hip", "right_hip"),
    distal=_numbers("head", "left_toe", "right_toe", "left_hand", "right_hand"),
    mirror_pairs=side_pairs(_NAMES),
    parts=body_parts(_NAMES, _ARMS, _LEGS, (*_SPINE, "left_hip", "right_hip")),
    coarse_scales=(
        tuple(
            _numbers(*part)
            for part in (
                ("hips", "spine", "chest"),
                ("neck", "head"),
                *both_sides("collar", "shoulder"),
                *both_sides("elbow", "wrist", "hand"),
                *both_sides("hip", "knee"),
                *both_sides("ankle", "foot", "toe"),
            )
        ),
        tuple(_numbers(*part) for part in (_SPINE, *_ARMS, *_LEGS)),
    ),
    colours=side_colours(_NAMES),
    turn_plane=(0, 2),
)
