"""The landmark model: 33 body landmarks in a rotated square crop."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.estimators.blazepose.litert import LiteRtModel, sigmoid
from dance_models.estimators.blazepose.region import Region
from dance_models.evidence import LANDMARKS, NUM_EVIDENCE, columns
from dance_models.skeleton import BLAZEPOSE_MIRROR

FILE: Final = "pose_landmark_full.tflite"
NUM_LANDMARKS: Final = len(LANDMARKS)

_CROP: Final = 256  # pixels
_CELLS: Final = 64  # of the heat maps
_POINTS: Final = 39  # 33 landmarks, 2 alignment points, 4 that are not used
_CENTRE, _RIM = 33, 34  # the alignment points
_VALUES: Final = 5  # x, y, z in crop pixels, visibility and presence as logits
# Numbers of values of what is read: points, heat maps, world and presence. The model also draws the
# person's outline, a third of its work.
_OUTPUTS: Final = (_POINTS * _VALUES, _CELLS * _CELLS * _POINTS, _POINTS * 3, 1)
_REACH: Final = 3  # the heat map is read in a window of 7 x 7 cells
_MIN_PEAK: Final = 0.5  # below it the heat map does not refine


@dataclass(frozen=True, eq=False)
class Landmarks:
    """The 33 landmarks, where to look next, and the probability that a person is there."""

    points: NDArray[np.float32]  # (33, 3) x, y in image pixels and visibility
    evidence: NDArray[np.float32]  # (33, E)
    next_region: Region
    presence: float


class Refined(NamedTuple):
    """Points after their heat maps, and what the maps say about them."""

    points: NDArray[np.float64]  # (P, 2)
    peak: NDArray[np.float64]  # (P,) 0..1, the highest value near the point
    spread: NDArray[np.float64]  # (P,) standard deviation about the centre of mass


class _Pass(NamedTuple):
    """The model's outputs for one crop, in crop coordinates: 0 to 256 from edge to edge."""

    xy: NDArray[np.float64]  # (39, 2) refined
    z: NDArray[np.float32]  # (39,)
    visibility: NDArray[np.float32]  # (39,) 0..1
    presence: NDArray[np.float32]  # (39,) 0..1
    world: NDArray[np.float32]  # (39, 3) metres
    peak: NDArray[np.float64]  # (39,)
    spread: NDArray[np.float64]  # (39,)
    person: float  # 0..1

    def unmirrored(self) -> "_Pass":
        """The first 33 points as if the crop had not been mirrored, left and right swapped back."""
        mirror = list(BLAZEPOSE_MIRROR)
        return _Pass(
            xy=(self.xy * (-1, 1) + (_CROP, 0))[mirror],
            z=self.z[mirror],
            visibility=self.visibility[mirror],
            presence=self.presence[mirror],
            world=(self.world * np.array([-1, 1, 1], np.float32))[mirror],
            peak=self.peak[mirror],
            spread=self.spread[mirror],
            person=self.person,
        )


