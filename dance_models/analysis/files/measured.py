"""What is written: the poses and angles of one person in one video."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.evidence import LANDMARKS
from dance_models.skeleton import DANCE_14
from dance_models.text import csv_text, printable

_AT_ONCE: Final = 2000  # frames


@dataclass(frozen=True, eq=False)
class Measured:
    """T frames of a video of ``width`` x ``height`` pixels; NaN where something is missing.

    ``metres_per_pixel`` is the scale at the dancer, where it is known: TRC and C3D are then in
    metres or millimetres, and in pixels without it.
    """

    clip: str
    width: int
    height: int
    fps: float  # nominal frames a second; the times hold
    time_s: NDArray[np.float64]  # (T,)
    poses: NDArray[np.floating]  # (T, 14, 2) pixels, y down
    score: NDArray[np.floating]  # (T, 14) confidence 0 to 1
    landmarks: NDArray[np.floating]  # (T, 33 or 0, 3) x, y in pixels, visibility 0 to 1
    angles: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)  # (T,) degrees each
    metres_per_pixel: float | None = None

    def __post_init__(self) -> None:
        """Raise ValueError when the arrays do not have the same frames."""
        frames, joints = len(self.time_s), DANCE_14.num_joints
        shapes: dict[str, tuple[tuple[int, ...], set[tuple[int, ...]]]] = {
            "poses": (self.poses.shape, {(frames, joints, 2)}),
            "score": (self.score.shape, {(frames, joints)}),
            "landmarks": (self.landmarks.shape, {(frames, n, 3) for n in (0, len(LANDMARKS))}),
            **{name: (values.shape, {(frames,)}) for name, values in self.angles.items()},
        }
        for name, (shape, expected) in shapes.items():
            if shape not in expected:
                raise ValueError(f"{name} has the shape {shape}, expected {sorted(expected)}")
        if self.metres_per_pixel is not None and not self.metres_per_pixel > 0:
            raise ValueError(f"metres_per_pixel is {self.metres_per_pixel}, expected more than 0")

    def __len__(self) -> int:
        return len(self.time_s)

    def parts(self) -> "Iterator[tuple[int, Measured]]":
        """The frames in order, some at a time, so that a writer holds few: the first, and those."""
        for first in range(0, max(len(self), 1), _AT_ONCE):
            chosen = slice(first, first + _AT_ONCE)
            yield (
                first,
                replace(
                    self,
                    time_s=self.time_s[chosen],
                    poses=self.poses[chosen],
                    score=self.score[chosen],
                    landmarks=self.landmarks[chosen],
                    angles={name: values[chosen] for name, values in self.angles.items()},
                ),
            )

    @property
    def known(self) -> NDArray[np.bool_]:
        """(T, 14) whether a joint has a position."""
        found: NDArray[np.bool_] = np.isfinite(self.poses).all(axis=-1)
        return found

    @property
    def confidence(self) -> NDArray[np.float64]:
        """(T, 14) the score, 0 to 1; 0 where it or the joint is missing."""
        score = np.nan_to_num(np.asarray(self.score, np.float64), posinf=1.0).clip(0, 1)
        return np.where(self.known, score, 0)

    @property
    def plain_name(self) -> str:
        """The clip's name, harmless in a line of text and in a spreadsheet."""
        return csv_text(printable(self.clip))
