"""What is compared: the poses of a video over time, and its sound."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dance_models.errors import InputError
from dance_models.skeleton import DANCE_14

Floats = NDArray[np.float64]
LEAST_FRAMES = 2


@dataclass(frozen=True, eq=False)
class Sound:
    """One channel of sound. ``start_s`` is its first sample's time, as the poses' times count."""

    rate: float  # samples/s
    samples: NDArray[np.float32]  # (N,)
    start_s: float = 0.0


@dataclass(frozen=True, eq=False)
class Performance:
    """T frames of one dancer. Pixels as displayed, y down; NaN = missing.

    Raises ValueError for shapes that do not fit, InputError when nobody is seen.
    """

    name: str
    time_s: Floats  # (T,) strictly rising
    poses: NDArray[np.float32]  # (T, 14, 2)
    landmarks: NDArray[np.float32] = field(
        default_factory=lambda: np.zeros((0, 0, 3), np.float32)
    )  # (T, 33, 3) or none: x, y, visibility
    score: NDArray[np.float32] | None = None  # (T, 14) the estimator's, 0 to 1; None: all are sure
    sound: Sound | None = None

    def __post_init__(self) -> None:
        expected = (len(self.time_s), DANCE_14.num_joints, 2)
        if self.poses.shape != expected:
            raise ValueError(f"poses have shape {self.poses.shape}, expected {expected}")
        if self.score is not None and self.score.shape != expected[:2]:
            raise ValueError(f"scores have shape {self.score.shape}, expected {expected[:2]}")
        if len(self.time_s) > 1 and not (np.diff(self.time_s) > 0).all():
            raise ValueError("times do not rise")
        if int(np.isfinite(self.poses).all(axis=-1).any(axis=-1).sum()) < LEAST_FRAMES:
            raise InputError(
                "no person was detected in this video",
                file=self.name,
                hint="The whole dancer must be visible",
            )
