"""Contacts of the feet with the floor, and how far they slide, from poses in one view.

A foot is on the floor while some point of it is slow and low. The floor is not known in one view,
so low is measured from the lowest point of both feet in the half second around: the standing foot,
or the floor before and after a jump. Both tests have a wider limit for staying than for landing
(hysteresis), so that noise does not cut a contact into pieces.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from dance_models.analysis.kinematics import lag_frames, speeds
from dance_models.evidence import LANDMARKS
from dance_models.metrics.torso import median_torso
from dance_models.skeleton import DANCE_14

Array = NDArray[np.floating]
Bools = NDArray[np.bool_]
Side = Literal["left", "right"]
SIDES: Final[tuple[Side, ...]] = ("left", "right")

# Torso lengths a second, over 0.16 s: a walking foot passes at 4 and more.
LAND_SPEED: Final = 0.5
LEAVE_SPEED: Final = 1.0
# Torso lengths above the lowest point of the feet. An ankle is about 0.15 above the sole, and a
# foot in front of the other is drawn lower.
LAND_HEIGHT: Final = 0.2
LEAVE_HEIGHT: Final = 0.35
AROUND_S: Final = 0.5  # the lowest point is looked for that long before and after
OVER_S: Final = 0.16  # of the speeds
SHORTEST_S: Final = 0.1  # of a contact, and of a gap between two


@dataclass(frozen=True)
class Contact:
    """A foot on the floor in frames ``start`` to ``stop - 1``.

    ``slide`` is how far its stillest point (ankle, heel or toes) got from where it landed, in torso
    lengths; a foot that turns on its ball does not slide.
    """

    side: Side
    start: int
    stop: int
    start_s: float
    stop_s: float
    slide: float


@dataclass(frozen=True, eq=False)
class Contacts:
    """All contacts of a video in order of time, and by side whether the foot is down, (T,) each."""

    contacts: tuple[Contact, ...]
    down: Mapping[Side, Bools]


def foot_contacts(
    poses: Array, landmarks: Array, time_s: NDArray[np.float64], cuts: Sequence[int] = ()
) -> Contacts:
    """The contacts of both feet; poses (T, 14, 2) and landmarks (T, 33 or 0, 3) in pixels, y down.

    Where the camera moves, give stabilised coordinates (:mod:`dance_models.analysis.camera`).
    Without landmarks the ankles alone are used. There is none where the foot is not known, and
    none at all without a torso. No contact goes across ``cuts``, the first frames of new shots.
    """
    torso = median_torso(poses)
    down: dict[Side, Bools] = {side: np.zeros(len(poses), np.bool_) for side in SIDES}
    found: list[Contact] = []
    for start, stop in pairwise(sorted({0, len(poses), *cuts})):
        if np.isfinite(torso) and stop - start > 1:
            shot = slice(start, stop)
            feet = {side: _foot(poses[shot], landmarks[shot], side) for side in SIDES}
            found += _of_shot(feet, time_s[shot], torso, start, down)
    return Contacts(tuple(sorted(found, key=lambda c: (c.start, c.side))), down)


def _of_shot(
    feet: Mapping[Side, NDArray[np.float64]],
    time_s: NDArray[np.float64],
    torso: float,
    first: int,
    down: Mapping[Side, Bools],
) -> list[Contact]:
    """The contacts of a shot that begins with frame ``first``; marks them in ``down``."""
    found = []
    floor = _floor(np.concatenate(list(feet.values()), axis=1)[..., 1], time_s)
    for side, foot in feet.items():
        fast = speeds(foot, time_s, torso, OVER_S)
        height = (floor[:, None] - foot[..., 1]) / torso
        state = _steady(_hysteresis(fast, height), time_s)
        down[side][first : first + len(state)] = state
        found += [
            Contact(
                side, first + start, first + stop, float(time_s[start]), float(time_s[stop - 1]),
                _slide(foot[start:stop], torso),
            )
            for start, stop in _stretches(state)
        ]  # fmt: skip
    return found


def _foot(poses: Array, landmarks: Array, side: Side) -> NDArray[np.float64]:
    """(T, 1 or 3, 2): ankle, heel, toes."""
    ankle = poses[:, [DANCE_14.index[f"{side}_ankle"]]]
    if not landmarks.shape[1]:
        return np.asarray(ankle, np.float64)
    marks = [LANDMARKS.index(f"{side}_{part}") for part in ("heel", "foot_index")]
    return np.concatenate([ankle, landmarks[:, marks, :2]], axis=1).astype(np.float64)


def _floor(heights: NDArray[np.float64], time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lowest point (largest y) of (T, P) within ``AROUND_S``, (T,); NaN where none is known."""
    lowest = np.where(np.isfinite(heights), heights, -np.inf).max(axis=1)
    reach = lag_frames(time_s, AROUND_S)
    padded = np.pad(lowest, reach, constant_values=-np.inf)
    most = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).max(axis=1)
    return np.where(np.isfinite(most), most, np.nan)


def _hysteresis(fast: NDArray[np.float64], height: NDArray[np.float64]) -> Bools:
    """(T, P) speeds and heights -> (T,) whether a point that landed has not left."""
    with np.errstate(invalid="ignore"):
        lands: Bools = np.any((fast < LAND_SPEED) & (height < LAND_HEIGHT), axis=1)
        stays: Bools = np.any((fast < LEAVE_SPEED) & (height < LEAVE_HEIGHT), axis=1)
    # A stretch in which the foot may stay is a contact as a whole from where it landed backwards to
    # where it slowed down: the landing itself is slow only after a frame or two.
    down = np.zeros(len(fast), np.bool_)
    for start, stop in _stretches(stays):
        down[start:stop] = lands[start:stop].any()
    return down


def _steady(down: Bools, time_s: NDArray[np.float64]) -> Bools:
    """Without gaps and contacts of less than ``SHORTEST_S``; gaps are closed first."""
    least = lag_frames(time_s, SHORTEST_S)
    result = down.copy()
    for start, stop in _stretches(~result):
        if stop - start < least and start > 0 and stop < len(result):
            result[start:stop] = True
    for start, stop in _stretches(result):
        if stop - start < least:
            result[start:stop] = False
    return result


def _stretches(state: Bools) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(state, prepend=False, append=False)).reshape(-1, 2)
    return [(int(start), int(stop)) for start, stop in edges]


def _slide(foot: NDArray[np.float64], torso: float) -> float:
    """Farthest from where each point (T, P, 2) first was, of the point that got least far.

    Both places are medians of up to three frames, so that noise is no slide.
    """
    wide = min(3, len(foot))
    windows = np.lib.stride_tricks.sliding_window_view(foot, wide, axis=0)  # (T', P, 2, wide)
    places = np.median(windows, axis=-1)
    known: Bools = np.all(np.isfinite(places), axis=-1)  # (T', P)
    far = []
    for point in range(foot.shape[1]):
        seen = places[known[:, point], point]
        if len(seen):
            far.append(float(np.linalg.norm(seen - seen[0], axis=-1).max()))
    return min(far) / torso if far else np.nan
