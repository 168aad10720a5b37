"""What finds people in a picture, and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from dance_models.config import PeopleConfig
from dance_models.errors import InputError
from dance_models.estimators.blazepose.detector import PersonDetector
from dance_models.estimators.blazepose.region import MARGIN
from dance_models.estimators.weights import (
    BLAZEPOSE,
    BLAZEPOSE_VERSION,
    MOVENET,
    WeightSource,
    fetch_weights,
    missing_weights,
)
from dance_models.skeleton import DANCE_14

_DETECTION: Final = 0.5  # confidence of BlazePose's detector from which on somebody counts as seen


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


class BlazePoseFinder:
    """BlazePose's own detector: boxes without keypoints. It overlooks people who are close."""

    name = "blazepose"
    version = BLAZEPOSE_VERSION

    def __init__(self, weights: Path, threads: int = 1) -> None:
        self._detector = PersonDetector(weights, _DETECTION, threads)

    def find(self, image: NDArray[np.uint8]) -> list[Sighting]:
        """The square around each body circle that is detected in an RGB image (H, W, 3)."""
        joints = DANCE_14.num_joints
        found = []
        for detection in self._detector.detect(image):
            region = detection.region
            centre = np.array([region.x, region.y, region.x, region.y])
            half = region.size / MARGIN / 2
            found.append(
                Sighting(
                    centre + half * np.array([-1, -1, 1, 1]),
                    detection.score,
                    np.full((joints, 2), np.nan, np.float32),
                    np.zeros(joints, np.float32),
                )
            )
        return found


def people_finder(
    weights: Path,
    config: PeopleConfig | None = None,
    fetch: Callable[[Path, WeightSource], object] = fetch_weights,
    threads: int = 1,
) -> tuple[PeopleFinder, tuple[str, ...]]:
    """MoveNet MultiPose, fetched into the folder ``weights`` if need be, and what to tell.

    Where its weights cannot be had, it is BlazePose's detector instead, and a note says why.
    Raises InputError when the weights of neither can be had.
    """
    from dance_models.estimators.people.movenet import MoveNetFinder

    notes: tuple[str, ...] = ()
    if missing_weights(weights, MOVENET):
        try:
            fetch(weights, MOVENET)
        except InputError as error:
            notes = (
                f"people are found by BlazePose's detector, which overlooks some of them, since "
                f"MoveNet is not there: {error}",
            )
            fetch(weights, BLAZEPOSE)
            return BlazePoseFinder(weights, threads), notes
    return MoveNetFinder(weights, config or PeopleConfig(), threads), notes
