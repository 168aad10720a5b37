"""Angles of the body in the picture, defined so that none can flip.

All are of the projection onto the picture, in degrees. An interior angle is the unsigned one
between two bones, 0 to 180: it is the same whichever way the dancer faces and the toes point. The
shoulder and hip lines have a sign, and are lines without a direction: they too are the same whether
the dancer faces the camera or not.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from dance_models.evidence import LANDMARKS
from dance_models.geometry import pelvis
from dance_models.metrics.torso import median_torso
from dance_models.skeleton import DANCE_14

Array = NDArray[np.floating]
Kind = Literal["between", "upright", "level"]

DEGREES: Final = "deg"
# Torso lengths (median of the clip). The direction of a shorter line is not known: the estimator
# misplaces half of the joints by about as much.
SHORTEST: Final = 0.05


@dataclass(frozen=True)
class AngleDefinition:
    """An angle of one or two lines, each from one point to another.

    A point is a joint of the pose, the middle of two (``hips``), or ``foot:``, a landmark of the
    estimator. ``between`` is the unsigned angle between two lines, ``upright`` that of a line from
    straight up, ``level`` the angle of a line without a direction from the horizontal.
    """

    name: str
    words: str
    kind: Kind
    lines: tuple[tuple[str, str], ...]
    definition: str
    unit: str = DEGREES

    @property
    def joints(self) -> tuple[str, ...]:
        """The points it is made of, each once."""
        return tuple(dict.fromkeys(point for line in self.lines for point in line))

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the largest value that it can have."""
        return (-90.0, 90.0) if self.kind == "level" else (0.0, 180.0)

    @property
    def of_feet(self) -> bool:
        """Whether it needs the estimator's landmarks of the foot."""
        return any(point.startswith(_FOOT) for point in self.joints)


_FOOT: Final = "foot:"


def _interior(side: str, name: str, joints: tuple[str, str, str], words: str) -> AngleDefinition:
    """At the second of three joints of one side."""
    first, vertex, last = (f"{side}_{joint}" for joint in joints)
    definition = f"At the {words}; {_STRAIGHT[name]}."
    lines = ((vertex, first), (vertex, last))
    return AngleDefinition(f"{side}_{name}", f"{side} {name}", "between", lines, definition)


_STRAIGHT: Final = {
    "elbow": "180 is a straight arm",
    "shoulder": "0 is an arm along the trunk, 180 one straight up",
    "hip": "180 is a thigh in line with the trunk",
    "knee": "180 is a straight leg",
}


def _of_side(side: str) -> tuple[AngleDefinition, ...]:
    shank, foot = f"{side}_knee", f"{_FOOT}{side}_foot_index"
    ankle, heel = f"{side}_ankle", f"{_FOOT}{side}_heel"
    return (
        _interior(side, "elbow", ("shoulder", "elbow", "wrist"), "elbow, upper arm to forearm"),
        _interior(side, "shoulder", ("hip", "shoulder", "elbow"), "shoulder, trunk to upper arm"),
        _interior(side, "hip", ("shoulder", "hip", "knee"), "hip, trunk to thigh"),
        _interior(side, "knee", ("hip", "knee", "ankle"), "knee, thigh to shank"),
        AngleDefinition(
            f"{side}_ankle",
            f"{side} ankle",
            "between",
            ((ankle, shank), (f"{_FOOT}{side}_ankle", foot)),
            "At the ankle, shank to the line from ankle to toes; it grows as the foot is pointed.",
        ),
        AngleDefinition(
            f"{side}_pointe",
            f"{side} pointe",
            "between",
            ((ankle, shank), (heel, foot)),
            "Shank to sole, from heel to toes; 90 is a flat foot below an upright shank, 180 full "
            "pointe.",
        ),
    )


def _ordered() -> tuple[AngleDefinition, ...]:
    """Left beside right, then those of the whole body."""
    sides = zip(_of_side("left"), _of_side("right"), strict=True)
    return (
        *(definition for pair in sides for definition in pair),
        AngleDefinition(
            "trunk",
            "trunk lean",
            "upright",
            (("hips", "neck"),),
            "Line from mid-hip to neck from straight up; 0 is upright, 90 level, 180 upside down.",
        ),
        AngleDefinition(
            "shoulder_line",
            "shoulder line",
            "level",
            (("left_shoulder", "right_shoulder"),),
            "Line through the shoulders from the horizontal; positive where its end at the right "
            "of the picture is higher.",
        ),
        AngleDefinition(
            "hip_line",
            "hip line",
            "level",
            (("left_hip", "right_hip"),),
            "Line through the hips from the horizontal; positive where its end at the right of the "
            "picture is higher.",
        ),
        # Of the thighs: an attitude or a passe opens the hips as far with a bent knee, and knees
        # are estimated better than ankles.
        AngleDefinition(
            "leg_opening",
            "leg opening",
            "between",
            (("left_hip", "left_knee"), ("right_hip", "right_knee")),
            "Between the two thighs; 0 is parallel, 180 a split. A bent knee does not change it.",
        ),
    )


