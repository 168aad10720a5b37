"""Finds evaluated motion that was also in a network's pre-training under another name.

Clips are compared by their motion, not by their names or files: a clip that was encoded again,
cut, scaled, moved or mirrored is still found, and so is another file of the same performance. The
distance of two windows is the root mean square over the joints known in both, in percent of the
torso length.

Not found are a different view of the same performance, the same performance at another speed, and
clips that are known by estimates alone, whose errors can hide a shared clip.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.motion.nearest import Nearest, nearest_windows
from dance_models.motion.windows import MotionWindows, motion_windows
from dance_models.skeleton import DANCE_14, Skeleton


@dataclass(frozen=True)
class SharedPair:
    """Two clips that share motion, where they are most alike."""

    pretraining: str  # clip
    evaluated: str  # clip
    windows: int  # of the evaluated clip, nearest to that pre-training clip and too near
    share: float  # that, of the evaluated clip's windows
    distance_percent: float  # of the nearest two, in % of the torso length
    mirrored: bool
    pretraining_s: float  # when the nearest two start
    evaluated_s: float


@dataclass(frozen=True)
class LeakReport:
    """The result of :func:`shared_windows`; ``pairs`` has the most shared first."""

    pairs: tuple[SharedPair, ...]
    threshold_percent: float
    nearest_percent: float  # over everything compared, infinite when nothing was
    pretraining_windows: int
    evaluated_windows: int

    @property
    def clean(self) -> bool:
        """Whether nothing is shared."""
        return not self.pairs


def shared_windows(
    pretraining: Sequence[PoseRun],
    evaluated: Sequence[PoseRun],
    *,
    threshold_percent: float = 5.0,
    frames: int = 8,
    hz: float = 12.5,
    stride: int = 1,
    least_motion: float = 0.1,
    chunk: int = 1024,
    skeleton: Skeleton = DANCE_14,
) -> LeakReport:
    """Compare every window of the evaluated runs with every one of the pre-training runs.

    Augmented copies (variant 1 and on) are skipped: their originals are there. Of a run, the
    annotation is compared where most frames have one, else the estimate. Windows start at every
    frame of the evaluated runs and every ``stride``-th of the others; those that move less than
    ``least_motion`` torso lengths are left out, and so are not found. A larger ``stride`` is faster
    and misses quick moves of a copy. ``chunk`` bounds the memory: about 20 x chunk^2 bytes. Raises
    InputError on numbers out of range.
    """
    if min(threshold_percent, hz) <= 0 or frames < 2 or stride < 1 or chunk < 1:
        raise InputError("a leak check needs positive numbers, and two frames a window")
    before = [run for run in pretraining if run.variant == 0]
    after = [run for run in evaluated if run.variant == 0]

    def windows(runs: Sequence[PoseRun], step: int) -> MotionWindows:
        return motion_windows(
            runs, frames=frames, hz=hz, stride=step, least_motion=least_motion, skeleton=skeleton
        )

    ours, theirs = windows(before, stride), windows(after, 1)
    nearest = nearest_windows(ours, theirs, chunk)
    pairs = _pairs(nearest, ours, theirs, before, after, threshold_percent / 100)
    least = float(nearest.distance.min(initial=np.inf)) * 100
    return LeakReport(pairs, threshold_percent, least, len(ours), len(theirs))


def _pairs(
    nearest: Nearest,
    ours: MotionWindows,
    theirs: MotionWindows,
    before: Sequence[PoseRun],
    after: Sequence[PoseRun],
    threshold: float,
) -> tuple[SharedPair, ...]:
    names = [after[i].clip for i in theirs.run]
    windows = Counter(names)
    groups: dict[tuple[str, str], list[int]] = {}
    for row in np.flatnonzero(nearest.distance < threshold).tolist():
        source = before[ours.run[nearest.window[row]]].clip
        groups.setdefault((source, names[row]), []).append(row)
    pairs = []
    for (source, name), rows in groups.items():
        best = min(rows, key=lambda row: nearest.distance[row])
        pairs.append(
            SharedPair(
                pretraining=source,
                evaluated=name,
                windows=len(rows),
                share=len(rows) / windows[name],
                distance_percent=100 * float(nearest.distance[best]),
                mirrored=bool(nearest.mirrored[best]),
                pretraining_s=float(ours.start_s[nearest.window[best]]),
                evaluated_s=float(theirs.start_s[best]),
            )
        )
    return tuple(sorted(pairs, key=lambda p: (-p.windows, p.pretraining, p.evaluated)))
