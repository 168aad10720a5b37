"""What finds people in a picture, and what it returns."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Sighting:
    """One person in one picture, in its pixels.

    ``box`` is (4,) float64 x0, y0, x1, y1; ``keypoints`` (14, 2) float32 in the order of
    ``DANCE_14.names``, NaN where the finder does not see or know the joint; ``confidence`` (14,)
    float32 of these; ``score`` 0..1 of the person.
    """

    box: NDArray[np.float64]
    score: float
    keypoints: NDArray[np.float32]
    confidence: NDArray[np.float32]


class PeopleFinder(Protocol):
    """Finds everybody in a picture; deterministic and without memory."""

    name: str
    version: str  # changes whenever the same picture would give others

    def find(self, image: NDArray[np.uint8]) -> list[Sighting]:
        """Everybody in an RGB image (H, W, 3), best score first."""
