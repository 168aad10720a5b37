"""Annotated poses in pixels of the clip's own frames."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from dance_models.annotations.parsed_file import Action, Problem, RawPose, frame_list

# Coordinates that never exceed this in an image this much larger are percentages or fractions.
SUSPICIOUS: Final = ((1.0, 8), (100.0, 2))
# Width over height of an image may differ from the clip's by so much: scaled sizes are rounded.
SHAPE_TOLERANCE: Final = 0.01
_DROPPED: Final[Action] = "dropped"
_REPAIRED: Final[Action] = "repaired"


@dataclass(frozen=True)
class ClipInfo:
    """The clip that annotations are checked against."""

    width: int  # as displayed
    height: int
    frames: int
    # Width and height with the pixels of the file; where those are not square it differs.
    unstretched: tuple[int, int] | None = None
    numbers: tuple[int, ...] = ()  # of a folder of images: the number of each frame's image

    def shows(self, x: float, y: float) -> bool:
        """Whether a point in pixels lies inside the image."""
        return -0.5 <= x <= self.width - 0.5 and -0.5 <= y <= self.height - 0.5


def from_fractions(pose: RawPose, info: ClipInfo) -> RawPose:
    """A pose whose coordinates are fractions of the image, in pixels of the clip."""
    return _scaled(pose, info.width, info.height) if pose.image.fractions else pose


def suspicious_unit(poses: Sequence[RawPose], info: ClipInfo) -> str | None:
    """Why the coordinates of a file cannot be pixels, None when they can."""
    values = [abs(v) for pose in poses for x, y, _ in pose.joints.values() for v in (x, y)]
    if not values:
        return None
    largest = max(values)
    # The annotated images may be of another size than the clip's frames.
    side = min(min(pose.image.size or (info.width, info.height)) for pose in poses)
    for limit, times in SUSPICIOUS:
        if largest <= limit and side >= times * limit:
            unit = "fractions" if limit == 1 else "percent"
            return (
                f"no coordinate exceeds {largest:g} in a {info.width}x{info.height} clip: these "
                f"look like {unit}, not pixels. The file's {len(poses)} annotations were not used; "
                "export pixel coordinates"
            )
    return None


def to_clip_size(
    poses: Sequence[RawPose], file: str, info: ClipInfo, problems: list[Problem]
) -> list[RawPose]:
    """Poses in pixels of the clip: images of another size are scaled, of another shape dropped.

    The shape of the file's own pixels counts as the clip's where they are not square. Whatever is
    done is added to ``problems``, once for every size, with an image and the frames.
    """
    fitting: list[RawPose] = []
    others: dict[tuple[float, float] | None, list[RawPose]] = {}
    for pose in poses:
        size = pose.image.size
        if size == (info.width, info.height) or (size is None and not info.unstretched):
            fitting.append(pose)
            continue
        others.setdefault(size, []).append(pose)
        if size is None:
            fitting.append(pose)
        elif _same_shape(size, info) or _shape_of_file(size, info):
            fitting.append(_scaled(pose, info.width / size[0], info.height / size[1]))
    problems += [_report(size, of, file, info) for size, of in others.items()]
    return fitting


def _same_shape(size: tuple[float, float], info: ClipInfo) -> bool:
    return abs((info.width / size[0]) / (info.height / size[1]) - 1) <= SHAPE_TOLERANCE


def _shape_of_file(size: tuple[float, float], info: ClipInfo) -> bool:
    """Whether images of that size have the pixels of the file, which are not square."""
    if info.unstretched is None:
        return False
    return _same_shape(size, replace(info, width=info.unstretched[0], height=info.unstretched[1]))


def _scaled(pose: RawPose, across: float, down: float) -> RawPose:
    joints = {j: (x * across, y * down, seen) for j, (x, y, seen) in pose.joints.items()}
    return replace(pose, joints=joints)


def _report(
    size: tuple[float, float] | None, poses: list[RawPose], file: str, info: ClipInfo
) -> Problem:
    shown = f"{info.width}x{info.height}"
    if size is None:
        of, done, action = "images of unknown size", f"taken as {shown}, as displayed", _REPAIRED
    else:
        of = f"{size[0]:g}x{size[1]:g} images"
        done, action = "they were dropped; annotate the clip's own frames", _DROPPED
        if _same_shape(size, info):
            done, action = "they were scaled (repaired)", _REPAIRED
        elif _shape_of_file(size, info):
            done = "they have the pixels of the file, and were stretched as it is displayed"
            action = _REPAIRED
    frames = sorted({pose.frame for pose in poses})
    has = shown
    if info.unstretched:
        has += f" ({info.unstretched[0]}x{info.unstretched[1]} in the file: pixels not square)"
    return Problem(
        file,
        f"{len(poses)} annotations are of {of}, the clip has {has}: {done}; "
        f"{poses[0].image.name or 'an image without a name'}{frame_list(frames)}",
        poses[0].clip,
        frames[0] if len(frames) == 1 else None,
        action=action,
        rows=len(poses),
    )
