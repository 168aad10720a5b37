"""How joints, clips, coordinates and sizes are recognised in any format."""

import math
import re
import reprlib
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from dance_models.errors import InputError
from dance_models.skeleton import DANCE_14
from dance_models.video.names import clip_slug

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
    if plain in DANCE_14.index:
        return plain
    for part in _PARTS:
        for side in ("left", "right"):
            if plain in {f"{side}{part}", f"{side[0]}{part}", f"{part}{side}", f"{part}{side[0]}"}:
                return f"{side}_{part}"
    return None


def identity_of(name: object) -> tuple[str, int]:
    """Clip and frame from an image name as we export them: ``<clip>/<000123>.jpg``.

    Also ``<clip>_000123.jpg`` flat, with or without folders before it. Only the last two parts of
    the path are read, and they are turned into a slug. Raises InputError for other names.
    """
    if not isinstance(name, str):
        raise InputError(f"{shown(name)} is not an image name")
    path = PurePosixPath(name.replace("\\", "/"))
    if ".." in path.parts:
        raise InputError(f"the image name {shown(name)} leads out of its folder")
    # A frame number has at most 18 digits; Python refuses to convert very long ones.
    digits = re.fullmatch(r"(?:frame[_-]?)?(\d{1,18})", path.stem, re.IGNORECASE)
    if digits and path.parent.name:
        return clip_slug(path.parent.name + ".x"), int(digits[1])
    flat = re.fullmatch(r"(.+?)[_-](?:frame[_-]?)?(\d{4,18})", path.stem, re.IGNORECASE)
    if flat:
        return clip_slug(flat[1] + ".x"), int(flat[2])
    raise InputError(
        f"the image name {shown(name)} does not name clip and frame",
        hint="Expected CLIP/000123.jpg",
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
    """Joints by canonical name; joints of other skeletons are left out.

    Raises InputError on wrong counts, coordinates that are no numbers, an unknown visibility, or
    when no name is one of ours.
    """
    if len(names) != len(points):
        raise InputError(f"{len(points)} keypoints where {len(names)} joint names are declared")
    known = [canonical_joint(name) for name in names]
    joints: dict[str, tuple[float, float, int]] = {}
    for joint, (x, y, visibility) in zip(known, points, strict=True):
        if joint is None:
            continue
        seen = _visibility(visibility, joint)
        if joint in joints:
            raise InputError("the joint is given twice", joint=joint)
        if seen:
            joints[joint] = (number(x, joint), number(y, joint), seen)
    if not any(known):
        raise InputError(f"none of the joint names {shown(list(names)[:4])} is known")
    return joints


def _visibility(value: object, joint: str) -> int:
    if isinstance(value, int | float) and not isinstance(value, bool) and value in {0, 1, 2}:
        return int(value)
    raise InputError(f"visibility {shown(value)} is not 0, 1 or 2", joint=joint)
