"""Whether the frames of a file are counted from 0, as here, or from 1."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from dance_models.annotations.image_names import FirstFrame
from dance_models.annotations.parsed_file import Problem, RawPose

# So many frames in steps of one size, from 1 on, look like a file that counts from 1.
_FEWEST: Final = 3


def counted_from_zero(
    poses: Sequence[RawPose],
    named: Collection[int],
    length: int,
    chosen: FirstFrame | None,
) -> tuple[list[RawPose], Problem | None]:
    """The poses of one clip from one file, with frames counted from 0, and what to say about it.

    ``named`` are the frames that the file names, annotated or not; ``length`` is the clip's number
    of frames. A file counts from 1 when the user says so, or when its last frame is the clip's
    length and it has no frame 0. Where it may count from 1 the problem says how to choose.
    """
    frames = sorted({*named, *(pose.frame for pose in poses)})
    if not poses or chosen == 0 or not frames:
        return list(poses), None
    first, last = frames[0], frames[-1]
    where = f"its frames run from {first} to {last} in a clip of the frames 0 to {length - 1}"
    clip, rows = poses[0].clip, len(poses)
    if chosen == 1 or _ends_at(frames, length):
        why = "as chosen with --first-frame 1" if chosen else "(--first-frame 0 keeps them)"
        text = f"{where}: counted from 1, so each was moved back by one frame {why}"
        moved = [replace(p, image=replace(p.image, frame=p.frame - 1)) for p in poses]
        return moved, Problem("", text, clip, action="repaired", rows=rows)
    if first == 1 and len(frames) >= _FEWEST and _step(frames) is not None:
        text = (
            f"{where}: they were read as counted from 0. If the file counts from 1, all of them "
            "are one frame late: run with --first-frame 1 (or with --first-frame 0 if they are "
            "right)"
        )
        return list(poses), Problem("", text, clip, action="noted", rows=rows)
    return list(poses), None


def _ends_at(frames: Sequence[int], length: int) -> bool:
    """Whether frames that end at ``length`` are many enough, or regular, to count from 1."""
    first, last = frames[0], frames[-1]
    if first < 1 or last != length:
        return False
    return first == 1 or first == _step(frames) or 2 * len(frames) >= length


def _step(frames: Sequence[int]) -> int | None:
    """The distance of neighbouring frames where it is the same for all, else None."""
    steps = {b - a for a, b in pairwise(frames)}
    return steps.pop() if len(steps) == 1 else None