class LandmarkModel:
    """BlazePose "full"; deterministic and without memory.

    With ``mirrored_pass`` it also looks at the mirrored crop, in twice the time: what the two
    passes disagree about is evidence of an error. The landmarks are those of the first pass. With
    more than one thread the two are made side by side, which gives the same numbers.
    """

    def __init__(self, weights: Path, threads: int, *, mirrored_pass: bool = False) -> None:
        self._mirrored_pass = mirrored_pass
        beside = mirrored_pass and threads > 1
        each = threads // 2 if beside else threads
        self._model = LiteRtModel(weights / FILE, each, outputs=_OUTPUTS)
        self._second = (
            LiteRtModel(weights / FILE, each, outputs=_OUTPUTS) if beside else self._model
        )
        self._pool = ThreadPoolExecutor(1) if beside else None

    def find(self, image: NDArray[np.uint8], region: Region) -> Landmarks:
        """Landmarks of the person in ``region`` of an RGB image (H, W, 3)."""
        to_image = region.crop_to_image(_CROP)
        crop = cv2.warpAffine(
            image,
            _from_pixel_centres(to_image),
            (_CROP, _CROP),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        straight, mirrored = self._passes(crop)
        xy = _mapped(straight.xy, to_image)
        points = np.concatenate([xy, straight.visibility[:, None]], axis=1)[:NUM_LANDMARKS]
        return Landmarks(
            points.astype(np.float32),
            _evidence(straight, mirrored, to_image),
            Region.from_alignment(xy[_CENTRE], xy[_RIM]),
            straight.person,
        )

    def _passes(self, crop: NDArray[np.uint8]) -> tuple[_Pass, _Pass | None]:
        """On the crop, and on its mirror image where that is wanted."""
        if not self._mirrored_pass:
            return _look(self._model, crop), None
        if self._pool is None:
            return _look(self._model, crop), _look(self._model, crop[:, ::-1]).unmirrored()
        mirrored = self._pool.submit(_look, self._second, crop[:, ::-1])
        return _look(self._model, crop), mirrored.result().unmirrored()


def _look(model: LiteRtModel, crop: NDArray[np.uint8]) -> _Pass:
    model.run(np.multiply(crop, np.float32(1 / 255), dtype=np.float32))
    raw = model.output(_POINTS * _VALUES).reshape(_POINTS, _VALUES)
    heat = model.output(_CELLS * _CELLS * _POINTS).reshape(_CELLS, _CELLS, _POINTS)
    refined = refine(raw[:, :2], heat)
    return _Pass(
        xy=refined.points,
        z=raw[:, 2],
        visibility=sigmoid(raw[:, 3]),
        presence=sigmoid(raw[:, 4]),
        world=model.output(_POINTS * 3).reshape(_POINTS, 3),
        peak=refined.peak,
        spread=refined.spread,
        person=float(model.output(1).reshape(())),
    )


def _from_pixel_centres(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """The map (2, 3) for pixel indices, from the one for coordinates from edge to edge.

    Pixel i is centred at i + 0.5. OpenCV maps indices; without this, what the model sees lies half
    a crop pixel to the lower right of where its coordinates are taken to be. MediaPipe has that
    shift.
    """
    shifted = affine.copy()
    shifted[:, 2] += affine[:, :2].sum(axis=1) / 2
    return shifted


def _mapped(points: NDArray[np.floating], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(points @ affine[:, :2].T + affine[:, 2])


def _evidence(
    straight: _Pass, mirrored: _Pass | None, to_image: NDArray[np.float64]
) -> NDArray[np.float32]:
    """(33, E), in the image's axes and pixels; see :data:`dance_models.evidence.EVIDENCE`."""
    scale = float(np.hypot(*to_image[:, 0]))  # image pixels a crop pixel
    turn = to_image[:, :2] / scale
    found = np.full((NUM_LANDMARKS, NUM_EVIDENCE), np.nan, np.float32)

    def put(values: NDArray[np.floating], *names: str) -> None:
        found[:, columns(*names)] = values[:NUM_LANDMARKS].reshape(NUM_LANDMARKS, -1)

    put(straight.presence, "presence")
    put(straight.z * scale, "depth")
    put(straight.world[:, :2] @ turn.T, "world_x", "world_y")
    put(straight.world[:, 2], "world_z")
    put(straight.peak, "peak")
    put(straight.spread * scale, "spread")
    if mirrored is not None:
        put(_mapped(mirrored.xy, to_image), "mirrored_x", "mirrored_y")
        put(mirrored.visibility, "mirrored_visibility")
        put(mirrored.world[:, :2] @ turn.T, "mirrored_world_x", "mirrored_world_y")
        put(mirrored.world[:, 2], "mirrored_world_z")
    return found


def refine(points: NDArray[np.float32], heat: NDArray[np.float32]) -> Refined:
    """Move points to the centre of mass of their heat maps, in a window around each.

    ``points`` is (P, 2) in crop coordinates, ``heat`` (64, 64, P) logits; the value of cell c is
    that at coordinate 4 c. A point stays where it is when it lies outside the map or the map does
    not reach ``_MIN_PEAK`` near it.
    """
    scale = _CROP / _CELLS
    cell = np.trunc(points / scale).astype(np.int64)  # (P, 2) column, row
    window = np.arange(-_REACH, _REACH + 1)
    columns, rows = cell[:, :1] + window, cell[:, 1:] + window  # (P, 7) each
    inside = _within(rows)[:, :, None] & _within(columns)[:, None, :]  # (P, 7, 7)
    at = np.arange(len(points))[:, None, None]
    r, c = np.clip(rows, 0, _CELLS - 1), np.clip(columns, 0, _CELLS - 1)
    weight = np.where(inside, sigmoid(heat[r[:, :, None], c[:, None, :], at]), 0.0)
    total = np.maximum(weight.sum(axis=(1, 2)), 1e-9)
    of_columns, of_rows = weight.sum(axis=1), weight.sum(axis=2)  # (P, 7) each
    x = (of_columns * columns).sum(axis=1) / total
    y = (of_rows * rows).sum(axis=1) / total
    spread = of_columns * (columns - x[:, None]) ** 2 + of_rows * (rows - y[:, None]) ** 2
    peak = weight.max(axis=(1, 2))
    usable = (peak >= _MIN_PEAK) & _within(cell).all(axis=1)
    moved = np.where(usable[:, None], np.stack([x, y], axis=1) * scale, points)
    return Refined(moved, peak, scale * np.sqrt(spread.sum(axis=1) / total))


def _within(cell: NDArray[np.int64]) -> NDArray[np.bool_]:
    return (cell >= 0) & (cell < _CELLS)
