"""What BlazePose says about each of its landmarks beside the position: the evidence.

A pose estimator errs, and some of what it computes on the way tells where: how far a second pass
on the mirrored crop lands from the first, how high and how wide the heat map's peak is, how deep in
space it puts the landmark. This module says what the numbers are and in which order
(:data:`EVIDENCE`); everything that makes, stores, turns or reads them goes by these names.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.skeleton import Skeleton, joint_numbers

# BlazePose's 33 landmarks; left and right are the person's.
LANDMARKS: Final[tuple[str, ...]] = (
    "nose",
    *(f"left_eye_{p}" if p != "eye" else "left_eye" for p in ("inner", "eye", "outer")),
    *(f"right_eye_{p}" if p != "eye" else "right_eye" for p in ("inner", "eye", "outer")),
    "left_ear",
    "right_ear",
    "mouth_left",
    "mouth_right",
    *(
        f"{side}_{part}"
        for part in ("shoulder", "elbow", "wrist", "pinky", "index", "thumb")
        for side in ("left", "right")
    ),
    *(
        f"{side}_{part}"
        for part in ("hip", "knee", "ankle", "heel", "foot_index")
        for side in ("left", "right")
    ),
)

# The E numbers of each landmark. Positions and lengths are in pixels of the image; the world is in
# metres about the middle of the hips, x right and y down in the image, z away from the camera. The
# mirrored pass is un-mirrored: the numbers of a landmark are of the same body part in both passes.
# NaN: not known (the columns ``mirrored_...`` without a mirrored pass).
EVIDENCE: Final[tuple[str, ...]] = (
    "mirrored_x",
    "mirrored_y",
    "mirrored_visibility",  # 0..1
    "presence",  # 0..1: the landmark lies inside the crop
    "depth",  # pixels, about the hips
    "world_x",
    "world_y",
    "world_z",
    "mirrored_world_x",
    "mirrored_world_y",
    "mirrored_world_z",
    "peak",  # 0..1: of the heat map near the landmark
    "spread",  # pixels: standard deviation of the heat map about its centre
)
NUM_EVIDENCE: Final = len(EVIDENCE)


def columns(*names: str) -> list[int]:
    """The places of some columns of :data:`EVIDENCE`. Raises ValueError on an unknown name."""
    return [EVIDENCE.index(name) for name in names]


MIRRORED_XY: Final = columns("mirrored_x", "mirrored_y")
WORLD: Final = columns("world_x", "world_y", "world_z")
MIRRORED_WORLD: Final = columns("mirrored_world_x", "mirrored_world_y", "mirrored_world_z")
# Pairs that turn with the image, and lengths that grow with it.
WORLD_XY: Final = (WORLD[:2], MIRRORED_WORLD[:2])
_PIXELS: Final = ("depth", "spread")
LENGTHS: Final = columns(*_PIXELS)


# The F numbers of each joint that networks read, made from the evidence by :func:`joint_evidence`.
# 0 where not known; ``known`` and ``mirrored_known`` say which are.
JOINT_EVIDENCE: Final[tuple[str, ...]] = (
    "shift_x",  # torso lengths, from the straight to the mirrored pass
    "shift_y",
    "world_x",  # metres, mean of the passes there are
    "world_y",
    "world_z",
    "depth",  # torso lengths
    "presence",
    "peak",
    "spread",  # torso lengths
    "shift",  # torso lengths, how far the passes are apart
    "world_shift",  # metres
    "mirrored_visibility",
    "known",  # 0 or 1
    "mirrored_known",  # 0 or 1
)
NUM_JOINT_EVIDENCE: Final = len(JOINT_EVIDENCE)
_JOINT: Final = {name: i for i, name in enumerate(JOINT_EVIDENCE)}
# Places in it: pairs that turn with the window, lengths, and what the mirrored pass alone tells.
JOINT_VECTORS: Final = (
    [_JOINT["shift_x"], _JOINT["shift_y"]],
    [_JOINT["world_x"], _JOINT["world_y"]],
)
JOINT_LENGTHS: Final = [_JOINT[n] for n in ("shift_x", "shift_y", "depth", "spread", "shift")]
OF_MIRRORED: Final = [
    _JOINT[n] for n in ("shift_x", "shift_y", "shift", "world_shift", "mirrored_visibility")
]
_OF_STRAIGHT: Final = [
    _JOINT[n] for n in ("world_x", "world_y", "world_z", "presence", "peak", *_PIXELS)
]
KNOWN, MIRRORED_KNOWN = _JOINT["known"], _JOINT["mirrored_known"]
# What says which frame to trust: how wide the peak is, how far the passes are apart, and whether
# that is known.
TRUST: Final = [_JOINT[name] for name in ("spread", "shift", "known", "mirrored_known")]


def no_evidence(*frames: int) -> NDArray[np.float32]:
    """(*frames, 0, E): the evidence of an estimator that gives none."""
    return np.zeros((*frames, 0, NUM_EVIDENCE), np.float32)


def turned(
    evidence: NDArray[np.float32], matrix: NDArray[np.floating], scale: float = 1.0
) -> NDArray[np.float32]:
    """Evidence (..., L, E) of an image that was turned or mirrored, and enlarged by ``scale``.

    ``matrix`` (2, 2) is the rotation or reflection. The positions of the mirrored pass are left as
    they are: they move as all positions in the image do. Left and right are not swapped.
    """
    moved = evidence.copy()
    for pair in WORLD_XY:
        moved[..., pair] = evidence[..., pair] @ np.asarray(matrix, np.float32).T
    moved[..., LENGTHS] *= np.float32(scale)
    return moved


def joint_sources(skeleton: Skeleton) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How the joints of a skeleton follow from the landmarks: two matrices (J, L), rows sum to 1.

    The first is for coordinates: a joint that the estimator derives (``Skeleton.derivations``, from
    their first sources) is the same mixture here. The second is for other numbers, such as a
    presence: the mean over the landmarks that the joint is made of, without the origin that it is
    extrapolated from. A row is 0 where the estimator has no such joint.
    """
    places = {name: i for i, name in enumerate(LANDMARKS)}
    position = {name: _unit(i) for name, i in places.items()}
    value = dict(position)
    for derivation in skeleton.derivations:
        group = derivation.sources[0]
        if not position.keys() >= {*group, *([derivation.origin] if derivation.origin else [])}:
            continue
        middle = np.mean([position[name] for name in group], axis=0)
        value[derivation.joint] = np.mean([value[name] for name in group], axis=0)
        origin = position[derivation.origin] if derivation.origin else middle
        position[derivation.joint] = origin + derivation.reach * (middle - origin)
    absent = np.zeros(len(LANDMARKS))
    of_position, of_value = (
        np.stack([found.get(name, absent) for name in skeleton.names]).astype(np.float32)
        for found in (position, value)
    )
    return of_position, of_value


