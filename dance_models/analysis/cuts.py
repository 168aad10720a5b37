"""Shot changes: frames between which the picture changes at once and for good.

Judged on the coarse grey frames of :mod:`dance_models.video.signature`, (432,) each. A cut is a
large change beside those just before and after, after which the picture does not come back: a
flash does. Movement of the dancer or of the camera changes the picture in many small steps.
"""

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from itertools import pairwise
from typing import Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

LEAST_CHANGE: Final = 8.0  # grey levels of 255, mean over the picture
TIMES_USUAL: Final = 4.0  # the change is so many times those around it
BACK: Final = 0.6  # a picture that is nearer than this share of the change to before came back
AROUND: Final = 4  # frames on each side that are looked at


class _Signed(Protocol):
    @property
    def signature(self) -> NDArray[np.uint8]:
        """(432,) grey levels."""


Frame = TypeVar("Frame", bound=_Signed)


def with_cuts(frames: Iterable[Frame]) -> Generator[tuple[Frame, bool]]:
    """Each frame, and whether a new shot begins with it. Holds ``AROUND`` frames back."""
    before: deque[NDArray[np.uint8]] = deque(maxlen=AROUND + 1)
    waiting: deque[Frame] = deque()

    def next_one() -> tuple[Frame, bool]:
        frame = waiting.popleft()
        cut = is_cut(list(before), frame.signature, [later.signature for later in waiting])
        if cut:
            before.clear()
        before.append(frame.signature)
        return frame, cut

    for frame in frames:
        waiting.append(frame)
        if len(waiting) > AROUND:
            yield next_one()
    while waiting:
        yield next_one()


def is_cut(
    before: Sequence[NDArray[np.uint8]],
    here: NDArray[np.uint8],
    after: Sequence[NDArray[np.uint8]],
) -> bool:
    """Whether a shot begins with ``here``, by the frames before (of the same shot) and after it."""
    if not before:
        return False
    change = _difference(before[-1], here)
    if change < LEAST_CHANGE:
        return False
    usual = _steps(before)
    following = _steps([here, *after])
    calm = max(usual, default=0.0), float(np.median(following)) if following else 0.0
    if change < TIMES_USUAL * max(calm):
        return False
    return all(_difference(before[-1], later) >= BACK * change for later in after)


def _steps(frames: Sequence[NDArray[np.uint8]]) -> list[float]:
    return [_difference(one, other) for one, other in pairwise(frames)]


def _difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())
