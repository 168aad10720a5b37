"""People over time: where each of them is in every frame."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Somebody who is not seen for longer is away; up to this, the place is interpolated.
BRIDGE_S: Final = 1.0


@dataclass(frozen=True, eq=False)
class Place:
    """Where somebody is in a frame: ``box`` (4,) and ``keypoints`` (14, 2), NaN where unknown."""

    box: NDArray[np.float64]
    keypoints: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Track:
    """One person: what was seen of her in K frames, ascending; pixels of the video as displayed.

    People are numbered from 1, from the left, by where each of them is first seen; those who are
    there for long come before those who pass.
    """

    number: int
    frame: NDArray[np.int64]  # (K,)
    box: NDArray[np.float64]  # (K, 4) x0, y0, x1, y1
    score: NDArray[np.float64]  # (K,) 0..1 of the finder
    keypoints: NDArray[np.float32]  # (K, 14, 2), NaN where not seen
    bridge: int  # frames: in a longer gap she is away
    step: int  # frames from one look to the next

    def at(self, frame: int) -> Place | None:
        """Where she is in ``frame``, interpolated between looks; None while she is away.

        Before she is first seen and after she is last seen she is there for one more look.
        """
        after = int(np.searchsorted(self.frame, frame))
        if after < len(self.frame) and self.frame[after] == frame:
            return Place(self.box[after], self.keypoints[after])
        if 0 < after < len(self.frame):
            first, last = int(self.frame[after - 1]), int(self.frame[after])
            if last - first <= self.bridge:
                share = (frame - first) / (last - first)
                box, keypoints = self.box, self.keypoints
                return Place(
                    box[after - 1] + (box[after] - box[after - 1]) * share,
                    keypoints[after - 1]
                    + (keypoints[after] - keypoints[after - 1]) * np.float32(share),
                )
        near = min(
            (i for i in (after - 1, after) if 0 <= i < len(self.frame)),
            key=lambda i: abs(int(self.frame[i]) - frame),
        )
        if abs(int(self.frame[near]) - frame) < self.step:
            return Place(self.box[near], self.keypoints[near])
        return None


@dataclass(frozen=True, eq=False)
class People:
    """Everybody in a video, in the order of their numbers.

    The first ``present`` are there for long enough to be chosen by a rule; the others are people
    who pass, or mistakes of the finder.
    """

    tracks: tuple[Track, ...]
    present: int
    looked: NDArray[np.int64]  # (L,) the frames that were searched
    width: int  # pixels of these frames
    height: int
