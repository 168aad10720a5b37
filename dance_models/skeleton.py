"""What a skeleton is, and ``DANCE_14``, the default one.

Everything that depends on the joints of a corpus is a field of one :class:`Skeleton`: names and
order, the graph, the torso, the mirror pairs, the colours. Another skeleton is another object (see
``dance_models/skeletons``), not another program. Joints from elsewhere are matched **by name**,
never by index: AI Challenger and CrowdPose have the same joints in other orders.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

Joints = tuple[int, ...]  # joint numbers
Colour = tuple[int, int, int]  # RGB, 0..255

# The dancer's left in warm colours, right in cool ones, the body axis in yellow.
LEFT_COLOUR: Final[Colour] = (255, 112, 67)
RIGHT_COLOUR: Final[Colour] = (66, 165, 245)
CENTRE_COLOUR: Final[Colour] = (255, 213, 79)

# The other side's landmark of each of BlazePose's 33: nose, then left and right eyes, ears and
# mouth; from 11 on, left and right alternate.
BLAZEPOSE_MIRROR: Final[Joints] = (
    0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9,
    *(i + 1 if i % 2 else i - 1 for i in range(11, 33)),
)  # fmt: skip
BLAZEPOSE_ARMS: Final[Joints] = tuple(range(13, 23))
BLAZEPOSE_LEGS: Final[Joints] = tuple(range(25, 33))


@dataclass(frozen=True)
class BodyParts:
    """The five parts of HBRNN's first layer, as joint numbers. A joint may be in several."""

    left_arm: Joints
    right_arm: Joints
    left_leg: Joints
    right_leg: Joints
    trunk: Joints

    @property
    def limbs(self) -> tuple[Joints, Joints, Joints, Joints]:
        """Arms, then legs, left before right."""
        return self.left_arm, self.right_arm, self.left_leg, self.right_leg


@dataclass(frozen=True)
class Derivation:
    """How a joint that an estimator lacks follows from joints that it has.

    With m the mean of the first group of ``sources`` whose joints are all known, the joint is m,
    or ``origin + reach * (m - origin)`` where an ``origin`` is named. Its score is the lowest of
    the joints it comes from; it is missing when the origin or all groups are.
    """

    joint: str
    sources: tuple[tuple[str, ...], ...]
    origin: str | None = None
    reach: float = 1.0


@dataclass(frozen=True)
class Skeleton:
    """J joints in D dimensions. Joints are numbered from 0 in the order of ``names``.

    Raises ValueError when the fields contradict each other.
    """

    id: str  # stored with tables and checkpoints
    names: tuple[str, ...]
    dimensions: int  # 2 (image axes: x right, y down) or 3 (x to one side, y up or down, z)
    edges: tuple[tuple[int, int], ...]  # (parent, child), a tree; parents come before children
    centre: int  # root of the tree, and centre of ST-GCN's spatial partition
    neck: Joints  # upper end of the torso: the mean of these
    hips: Joints  # lower end of the torso (the pelvis): the mean of these
    distal: Joints  # ends of limbs: second-order rows in the local graph attention (Eq 11)
    mirror_pairs: tuple[tuple[int, int], ...]  # (left, right)
    parts: BodyParts  # of HBRNN
    coarse_scales: tuple[tuple[Joints, ...], tuple[Joints, ...]]  # of DMGNN: bones, then limbs
    colours: tuple[Colour, ...]  # of each joint and of the edge that ends in it
    derivations: tuple[Derivation, ...] = ()  # in this order: one may build on those before it
    landmark_mirror: Joints = ()  # the other side's landmark of each that the estimator reports
    arm_landmarks: Joints = ()  # the landmarks of elbows, wrists and hands, both sides
    leg_landmarks: Joints = ()  # of knees, ankles and feet
    lateral_axis: int = 0  # the coordinate that a mirror negates
    turn_plane: tuple[int, int] = (0, 1)  # the two coordinates that augmentation rotates

    def __post_init__(self) -> None:
        """Check the fields against each other."""
        if len(set(self.names)) != self.num_joints:
            raise ValueError(f"{self.id}: two joints have the same name")
        if self.dimensions not in {2, 3}:
            raise ValueError(f"{self.id}: {self.dimensions} dimensions, expected 2 or 3")
        if max(self.lateral_axis, *self.turn_plane) >= self.dimensions:
            raise ValueError(f"{self.id}: an axis beyond the {self.dimensions} dimensions")
        reached = {self.centre}
        for parent, child in self.edges:
            if parent not in reached or child in reached:
                raise ValueError(f"{self.id}: the edges are no tree that grows from the centre")
            reached.add(child)
        if reached != set(range(self.num_joints)):
            raise ValueError(f"{self.id}: not all joints are reached by edges from the centre")
        if sorted(self.mirror) != list(range(self.num_joints)):
            raise ValueError(f"{self.id}: a joint is in two mirror pairs")
        if len(self.colours) != self.num_joints:
            raise ValueError(f"{self.id}: {len(self.colours)} colours, {self.num_joints} joints")

    @property
    def num_joints(self) -> int:
        """J."""
        return len(self.names)

    @property
    def num_landmarks(self) -> int:
        """How many landmarks the estimator reports beside the joints."""
        return len(self.landmark_mirror)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Joint number of each name."""
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def mirror(self) -> Joints:
        """``keypoints[..., mirror, :]`` swaps left and right; use it with every reflection."""
        order = list(range(self.num_joints))
        for left, right in self.mirror_pairs:
            order[left], order[right] = right, left
        return tuple(order)

    @property
    def reflection(self) -> tuple[int, ...]:
        """Factor of each coordinate under a mirror, such as (-1, 1)."""
        return tuple(-1 if axis == self.lateral_axis else 1 for axis in range(self.dimensions))

    def hop_distance(self) -> NDArray[np.int64]:
        """Shortest path length between joints along the edges, shape (J, J)."""
        count = self.num_joints
        distance = np.full((count, count), count, dtype=np.int64)
        np.fill_diagonal(distance, 0)
        for a, b in self.edges:
            distance[a, b] = distance[b, a] = 1
        for via in range(count):  # Floyd-Warshall
            distance = np.minimum(distance, distance[:, via : via + 1] + distance[via : via + 1, :])
        return distance


def side_pairs(names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """(left, right) of all joints named ``left_...`` and ``right_...``, in the order of names."""
    place = {name: i for i, name in enumerate(names)}
    return tuple(
        (i, place["right_" + name.removeprefix("left_")])
        for name, i in place.items()
        if name.startswith("left_")
    )


def side_colours(names: Sequence[str]) -> tuple[Colour, ...]:
    """Colour of each joint by the side that its name begins with."""
    sides = {"left": LEFT_COLOUR, "right": RIGHT_COLOUR}
    return tuple(sides.get(name.split("_")[0], CENTRE_COLOUR) for name in names)


def joint_numbers(names: Sequence[str], wanted: Iterable[str]) -> Joints:
    """The numbers of the joints called ``wanted``. Raises KeyError for a name that is not there."""
    place = {name: i for i, name in enumerate(names)}
    return tuple(place[name] for name in wanted)


def chain_edges(
    names: Sequence[str], chains: Iterable[Sequence[str]]
) -> tuple[tuple[int, int], ...]:
    """(parent, child) along chains of joint names. Raises KeyError for a name that is not there."""
    pairs = (pair for chain in chains for pair in pairwise(joint_numbers(names, chain)))
    return tuple(pairs)


def both_sides(*parts: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of a chain of joints on the left and on the right."""
    left, right = (tuple(f"{side}_{part}" for part in parts) for side in ("left", "right"))
    return left, right


