"""Choosing the frames of a clip to keep: contiguous runs within a budget.

Why: docs/method.md, "Frame budget".

Isolated frames give no prediction windows, and short runs give few. So runs are as few and as long
as the share allows, and are where the dancer moves most.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.config import SamplingConfig

_ROUNDING: Final = 1e-3  # frames: a rate worked out from time stamps is not exact
# A step from one frame to the next that is longer than both is a pause: the camera stood still, or
# pictures are lost. In time-lapse pictures every step is longer than the first.
PAUSE_S: Final = 0.5
_PAUSE_STEPS: Final = 3.0  # of the clip's median step


@dataclass(frozen=True)
class Run:
    """Source frames ``start`` to ``stop - 1``."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def shortest_run(config: SamplingConfig, fps: float) -> int:
    """Frames of the shortest run of a clip with ``fps`` frames a second, at least one."""
    return max(ceil(config.min_run_s * fps - _ROUNDING), 1)


def pauses(time_s: Sequence[float] | NDArray[np.floating]) -> list[int]:
    """The frames that a pause lies before, of a clip whose frames are shown at ``time_s`` (T,)."""
    steps = np.diff(np.asarray(time_s, np.float64))
    if not steps.size or steps.max() <= PAUSE_S:
        return []
    longest = max(PAUSE_S, _PAUSE_STEPS * float(np.median(steps)))
    return [int(frame) + 1 for frame in np.flatnonzero(steps > longest)]


def frame_share(config: SamplingConfig, clips: int, fps: float) -> int:
    """Frames that a clip may keep, one of ``clips``; never fewer than one run."""
    share = config.frame_budget // max(clips, 1)
    if config.max_frames_per_clip is not None:
        share = min(share, config.max_frames_per_clip)
    return max(share, shortest_run(config, fps))


def plan_runs(
    config: SamplingConfig,
    *,
    motion: Sequence[float] | NDArray[np.floating],
    fps: float,
    share: int,
    annotated: Iterable[int] = (),
    existing: Iterable[int] = (),
    pauses: Sequence[int] = (),
) -> list[Run]:
    """Runs to keep of a clip whose frames have ``motion`` (T,) luma change.

    Frames in ``existing`` are always kept (sampling again only adds) and, up to the share, so are
    the ``annotated`` ones; the strategy spends the rest of the share. No run is shorter
    than ``min_run_s`` unless the clip is; runs that touch are one. Last, runs are split before the
    frames ``pauses``, so that no filter and no velocity reaches across; stretches without a pause
    are preferred.
    """
    frames = len(motion)
    if not frames:
        return []
    shortest = min(shortest_run(config, fps), frames)
    kept = np.zeros(frames, bool)
    kept[[f for f in existing if 0 <= f < frames]] = True
    _take_annotated(kept, sorted(f for f in set(annotated) if 0 <= f < frames), share)
    _lengthen(kept, shortest)
    left = min(share, frames) - int(kept.sum())
    if left >= shortest or not kept.any():
        energy = np.asarray(motion, np.float64)
        _spend(kept, energy, max(left, shortest), shortest, config.strategy, pauses)
        _lengthen(kept, shortest)
    return [part for run in _runs(kept) for part in _split(run, pauses)]


def _split(run: Run, pauses: Sequence[int]) -> list[Run]:
    """The parts of a run between the pauses in it."""
    edges = [run.start, *(frame for frame in pauses if run.start < frame < run.stop), run.stop]
    return [Run(*edge) for edge in pairwise(edges)]


def _runs(kept: NDArray[np.bool_]) -> list[Run]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], kept.astype(np.int8), [0]])))
    return [Run(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _take_annotated(kept: NDArray[np.bool_], annotated: list[int], share: int) -> None:
    """Keep annotated frames, the longest stretches first, until the share is used."""
    mask = np.zeros(len(kept), bool)
    mask[annotated] = True
    for run in sorted(_runs(mask & ~kept), key=lambda r: (-len(r), r.start)):
        room = share - int(kept.sum())
        if room <= 0:
            return
        kept[run.start : min(run.stop, run.start + room)] = True


def _lengthen(kept: NDArray[np.bool_], shortest: int) -> None:
    """Grow runs that are too short, about their middle, inside the clip."""
    for run in _runs(kept):
        if len(run) < shortest:
            start = min(max(run.start - (shortest - len(run)) // 2, 0), len(kept) - shortest)
            kept[start : start + shortest] = True


def _spend(
    kept: NDArray[np.bool_],
    energy: NDArray[np.float64],
    left: int,
    shortest: int,
    strategy: str,
    pauses: Sequence[int],
) -> None:
    """Spend ``left`` frames: one long run, or runs of the shortest length by motion or evenly."""
    if strategy == "uniform":
        count = max(left // shortest, 1)
        for start in np.linspace(0, len(kept) - shortest, count).round().astype(int):
            kept[start : start + shortest] = True
        return
    length = left if strategy == "runs" else shortest
    while left >= shortest:
        run = _most_motion(kept, energy, min(length, left), pauses)
        if run is None:
            if length == shortest:
                return
            length = max(length // 2, shortest)  # no gap is long enough for one run
            continue
        kept[run.start : run.stop] = True
        left -= len(run)


def _most_motion(
    kept: NDArray[np.bool_], energy: NDArray[np.float64], length: int, pauses: Sequence[int]
) -> Run | None:
    """The free stretch of ``length`` frames with the most motion, the first of equals.

    One with a pause in it only where there is no other.
    """
    if length > len(kept):
        return None
    total = np.convolve(energy, np.ones(length), "valid")
    taken = np.convolve(kept.astype(np.int64), np.ones(length, np.int64), "valid")
    free = taken == 0
    whole = free.copy()
    for frame in pauses:  # which the stretches from frame - length + 1 to frame - 1 lie across
        whole[max(frame - length + 1, 0) : frame] = False
    total = np.where(whole if whole.any() else free, total, -np.inf)
    start = int(np.argmax(total))
    return Run(start, start + length) if np.isfinite(total[start]) else None
