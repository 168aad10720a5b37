"""What every format is read into, and how joints and clips are recognised."""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from dance_models.errors import InputError
from dance_models.skeleton import INDEX
from dance_models.video.scan import clip_slug

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
# No image is this large; a longer integer cannot even become a float.
COORDINATE_LIMIT: Final = 1e7
_PARTS: Final = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")


@dataclass(frozen=True)
class Problem:
    """Something dropped or repaired: where, what, and what to do."""

    file: str
    message: str
    clip: str | None = None
    frame: int | None = None
    joint: str | None = None

    def __str__(self) -> str:
        where = [self.file]
        if self.clip is not None:
            where.append(f"clip {self.clip}")
        if self.frame is not None:
            where.append(f"frame {self.frame}")
        if self.joint is not None:
            where.append(f"joint {self.joint}")
        return ": ".join([*where, self.message])


@dataclass(frozen=True)
class RawPose:
    """One person in one frame as a file states it; joints by canonical name, pixels."""

    clip: str
    frame: int
    joints: Mapping[str, tuple[float, float, int]]  # x, y, visibility 0/1/2
    annotator: str = ""
    order: int = 0  # position in the file, to break ties
    size: tuple[float, float] | None = None  # width and height of the image, where stated


# What a malformed entry can raise while it is taken apart.
MALFORMED: Final = (
    AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError
)  # fmt: skip


@dataclass
class Reading:
    """What one file gave."""

    file: str
    poses: list[RawPose] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    def problem(self, message: str, **where: Any) -> None:
        """Note something that was dropped or repaired."""
        self.problems.append(Problem(self.file, message, **where))

    def skip(self, what: str, count: int = 1) -> None:
        """Count entries of a kind that is left out; ``finish`` reports each kind once."""
        self.skipped[what] += count

    def finish(self) -> "Reading":
        """Turn the counts into problems."""
        for what, count in self.skipped.items():
            self.problem(f"{count} left out: {what}")
        self.skipped.clear()
        return self

    def add(
        self,
        identity: tuple[str, int],
        joints: Callable[[], Mapping[str, tuple[float, float, int]]],
        annotator: str = "",
        size: tuple[float, float] | None = None,
    ) -> None:
        """Add a pose whose joints are read by ``joints``; what that raises becomes a problem."""
        clip, frame = identity
        try:
            read = joints()
        except InputError as error:
            message = f"{error.message}; this annotation was dropped"
            self.problem(message, clip=clip, frame=frame, joint=error.joint)
            return
        except MALFORMED as error:
            message = f"malformed ({type(error).__name__}: {error}); this annotation was dropped"
            self.problem(message, clip=clip, frame=frame)
            return
        if read:
            self.poses.append(RawPose(clip, frame, read, annotator, len(self.poses), size))
        else:
            self.skip("annotations in which every joint is absent")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def canonical_joint(name: str) -> str | None:
    """Our name of a joint, None when it is not one of the 14.

    Knows left_knee, l_knee, LKnee, "Left Knee", knee_left, knee-l and the like.
    """
    plain = _plain(name)
    if plain in _ALIASES:
        return _ALIASES[plain]
    if plain in INDEX:
        return plain
    for part in _PARTS:
        for side in ("left", "right"):
            if plain in {f"{side}{part}", f"{side[0]}{part}", f"{part}{side}", f"{part}{side[0]}"}:
                return f"{side}_{part}"
    return None


def identity_of(name: str) -> tuple[str, int]:
    """Clip and frame from an image name as we export them: ``<clip>/<000123>.jpg``.

    Also ``<clip>_000123.jpg`` flat, with or without folders before it. Only the last two parts of
    the path are ever read, and they are turned into a slug. Raises InputError when they do not say.
    """
    path = PurePosixPath(str(name).replace("\\", "/"))
    if ".." in path.parts:
        raise InputError(f"the image name {name!r} leads out of its folder")
    digits = re.fullmatch(r"(?:frame[_-]?)?(\d+)", path.stem, re.IGNORECASE)
    if digits and path.parent.name:
        return clip_slug(path.parent.name + ".x"), int(digits[1])
    flat = re.fullmatch(r"(.+?)[_-](?:frame[_-]?)?(\d{4,})", path.stem, re.IGNORECASE)
    if flat:
        return clip_slug(flat[1] + ".x"), int(flat[2])
    raise InputError(
        f"the image name {name!r} does not say clip and frame", hint="Expected CLIP/000123.jpg"
    )


def stated_size(width: object, height: object) -> tuple[float, float] | None:
    """Size of an image as a file states it, None when it does not or makes no sense."""
    try:
        size = float(str(width)), float(str(height))
    except ValueError:
        return None
    return size if all(math.isfinite(side) and side > 0 for side in size) else None


def number(value: object, joint: str) -> float:
    """A finite coordinate. Raises InputError naming the joint."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{value!r} is not a coordinate", joint=joint)
    if not abs(value) < COORDINATE_LIMIT:  # NaN is not less than anything
        raise InputError(f"{str(value)[:20]} is not a coordinate", joint=joint)
    return float(value)


def named_joints(
    names: Sequence[object], points: Sequence[tuple[object, object, object]]
) -> dict[str, tuple[float, float, int]]:
    """Joints by canonical name; joints of other skeletons are left out.

    Raises InputError on wrong counts, coordinates that are no numbers, an unknown visibility, or
    when no name is one of ours.
    """
    if len(names) != len(points):
        raise InputError(f"{len(points)} keypoints where {len(names)} joint names are declared")
    joints: dict[str, tuple[float, float, int]] = {}
    for name, (x, y, visibility) in zip(names, points, strict=True):
        joint = canonical_joint(str(name))
        if joint is None:
            continue
        if visibility not in (0, 1, 2):
            raise InputError(f"visibility {visibility!r} is not 0, 1 or 2", joint=joint)
        if joint in joints:
            raise InputError("the joint is given twice", joint=joint)
        if visibility:
            joints[joint] = (number(x, joint), number(y, joint), int(visibility))
    if not any(canonical_joint(str(name)) for name in names):
        raise InputError(f"none of the joint names {list(names)[:4]} is known")
    return joints
