"""One person's motion in image coordinates: the common form of all sources."""

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["bvh", "positions", "kinetics", "tracks"]

# 30.3 frames/s count as 30, because files round their frame times.
_RATE_TOLERANCE: Final = 0.02


@dataclass(frozen=True, eq=False)
class MotionClip:
    """T frames of one person, image axes (y down); NaN where a joint is missing.

    ``source`` names the file or folder the clip came from, relative to the one that was read, and
    is shared by all views of one capture: it decides the split. ``name`` is unique.
    """

    name: str
    source: str
    kind: Kind
    time_s: NDArray[np.float64]  # (T,) ascending
    keypoints: NDArray[np.float32]  # (T, J, 2) pixels
    width: int
    height: int

    def __len__(self) -> int:
        return len(self.time_s)


def frame_step(fps: float, max_fps: float) -> int:
    """The stride in frames that leaves at most ``max_fps`` a second."""
    return max(math.ceil(fps / max_fps - _RATE_TOLERANCE), 1)


def thin(clip: MotionClip, max_fps: float) -> MotionClip:
    """Drop frames evenly, down to at most ``max_fps``; nothing is interpolated."""
    if len(clip) < 2:
        return clip
    step = frame_step(1 / float(np.median(np.diff(clip.time_s))), max_fps)
    return replace(clip, time_s=clip.time_s[::step], keypoints=clip.keypoints[::step])


def trim(clip: MotionClip) -> MotionClip:
    """Without the frames before the first and after the last in which any joint is known."""
    known = np.flatnonzero(np.isfinite(clip.keypoints).all(axis=-1).any(axis=-1))
    part = slice(known[0], known[-1] + 1) if known.size else slice(0, 0)
    return replace(clip, time_s=clip.time_s[part], keypoints=clip.keypoints[part])
