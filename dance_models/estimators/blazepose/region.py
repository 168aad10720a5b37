"""The rotated square in which the landmark model looks for a person."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MARGIN = 1.25  # of the circle around the body


@dataclass(frozen=True)
class Region:
    """A square in image pixels; ``angle`` in radians turns its up direction clockwise.

    Pixel centres of the image are integers, as in all coordinates outside of the models.
    """

    x: float
    y: float
    size: float
    angle: float

    @classmethod
    def from_alignment(cls, centre: NDArray[np.floating], rim: NDArray[np.floating]) -> "Region":
        """From the mid-hip point (2,) and the point of the body circle straight above it."""
        dx, dy = (float(v) for v in rim - centre)
        angle = np.pi / 2 - np.arctan2(-dy, dx)
        angle -= 2 * np.pi * np.floor((angle + np.pi) / (2 * np.pi))
        size = 2 * MARGIN * float(np.hypot(dx, dy))
        return cls(float(centre[0]), float(centre[1]), size, float(angle))

    @property
    def box(self) -> NDArray[np.float64]:
        """x0, y0, x1, y1 of the unrotated square."""
        half = self.size / 2
        return np.array([self.x - half, self.y - half, self.x + half, self.y + half])

    def crop_to_image(self, side: int) -> NDArray[np.float64]:
        """(2, 3) affine map from a crop of ``side`` pixels to image pixels.

        The models' coordinates, which this maps, run from edge to edge of the crop: 0 to ``side``,
        so that pixel i has its centre at i + 0.5.
        """
        scale = self.size / side
        a, b = scale * np.cos(self.angle), scale * np.sin(self.angle)
        half = side / 2
        return np.array(
            [[a, -b, self.x - half * a + half * b], [b, a, self.y - half * b - half * a]]
        )
