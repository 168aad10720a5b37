"""Virtual cameras around captured motion, and the projected poses.

World axes: right-handed, y up. Image axes: x right, y down, pixel centres at integers. A camera
does not move and looks at the middle of the space that the motion takes.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.errors import InputError
from dance_models.skeleton import DANCE_14, Skeleton

Array = NDArray[np.float64]

_HEAD: Final = ("head_top", "head", "nose")  # names of joints above the neck


@dataclass(frozen=True)
class CameraRanges:
    """The ranges that :func:`random_camera` draws from uniformly; the azimuth is any."""

    width: int = 640
    height: int = 480
    elevation_deg: tuple[float, float] = (-5.0, 20.0)  # of the camera, as seen from the dancer
    focal: tuple[float, float] = (0.9, 2.0)  # in picture heights: 58 to 28 degrees high
    distance: tuple[float, float] = (1.0, 1.5)  # times the least at which all of the motion is seen
    margin: float = 0.05  # of the picture, left free on every side


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera without distortion."""

    eye: Array  # (3,) position
    axes: Array  # (3, 3) rows: the picture's right, its down, the viewing direction
    focal: float  # pixels
    width: int
    height: int

    def project(self, points: Array) -> NDArray[np.float32]:
        """(..., 3) -> (..., 2) pixels; NaN where a point is missing or behind the camera."""
        seen = (points - self.eye) @ self.axes.T
        depth = np.where(seen[..., 2:] > 0, seen[..., 2:], np.nan)
        middle = np.array([self.width - 1, self.height - 1]) / 2
        return np.asarray(middle + self.focal * seen[..., :2] / depth, np.float32)


def look_from(azimuth: float, elevation: float) -> Array:
    """(3, 3) camera axes; radians. Azimuth 0 looks along -z, from the front of a dancer facing z.

    With growing azimuth the camera moves towards x; with growing elevation it rises.
    """
    back = np.array(
        [
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation),
            np.cos(azimuth) * np.cos(elevation),
        ]
    )
    right = np.array([np.cos(azimuth), 0.0, -np.sin(azimuth)])
    return np.stack([right, np.cross(-back, right), -back])


def random_camera(points: Array, rng: np.random.Generator, ranges: CameraRanges) -> Camera:
    """Draw a camera that sees all of ``points`` (T, J, 3) within its margin; NaN is skipped.

    Raises InputError when there is no point.
    """
    known = points[np.isfinite(points).all(axis=-1)]
    if not len(known):
        raise InputError("no joint is known in any frame")
    azimuth = rng.uniform(0, 2 * np.pi)
    elevation = np.deg2rad(rng.uniform(*ranges.elevation_deg))
    focal = rng.uniform(*ranges.focal) * ranges.height
    middle = (known.min(axis=0) + known.max(axis=0)) / 2
    axes = look_from(azimuth, elevation)
    least = _least_distance((known - middle) @ axes.T, focal, ranges)
    distance = least * rng.uniform(*ranges.distance)
    return Camera(middle - axes[2] * distance, axes, focal, ranges.width, ranges.height)


def _least_distance(seen: Array, focal: float, ranges: CameraRanges) -> float:
    """From the origin of ``seen`` (N, 3) in camera axes, so that all of it is in the picture."""
    half = np.array([ranges.width - 1, ranges.height - 1]) / 2
    half -= ranges.margin * np.array([ranges.width, ranges.height])
    needed = (focal * np.abs(seen[:, :2]) / half).max(axis=1) - seen[:, 2]
    extent = float(np.ptp(seen, axis=0).max())
    return float(max(needed.max(), extent, 1e-6))


def upright(points: Array, skeleton: Skeleton = DANCE_14) -> Array:
    """Turn (T, J, 3) so that y points up, whichever axis did in the file.

    Up is the axis along which, on average, the neck and head are farthest from the ankles (from
    the hips, without ankles). The turn is a proper rotation: left stays left.
    """
    head = [skeleton.index[name] for name in _HEAD if name in skeleton.index]
    ankles = [skeleton.index[f"{side}_ankle"] for side in ("left", "right")]
    high = np.nanmean(points[:, [*skeleton.neck, *head]], axis=(0, 1))
    feet, hips = points[:, ankles], points[:, list(skeleton.hips)]
    low = np.nanmean(feet if np.isfinite(feet).any() else hips, axis=(0, 1))
    axis = int(np.argmax(np.abs(high - low)))
    turned = np.roll(points, 1 - axis, axis=-1)
    return turned if (high - low)[axis] >= 0 else turned * np.array([1.0, -1.0, -1.0])