ANGLES: Final[tuple[AngleDefinition, ...]] = _ordered()
ANGLE_BY_NAME: Final[Mapping[str, AngleDefinition]] = {angle.name: angle for angle in ANGLES}


def angle_terms(names: Iterable[str]) -> dict[str, str]:
    """What the angles called ``names`` are, in words, by their words without a side."""
    found = {}
    for definition in (ANGLE_BY_NAME[name] for name in names):
        words = definition.words.removeprefix("left ").removeprefix("right ")
        found[words[:1].upper() + words[1:]] = definition.definition
    return found


def angles(poses: Array, landmarks: Array) -> dict[str, NDArray[np.float64]]:
    """Every angle of :data:`ANGLES` by name, (T,) degrees each; NaN where it is not known.

    ``poses`` is (T, 14, 2) in pixels, y down, NaN where missing. ``landmarks`` is (T, 33, 3), with
    the sides exchanged back as in ``poses``; with (T, 0, 3) the angles of the feet are NaN. Of
    ankle and pointe, the shank is of ``poses`` and the foot of ``landmarks``.

    A line that is shorter than :data:`SHORTEST` of the median torso gives NaN, and so does one of
    length 0 where no torso is known.
    """
    torso = median_torso(poses)
    least = SHORTEST * torso if np.isfinite(torso) else 0.0
    found: dict[str, NDArray[np.float64]] = {}
    for definition in ANGLES:
        lines = [
            _line(_point(poses, landmarks, start), _point(poses, landmarks, end), least)
            for start, end in definition.lines
        ]
        found[definition.name] = _VALUES[definition.kind](lines)
    return found


def angle_difference(name: str, value: Array, reference: Array) -> NDArray[np.float64]:
    """``value`` minus ``reference`` in degrees, any shape, of the angle called ``name``.

    The shorter way about for a line without a direction: 89 and -89 degrees differ by 2. Raises
    KeyError on an unknown name.
    """
    difference = np.asarray(value, np.float64) - reference
    if ANGLE_BY_NAME[name].kind != "level":
        return np.asarray(difference)
    return np.asarray(_folded(difference))


def _point(poses: Array, landmarks: Array, name: str) -> NDArray[np.float64]:
    """(T, 2) pixels; NaN where it is missing."""
    if name == "hips":
        return np.asarray(pelvis(np.asarray(poses, np.float64)))
    if not name.startswith(_FOOT):
        return np.asarray(poses[:, DANCE_14.index[name]], np.float64)
    if not landmarks.shape[1]:
        return np.full((len(poses), 2), np.nan)
    return np.asarray(landmarks[:, LANDMARKS.index(name.removeprefix(_FOOT)), :2], np.float64)


def _line(start: Array, end: Array, least: float) -> NDArray[np.float64]:
    """(T, 2) from start to end; NaN where it is too short for its direction to be known."""
    line = np.asarray(end - start, np.float64)
    length = np.linalg.norm(line, axis=-1, keepdims=True)
    return np.where(length > least, line, np.nan)


def _between(lines: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """atan2(|a x b|, a . b): unsigned, and exact near 0 and 180, where acos is not."""
    a, b = lines
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return np.asarray(np.degrees(np.arctan2(np.abs(cross), (a * b).sum(axis=-1))))


def _from_up(lines: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    (line,) = lines
    return _between([line, np.broadcast_to(np.array([0.0, -1.0]), line.shape)])


def _from_level(lines: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    (line,) = lines
    return _folded(np.degrees(np.arctan2(-line[:, 1], line[:, 0])))


def _folded(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """To (-90, 90]: what a line without a direction can have."""
    return np.asarray(90 - np.mod(90 - degrees, 180))


_Values = Callable[[list[NDArray[np.float64]]], NDArray[np.float64]]
_VALUES: Final[Mapping[Kind, _Values]] = {
    "between": _between,
    "upright": _from_up,
    "level": _from_level,
}