def body_parts(
    names: Sequence[str],
    arms: tuple[Sequence[str], Sequence[str]],
    legs: tuple[Sequence[str], Sequence[str]],
    trunk: Sequence[str],
) -> BodyParts:
    """The parts from the names of their joints; arms and legs left, then right.

    Raises KeyError for a name that is not there.
    """
    return BodyParts(*(joint_numbers(names, part) for part in (*arms, *legs, trunk)))


_NAMES: Final = (
    "head_top", "neck", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee",
    "left_ankle", "right_ankle",
)  # fmt: skip
_EDGES: Final = (
    ("neck", "head_top"),
    ("neck", "left_shoulder"), ("neck", "right_shoulder"),
    ("left_shoulder", "left_elbow"), ("right_shoulder", "right_elbow"),
    ("left_elbow", "left_wrist"), ("right_elbow", "right_wrist"),
    ("neck", "left_hip"), ("neck", "right_hip"),
    ("left_hip", "left_knee"), ("right_hip", "right_knee"),
    ("left_knee", "left_ankle"), ("right_knee", "right_ankle"),
)  # fmt: skip
_HEAD: Final = ("head_top", "neck")
_ARMS: Final = both_sides("shoulder", "elbow", "wrist")
_LEGS: Final = both_sides("hip", "knee", "ankle")


def _numbers(*wanted: str) -> Joints:
    return joint_numbers(_NAMES, wanted)


# The paper's keypoints: head top, neck, and left and right shoulder, elbow, wrist, hip, knee and
# ankle. Left and right are the dancer's.
DANCE_14: Final[Skeleton] = Skeleton(
    id="dance14-v1",
    names=_NAMES,
    dimensions=2,
    edges=tuple((_NAMES.index(a), _NAMES.index(b)) for a, b in _EDGES),
    centre=_NAMES.index("neck"),
    neck=_numbers("neck"),
    hips=_numbers("left_hip", "right_hip"),
    distal=_numbers("head_top", "left_wrist", "right_wrist", "left_ankle", "right_ankle"),
    mirror_pairs=side_pairs(_NAMES),
    parts=body_parts(_NAMES, _ARMS, _LEGS, (*_HEAD, "left_hip", "right_hip")),
    coarse_scales=(
        tuple(
            _numbers(*part)
            for part in (
                _HEAD,
                *both_sides("shoulder"),
                *both_sides("elbow", "wrist"),
                *both_sides("hip"),
                *both_sides("knee", "ankle"),
            )
        ),
        tuple(_numbers(*part) for part in (_HEAD, *_ARMS, *_LEGS)),
    ),
    colours=side_colours(_NAMES),
    derivations=(
        Derivation("neck", (("left_shoulder", "right_shoulder"),)),
        # The ears lie a little above half way between the base of the neck and the vertex. This
        # is a proxy: the ``calibrated`` row of the reports measures its systematic offset.
        Derivation(
            "head_top",
            (("left_ear", "right_ear"), ("left_ear",), ("right_ear",), ("nose",)),
            origin="neck",
            reach=1.9,
        ),
    ),
    landmark_mirror=BLAZEPOSE_MIRROR,
    arm_landmarks=BLAZEPOSE_ARMS,
    leg_landmarks=BLAZEPOSE_LEGS,
)
