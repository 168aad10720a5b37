"""The finders that there are, and which of them is used."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.config import PeopleConfig
from dance_models.errors import InputError
from dance_models.estimators.blazepose.detector import PersonDetector
from dance_models.estimators.blazepose.region import MARGIN
from dance_models.estimators.people.finder import PeopleFinder, Sighting
from dance_models.estimators.people.movenet import MoveNetFinder
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
