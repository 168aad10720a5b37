"""How a player turns, mirrors and stretches a coded picture before it shows it."""

from fractions import Fraction
from typing import Any, Final, NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray

# A size within this share of the coded one is the coded one: encoders round the aspect.
ASPECT_TOLERANCE: Final = 0.005
# Pixels that are wider or narrower than this are a wrong entry in the file.
WIDEST_PIXEL: Final = 4

_TURN: Final = np.array([[0, 1], [-1, 0]])  # x, y of a picture turned by 90 degrees, y downwards
_MIRROR: Final = np.array([[-1, 0], [0, 1]])


class Orientation(NamedTuple):
    """One of the eight ways to show a picture: mirrored left to right first, then turned."""

    rotation: int = 0  # degrees, counter-clockwise: 0, 90, 180 or 270
    mirrored: bool = False

    @property
    def turned(self) -> bool:
        """Whether width and height change places."""
        return self.rotation % 180 != 0


def orientation_of(frame: Any) -> Orientation:
    """The orientation of a PyAV frame by its display matrix; as coded when it has none."""
    kind = av.sidedata.sidedata.Type.DISPLAYMATRIX
    try:
        found = next((bytes(data) for data in frame.side_data if data.type == kind), None)
    except ValueError:  # beside the matrix there are data of a kind that PyAV does not know
        return Orientation(round(frame.rotation / 90) * 90 % 360)
    return Orientation() if found is None else orientation_of_matrix(np.frombuffer(found, np.int32))


def orientation_of_matrix(matrix: NDArray[np.int32]) -> Orientation:
    """The nearest of the eight to a display matrix.

    ``matrix`` (9,) is [a b u, c d v, x y w] of ISO 14496-12: (x, y) is shown at
    (a x + c y, b x + d y), y downwards.
    """
    a, b, _, c, d = (float(value) for value in matrix[:5])
    wanted = np.array([[a, c], [b, d]])
    eight = [Orientation(90 * k, mirrored) for mirrored in (False, True) for k in range(4)]
    return max(eight, key=lambda orientation: float((_matrix(orientation) * wanted).sum()))


def _matrix(orientation: Orientation) -> NDArray[np.int_]:
    turned = np.linalg.matrix_power(_TURN, orientation.rotation // 90)
    return turned @ _MIRROR if orientation.mirrored else turned


def displayed_size(
    coded: tuple[int, int], aspect: Fraction, orientation: Orientation
) -> tuple[int, int]:
    """Width and height as shown of a picture whose pixels are ``aspect`` times as wide as high.

    The longer side of the pixels is stretched, so that none is lost.
    """
    width, height = coded
    if abs(aspect - 1) > ASPECT_TOLERANCE:
        width = max(width, round(width * aspect))
        height = max(height, round(height / aspect))
    return (height, width) if orientation.turned else (width, height)


def as_shown(
    image: NDArray[np.uint8], orientation: Orientation, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """A coded picture (H, W, 3) as a player shows it, ``size`` being its width and height then."""
    if orientation.mirrored:
        image = image[:, ::-1]
    turned = np.ascontiguousarray(np.rot90(image, k=round(orientation.rotation / 90) % 4))
    if turned.shape[1::-1] == size:
        return turned
    return np.asarray(cv2.resize(turned, size, interpolation=cv2.INTER_CUBIC), np.uint8)