def joint_evidence(
    landmarks: NDArray[np.floating],
    evidence: NDArray[np.floating],
    scale: NDArray[np.floating],
    skeleton: Skeleton,
) -> NDArray[np.float32]:
    """(T, J, F), what :data:`JOINT_EVIDENCE` names, of landmarks (T, L, 3) and evidence (T, L, E).

    ``scale`` (T,) is in pixels a torso length. All 0 where the landmarks are not BlazePose's.
    """
    found = np.zeros((len(landmarks), skeleton.num_joints, NUM_JOINT_EVIDENCE), np.float32)
    if landmarks.shape[1] != len(LANDMARKS) or evidence.shape[1] != len(LANDMARKS):
        return found
    of_position, of_value = joint_sources(skeleton)

    def put(values: NDArray[np.floating], *names: str) -> None:
        found[..., [_JOINT[name] for name in names]] = values

    for name in ("presence", "peak", "mirrored_visibility", *_PIXELS):
        mixed = _mixed(of_value, evidence[..., EVIDENCE.index(name), None])
        put(mixed / (scale[:, None, None] if name in _PIXELS else 1), name)
    apart = evidence[..., MIRRORED_XY] - landmarks[..., :2]
    apart = _mixed(of_position, apart) / scale[:, None, None]
    put(apart, "shift_x", "shift_y")
    put(np.linalg.norm(apart, axis=-1, keepdims=True), "shift")
    world, other = (_mixed(of_position, evidence[..., at]) for at in (WORLD, MIRRORED_WORLD))
    twice = np.isfinite(other).all(axis=-1, keepdims=True)
    put(np.where(twice, (world + other) / 2, world), "world_x", "world_y", "world_z")
    put(np.linalg.norm(other - world, axis=-1, keepdims=True), "world_shift")
    known = np.asarray(np.isfinite(found[..., _OF_STRAIGHT]).all(axis=-1)) & of_value.any(axis=1)
    mirrored = known & np.asarray(np.isfinite(found[..., OF_MIRRORED]).all(axis=-1))
    found[..., OF_MIRRORED] = np.where(mirrored[..., None], found[..., OF_MIRRORED], 0)
    found[..., KNOWN], found[..., MIRRORED_KNOWN] = known, mirrored
    return np.where(known[..., None], found, 0).astype(np.float32)


def _mixed(weights: NDArray[np.floating], values: NDArray[np.floating]) -> NDArray[np.floating]:
    """(J, L) weights of (T, L, C) values; NaN only where a landmark that counts is NaN."""
    unknown = (weights != 0).astype(np.float32) @ np.isnan(values).astype(np.float32) > 0
    return np.where(unknown, np.nan, weights @ np.nan_to_num(values))


def shown_landmarks(skeleton: Skeleton) -> NDArray[np.bool_]:
    """(J, L) which landmarks show a joint: its own one, or those that it alone is derived from."""
    shown = np.zeros((skeleton.num_joints, len(LANDMARKS)), bool)
    for joint, name in enumerate(skeleton.names):
        if name in LANDMARKS:
            shown[joint, LANDMARKS.index(name)] = True
    for derivation in skeleton.derivations:
        sources = {name for group in derivation.sources for name in group}
        alone = joint_numbers(LANDMARKS, sources - set(skeleton.names))
        shown[skeleton.index[derivation.joint], list(alone)] = True
    return shown


def _unit(landmark: int) -> NDArray[np.float64]:
    row = np.zeros(len(LANDMARKS))
    row[landmark] = 1
    return row
