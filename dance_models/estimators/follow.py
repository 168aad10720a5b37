"""Keeping to one person when several are in the picture."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.estimators.boxes import Boxes, centre, longest

# A person lost for at most so many frames is looked for where she was last seen; after that the
# selection starts again (half a second at 30 frames/s).
PATIENCE: Final = 15
# How far the centre of her box may have moved, in lengths of the box; each lost frame adds some.
REACH: Final = 0.35
REACH_PER_LOST_FRAME: Final = 0.03


class PersonFollower:
    """Chooses one box a frame and stays with the person it chose.

    The first choice goes by size: ``rank`` 0 is the largest box, 1 the next; None prefers the
    largest but takes a smaller one when the larger turns out to be no person. Later choices
    take the box nearest to the last one, or none, rather than another person.
    """

    def __init__(self, rank: int | None) -> None:
        if rank is not None and rank < 0:
            raise ValueError(f"person rank must be 0 or more, not {rank}")
        self._rank = rank
        self.reset()

    def reset(self) -> None:
        """Forget the person."""
        self._last: NDArray[np.float64] | None = None
        self._lost = 0

    @property
    def following(self) -> bool:
        """Whether a person was seen recently."""
        return self._last is not None

    @property
    def lost(self) -> int:
        """For how many frames the person has not been seen."""
        return self._lost

    def seen(self, box: Boxes) -> None:
        """Note where the person is in this frame: x0, y0, x1, y1."""
        self._last, self._lost = np.asarray(box, dtype=np.float64), 0

    def missed(self) -> None:
        """Note that the person was not found in this frame."""
        self._lost += 1
        if self._lost > PATIENCE:
            self.reset()

    def moved_plausibly(self, box: Boxes) -> bool:
        """Whether ``box`` can be the person last seen, by place and size."""
        if self._last is None:
            return True
        sizes = longest(np.stack([self._last, box]))
        near = self._distance(box[None])[0] <= self._reach()
        return bool(near and sizes.max() <= 2 * sizes.min())

    def choose(self, boxes: Boxes) -> list[int]:
        """Which of the boxes (N, 4) as x0, y0, x1, y1 can be the person, the best first.

        Report the outcome of the frame with :meth:`seen` or :meth:`missed`.
        """
        if not len(boxes):
            return []
        if self._last is not None:
            distance = self._distance(boxes)
            order = np.argsort(distance, kind="stable")
            return [int(i) for i in order if distance[i] <= self._reach()]
        order = np.argsort(-longest(boxes), kind="stable")
        if self._rank is not None:
            order = order[self._rank : self._rank + 1]
        return [int(i) for i in order]

    def _reach(self) -> float:
        return REACH + REACH_PER_LOST_FRAME * self._lost

    def _distance(self, boxes: Boxes) -> Boxes:
        """Between centres, in lengths of the larger of the two boxes."""
        assert self._last is not None
        moved = np.linalg.norm(centre(boxes) - centre(self._last[None]), axis=1)
        larger = np.maximum(longest(boxes), longest(self._last[None]))
        distance: Boxes = moved / np.maximum(larger, 1e-6)
        return distance
