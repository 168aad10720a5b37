"""Presentation times of the frames of a clip, and what is done where the file has none."""

from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.errors import VideoError

# So many frames may be without a usable time stamp for the others to be trusted.
FEW: Final = 0.1
# Decoders hold back at most so many pictures: stamps in another order are those of decoding.
REORDERED: Final = 16

Times = NDArray[np.float64]


def presentation_times(
    pts: Sequence[int | None], base: float, rate: float, path: Path
) -> tuple[Times, str]:
    """Times (T,) in seconds from the first frame on, strictly rising; and what was done to them.

    ``pts`` are the time stamps in the order of showing, in units of ``base`` seconds; ``rate`` is
    the frame rate that the file states, 0 when it states none. A few stamps that are missing,
    equal or out of place are put between their neighbours. Stamps that are those of decoding are
    sorted. Where there is nothing else the rate is taken. The second value is "" for a file
    without such a fault. Raises VideoError for stamps that do not rise in a file without a rate.
    """
    known = [i for i, stamp in enumerate(pts) if stamp is not None]
    stamps = np.array([pts[i] for i in known], np.float64) * base
    good = np.array(known, np.int64)[_rising(stamps)] if known else np.zeros(0, np.int64)
    bad = len(pts) - len(good)
    if not bad:
        return stamps - stamps[0], ""
    if bad <= max(FEW * len(pts), 1) and len(good) > 1:
        times = _between(good, np.array([pts[i] for i in good], np.float64) * base, len(pts))
        first = int(np.setdiff1d(np.arange(len(pts)), good)[0])
        return times, (
            f"frames without a time stamp of their own: {bad}, the first is frame {first}; their "
            "times are taken from their neighbours"
        )
    ordered = np.sort(stamps)
    order = np.argsort(stamps, kind="stable")
    if (
        len(known) == len(pts)
        and (np.diff(ordered) > 0).all()
        and np.abs(order - np.arange(len(pts))).max() <= REORDERED
    ):
        at = (len(pts) - 1) / float(ordered[-1] - ordered[0])
        return ordered - ordered[0], (
            "the file keeps no presentation times, only those of decoding: frames are taken in "
            f"the order of showing, at {at:.6g} frames/s"
        )
    if not rate:
        raise VideoError(
            "time stamps do not rise, and the file has no frame rate",
            file=path,
            frame=int(np.setdiff1d(np.arange(len(pts)), good)[0]),
            hint="Re-encode the clip so that its time stamps are made anew",
        )
    return np.arange(len(pts)) / rate, (
        f"{bad} of {len(pts)} frames have no usable time stamp; all times are taken from the "
        f"frame rate, {rate:.6g} frames/s"
    )


def _rising(values: Times) -> NDArray[np.int64]:
    """Positions of a longest strictly rising part of ``values`` (N,); the first of equal ones."""
    tails: list[float] = []
    ends: list[int] = []
    before: list[int] = []
    for i, value in enumerate(values.tolist()):
        place = bisect_left(tails, value)
        before.append(ends[place - 1] if place else -1)
        if place < len(tails) and tails[place] == value:
            continue  # of equal stamps the first is right
        tails[place : place + 1] = [value]
        ends[place : place + 1] = [i]
    chosen: list[int] = []
    last = ends[-1] if ends else -1
    while last >= 0:
        chosen.append(last)
        last = before[last]
    return np.array(chosen[::-1], np.int64)


def _between(good: NDArray[np.int64], times: Times, count: int) -> Times:
    """Times (count,) from those of the frames ``good``, the others at even steps between them."""
    every = np.arange(count)
    filled = np.interp(every, good, times)
    step = float(np.median(np.diff(times) / np.diff(good)))
    late, early = every > good[-1], every < good[0]
    filled[late] = times[-1] + step * (every[late] - good[-1])
    filled[early] = times[0] - step * (good[0] - every[early])
    return np.asarray(filled - filled[0], np.float64)
