"""Whether the camera moves, from the background; and poses as a still camera would show them.

Corners of the background are followed from frame to frame (Lucas-Kanade in a pyramid), and the
similarity (shift, turn, zoom) that most of them agree on is the camera's step (RANSAC, then least
squares with Cauchy's weights). The dancer's box is left out. Somebody else who moves has strong
corners in a small part of the picture, and a wall weak ones in a large part: so each cell of the
picture gives one corner. Frames are fed one by one and none is kept but the last, so memory does
not grow with the video beyond four numbers a frame.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.analysis.kinematics import lag_frames

Array = NDArray[np.floating]
Grey = NDArray[np.uint8]
Verdict = Literal["still", "moves", "unknown"]

WIDTH: Final = 320  # pixels: a good width of the grey frames; smaller steps are still seen
CELL: Final = 24  # pixels of a side of a cell, each of which gives one corner
_LEAST_CORNERS: Final = 12  # a similarity has 4 unknowns; fewer corners agree by chance
_LEAST_SHARE: Final = 0.5  # of the corners must agree, or the step is not known
_WINDOW: Final = 21  # pixels of a side of what is followed
_TEXTURE: Final = 1e-5  # the smaller eigenvalue of the gradients at a corner, at least
_AGREE: Final = 1.0  # pixels
_NOISE: Final = 0.1  # pixels: scale of the errors of a followed corner
_ROUNDS: Final = 3  # of the least squares
_GROWN: Final = 0.15  # of the box's size, on each side: limbs and shadows reach beyond joints

# The camera moves when, in at least this share of the frames, the middle of the picture goes
# farther than this share of its width within half a second, or zooms as much.
MOVES_SHARE: Final = 0.05
MOVES_BY: Final = 0.01
_WITHIN_S: Final = 0.5
_LEAST_KNOWN: Final = 0.5  # share of steps that must be known to tell


@dataclass(frozen=True, eq=False)
class CameraPath:
    """The camera over a video of T frames of the given size in pixels.

    ``steps[t]`` (2, 3) takes background points of frame t - 1 to frame t; it is the identity where
    it is not ``known`` (T,): in the first frame, and where too few corners agree.
    """

    steps: NDArray[np.float64]  # (T, 2, 3)
    known: NDArray[np.bool_]  # (T,)
    width: float
    height: float

    @cached_property
    def to_first(self) -> NDArray[np.float64]:
        """(T, 2, 3) transforms that take points of each frame to where the first frame has them."""
        total, found = np.eye(3), np.zeros_like(self.steps)
        for t, step in enumerate(self.steps):
            total = np.vstack([step, [0, 0, 1]]) @ total
            found[t] = np.linalg.inv(total)[:2]
        return found

    def share_moving(self, time_s: NDArray[np.float64]) -> float:
        """Share of the frames in which the camera moves; times (T,) in seconds."""
        count, lag = len(self.steps), lag_frames(time_s, _WITHIN_S)
        if count < 2:
            return 0.0
        lag, back = min(lag, count - 1), self.to_first
        # Where the middle of frame t lies in frame t - lag, and how long a unit there is.
        middle = np.array([self.width / 2, self.height / 2, 1.0])
        forth = np.linalg.inv(_square(back[:-lag]))
        between = forth @ _square(back[lag:])
        shift = np.linalg.norm((between @ middle)[:, :2] - middle[:2], axis=1) / self.width
        zoom = np.abs(np.log(np.linalg.norm(between[:, :2, 0], axis=1)))
        return float(((shift > MOVES_BY) | (zoom > MOVES_BY)).mean())

    def verdict(self, time_s: NDArray[np.float64]) -> Verdict:
        """Whether the camera moves; ``unknown`` where the background has too little to follow."""
        if len(self.known) < 2 or self.known[1:].mean() < _LEAST_KNOWN:
            return "unknown"
        return "moves" if self.share_moving(time_s) >= MOVES_SHARE else "still"

    def words(self, time_s: NDArray[np.float64]) -> str:
        """The verdict in a sentence."""
        return {
            "still": "The camera stands still.",
            "moves": f"The camera moves ({self.share_moving(time_s):.0%} of the frames). By the "
            "background, its motion is taken out of speeds, accelerations and contacts.",
            "unknown": "Whether the camera moves cannot be told, since the background shows too "
            "little. If it does, speeds, accelerations and contacts are off by its motion.",
        }[self.verdict(time_s)]


def stabilised(points: Array, path: CameraPath) -> NDArray[np.float64]:
    """Points (T, J, 2 or more) in pixels where the first frame's camera would show them.

    Columns after x and y stay. Small errors of the steps add up, so positions far apart in time are
    not to be compared; speeds, accelerations and contacts are. A turn of the camera turns the
    points too: take angles from the picture's own.
    """
    moved = np.asarray(points, np.float64).copy()
    back = path.to_first[:, None]  # (T, 1, 2, 3)
    moved[..., :2] = (back[..., :2] @ moved[..., :2, None])[..., 0] + back[..., 2]
    return moved


class CameraMotion:
    """Follows the camera of one video; feed it every frame in order, then ask for the path.

    ``scale`` is pixels of the video in one of the grey frames. With ``cut`` a frame is of another
    shot: no step leads to it.
    """

    def __init__(self, scale: float = 1.0) -> None:
        self._scale = scale
        self._last: Grey | None = None
        self._corners: NDArray[np.float32] = np.zeros((0, 1, 2), np.float32)
        self._steps: list[tuple[float, float, float, float]] = []  # a, b, x, y of a similarity
        self._known: list[bool] = []
        self._size = (0.0, 0.0)

    def feed(self, grey: Grey, box: Array | None = None, *, cut: bool = False) -> None:
        """The next frame (H, W) and the person's box in it: x0, y0, x1, y1 pixels of the video.

        A box that is NaN or None leaves nothing out. Raises ValueError when the size changes.
        """
        if self._last is not None and grey.shape != self._last.shape:
            raise ValueError(f"a frame of {grey.shape} after one of {self._last.shape}")
        step = None if self._last is None or cut else self._step(grey)
        self._steps.append(step or (1.0, 0.0, 0.0, 0.0))
        self._known.append(step is not None)
        self._size = (grey.shape[1] * self._scale, grey.shape[0] * self._scale)
        self._corners = _corners(grey, self._background(grey, box))
        self._last = grey

    def path(self) -> CameraPath:
        """What was found in the frames so far, in pixels of the video."""
        numbers = np.array(self._steps, np.float64).reshape(-1, 4)
        a, b, x, y = numbers.T
        # Centres of pixels are integers: a grey pixel's centre is at scale * (i + 1/2) - 1/2.
        half = (self._scale - 1) / 2
        x, y = x * self._scale + half * (1 - a + b), y * self._scale + half * (1 - a - b)
        steps = np.stack([np.stack([a, -b, x], 1), np.stack([b, a, y], 1)], axis=1)
        return CameraPath(steps, np.array(self._known, bool), *self._size)

    def _step(self, grey: Grey) -> tuple[float, float, float, float] | None:
        """The similarity from the last frame, None where too little agrees."""
        assert self._last is not None
        if len(self._corners) < _LEAST_CORNERS:
            return None
        moved, status, _ = cv2.calcOpticalFlowPyrLK(
            self._last, grey, self._corners, None, winSize=(_WINDOW, _WINDOW)
        )
        seen = status[:, 0] > 0
        before, after = self._corners[seen], moved[seen]
        least = max(_LEAST_CORNERS, _LEAST_SHARE * len(status))
        if len(after) < least:
            return None
        found, inliers = cv2.estimateAffinePartial2D(
            before, after, method=cv2.RANSAC, ransacReprojThreshold=_AGREE
        )
        agreed = inliers[:, 0] > 0 if found is not None else np.zeros(0, bool)
        return _fitted(before[agreed, 0], after[agreed, 0]) if agreed.sum() >= least else None

    def _background(self, grey: Grey, box: Array | None) -> Grey:
        """255 where corners may be."""
        mask = np.full(grey.shape, 255, np.uint8)
        if box is None or not np.isfinite(box).all():
            return mask
        x0, y0, x1, y1 = np.asarray(box, np.float64) / self._scale
        grown = _GROWN * max(x1 - x0, y1 - y0)
        left, top = max(0, int(x0 - grown)), max(0, int(y0 - grown))
        mask[top : max(0, int(y1 + grown) + 1), left : max(0, int(x1 + grown) + 1)] = 0
        return mask


def _corners(grey: Grey, mask: Grey) -> NDArray[np.float32]:
    """(N, 1, 2) the best corner of each cell of the background that has one."""
    rows, columns = grey.shape[0] // CELL, grey.shape[1] // CELL
    strength = np.where(mask > 0, cv2.cornerMinEigenVal(grey, 5), 0)
    cells = strength[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL)
    flat = cells.swapaxes(1, 2).reshape(rows * columns, CELL * CELL)
    best = flat.argmax(axis=1)
    cell = np.flatnonzero(flat.max(axis=1) >= _TEXTURE) if len(flat) else np.zeros(0, np.int64)
    x = cell % columns * CELL + best[cell] % CELL if columns else cell
    y = cell // columns * CELL + best[cell] // CELL if columns else cell
    return np.stack([x, y], axis=1).astype(np.float32)[:, None]


def _fitted(
    before: NDArray[np.floating], after: NDArray[np.floating]
) -> tuple[float, float, float, float]:
    """The similarity a, b, x, y that takes corners ``before`` (N, 2) to ``after``.

    Least squares, iterated with Cauchy's weights: a corner of somebody who moves slowly agrees
    roughly, and would pull a mean.
    """
    # A similarity of complex numbers is z -> turn * z + shift; least squares have a closed form.
    start = before[:, 0].astype(np.float64) + 1j * before[:, 1]
    stop = after[:, 0].astype(np.float64) + 1j * after[:, 1]
    turn, shift = 1 + 0j, 0j
    weight = np.ones(len(before))
    for _ in range(_ROUNDS):
        share = weight / weight.sum()
        middle, goal = share @ start, share @ stop
        arm = start - middle
        turn = (share * arm.conj()) @ (stop - goal) / (share @ np.abs(arm) ** 2)
        shift = goal - turn * middle
        weight = 1 / (1 + (np.abs(turn * start + shift - stop) / _NOISE) ** 2)
    return float(turn.real), float(turn.imag), float(shift.real), float(shift.imag)


def _square(transforms: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 2, 3) -> (N, 3, 3)."""
    last = np.broadcast_to(np.array([0.0, 0, 1]), (len(transforms), 1, 3))
    return np.concatenate([transforms, last], axis=1)
