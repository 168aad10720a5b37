"""A capture, a tiny configuration and an estimator without weights, for tests of rendering."""

from pathlib import Path

import numpy as np
from motion_cases import person_bvh
from numpy.typing import NDArray

from dance_models.config import RenderedMotionConfig
from dance_models.estimators.protocol import PoseEstimate
from dance_models.motion.capture import Capture, read_captures

TINY = RenderedMotionConfig(
    pieces=1, views=2, seconds=0.35, bodies=3, lines=(48, 64), figure=(0.5, 0.8), workers=1
)


class Brightness:
    """An estimator whose joints are all at the picture's mean brightness."""

    name = "brightness"
    version = "1"

    def start_run(self) -> None:
        """Remember nothing."""

    def estimate(self, image: NDArray[np.uint8], frame: int) -> PoseEstimate | None:
        """No person in the first frame."""
        if frame == 0:
            return None
        points = np.full((14, 2), image.mean(), np.float32)
        marks = np.full((33, 3), image.std(), np.float32)
        return PoseEstimate(points, np.ones(14, np.float32), marks)


def person(folder: Path, frames: int = 90, seed: int = 1) -> Capture:
    """The person of ``person_bvh``."""
    path = folder / f"person_{seed}.bvh"
    path.write_text(person_bvh(frames, seed=seed), "utf-8")
    return read_captures(path, path.name, 60.0)[0]
