"""How joints, coordinates and sizes are recognised in any format."""

import math
import re
import reprlib
from collections.abc import Collection, Sequence
from typing import Final

from dance_models.errors import InputError
from dance_models.skeleton import DANCE_14

# Names that other tools and data sets give to our joints, after :func:`_plain`.
_ALIASES: Final[dict[str, str]] = {
    "head": "head_top",
    "headtop": "head_top",
    "tophead": "head_top",
    "headtip": "head_top",
    "upperneck": "neck",
    "headbottom": "neck",
    "bottomhead": "neck",
}
_PARTS: Final = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_FACE_PARTS: Final = ("eye", "ear")
# Joints of larger skeletons; some are what DANCE_14's derivations start from.
FACE: Final = frozenset({"nose", "left_eye", "right_eye", "left_ear", "right_ear"})


# Joint names and, in the same order, x, y and visibility as the file states them.
Columns = tuple[Sequence[object], Sequence[tuple[object, object, object]]]


def shown(value: object) -> str:
    """A short rendering of any value in a file, however long or deep it is."""
    return reprlib.repr(value)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def canonical_joint(name: object) -> str | None:
    """Our name of a joint, None when it is not one of the skeleton's.

    Knows left_knee, l_knee, LKnee, "Left Knee", knee_left, knee-l and the like.
    """
    if not isinstance(name, str):
        return None
    plain = _plain(name)
    if plain in _ALIASES:
        return _ALIASES[plain]
    return plain if plain in DANCE_14.index else _sided(plain, _PARTS)


def face_joint(name: object) -> str | None:
    """The name of a joint of ``FACE``, None for others."""
    if not isinstance(name, str):
        return None
    plain = _plain(name)
    return plain if plain in FACE else _sided(plain, _FACE_PARTS)


def _sided(plain: str, parts: Sequence[str]) -> str | None:
    for part in parts:
        for side in ("left", "right"):
            if plain in {f"{side}{part}", f"{side[0]}{part}", f"{part}{side}", f"{part}{side[0]}"}:
                return f"{side}_{part}"
    return None


def _is_source(joint: str | None, declared: Collection[str | None]) -> bool:
    """Whether a joint that the ``declared`` ones lack is derived from this one."""
    return any(
        joint in group
        for derivation in DANCE_14.derivations
        if derivation.joint not in declared
        for group in derivation.sources
    )


def number(value: object, joint: str) -> float:
    """A finite coordinate. Raises InputError naming the joint."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{shown(value)} is not a coordinate", joint=joint)
    try:
        coordinate = float(value)
    except OverflowError:  # JSON has integers of any length
        coordinate = math.inf
    if not math.isfinite(coordinate):
        raise InputError(f"{shown(value)} is not a coordinate", joint=joint)
    return coordinate


def image_size(width: object, height: object) -> tuple[float, float] | None:
    """Width and height in pixels as a file gives them, None when it gives neither.

    Raises InputError when they cannot be a size.
    """
    if width is None and height is None:
        return None
    try:
        size = number(width, ""), number(height, "")
    except InputError:
        size = (0.0, 0.0)
    if min(size) < 1:
        raise InputError(f"{shown(width)} x {shown(height)} is not the size of an image")
    return size


def named_joints(
    names: Sequence[object], points: Sequence[tuple[object, object, object]]
) -> dict[str, tuple[float, float, int]]:
    """Joints by canonical name; of other skeletons, only those that ours are derived from.

    Raises InputError on wrong counts, coordinates that are no numbers, an unknown visibility, or
    when no name is one of ours.
    """
    if len(names) != len(points):
        raise InputError(f"{len(points)} keypoints where {len(names)} joint names are declared")
    ours = [canonical_joint(name) for name in names]
    known = [
        joint or (face if _is_source(face := face_joint(name), ours) else None)
        for joint, name in zip(ours, names, strict=True)
    ]
    joints: dict[str, tuple[float, float, int]] = {}
    for joint, (x, y, visibility) in zip(known, points, strict=True):
        if joint is None:
            continue
        seen = _visibility(visibility, joint)
        if joint in joints:
            raise InputError("the joint is given twice", joint=joint)
        if seen:
            joints[joint] = (number(x, joint), number(y, joint), seen)
    if not any(ours):
        raise InputError(f"none of the joint names {shown(list(names)[:4])} is known")
    return joints


def _visibility(value: object, joint: str) -> int:
    if isinstance(value, int | float) and not isinstance(value, bool) and value in {0, 1, 2}:
        return int(value)
    raise InputError(f"visibility {shown(value)} is not 0, 1 or 2", joint=joint)
