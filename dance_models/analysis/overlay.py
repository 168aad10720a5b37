"""The video with the skeletons drawn on it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.analysis.ahead import ahead
from dance_models.analysis.encode import browser_video
from dance_models.analysis.video import VideoPoses
from dance_models.data.forecast_windows import resample
from dance_models.metrics.horizon import FORECAST_HZ
from dance_models.render.overlay import SHIFT, fixed_point, line_thickness
from dance_models.skeleton import DANCE_14, Colour
from dance_models.video.stream import ClipStream

Image = NDArray[np.uint8]

ESTIMATE: Final[Colour] = (225, 225, 225)
FORECAST: Final[Colour] = (120, 240, 130)  # no bone has it
OUTLINE: Final[Colour] = (20, 20, 20)
WHITE: Final[Colour] = (255, 255, 255)
UNDER: Final = 0.65  # opacity of trails, estimate and forecast
BEHIND_TEXT: Final = 0.6  # how far the picture is darkened
MOST_LEGEND: Final = (0.65, 0.1)  # of the width and of the height of the picture
LEAST_LEGEND: Final = 0.2  # scale of its font: smaller words cannot be read
LEAST_TIME: Final = 0.3
_WIDTH_OF_TEXT: Final = 1024  # pixels of a picture whose text has scale 1
_BOLD: Final = 2.4  # pixels of a stroke at scale 1: thin ones vanish where the picture is shrunk
_FINER: Final = 4  # times the legend is painted larger, so that small words are smooth
TRAIL_S: Final = 0.5
TRAILED: Final = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")
SURE: Final = 0.8  # from this score on a joint is drawn in full
UNSURE: Final = 0.3  # at this score and below it is palest
_FAR: Final = 1e6  # pixels; OpenCV's fixed-point coordinates overflow far beyond this
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, eq=False)
class _Layers:
    """What is drawn on T frames. Pixels."""

    estimate: NDArray[np.float32]  # (T, J, 2)
    refined: NDArray[np.float32]  # (T, J, 2)
    surety: NDArray[np.float32]  # (T, J) 0..1
    ghost: NDArray[np.float32]  # (T, J, 2), all NaN where there is none
    shot: NDArray[np.int64]  # (T,) which stretch, -1 for none
    time_s: NDArray[np.float64]


def write_overlay(
    video: Path,
    poses: VideoPoses,
    target: Path,
    horizon_ms: int | None,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Write an H.264 file with the pictures, times and sound of the video, and return notes.

    Grey is the estimate, colours are the refined pose (thinner and paler where the estimator is
    unsure), green the pose forecast for ``horizon_ms`` ahead (None: not drawn). The video is
    decoded a second time, since a refined pose needs later frames and no frame is held. Decoding,
    drawing and encoding are done side by side. The file is written under a temporary name.
    """
    run, draw = poses.run, painter(poses, horizon_ms)

    def drawn(frames: Iterator[tuple[int, Image]]) -> Iterator[tuple[int, Image]]:
        for index, image in frames:
            yield index, draw(image, index)

    stream = ClipStream(video, poses.seen.rate)
    shown = ((frame.number, frame.image) for frame in stream.frames())
    size, start_s = (run.width, run.height), poses.seen.start_s
    with (
        browser_video(target, size, poses.seen.fps, video, start_s) as file,
        ahead(shown) as decoded,
        ahead(drawn(decoded)) as images,
    ):
        for index, image in images:
            file.write(image, float(run.time_s[index]))
            if progress is not None:
                progress(index + 1, len(run))
        file.finish(float(run.time_s[-1]) + 1 / poses.seen.fps)
    return file.notes


def painter(poses: VideoPoses, horizon_ms: int | None) -> Callable[[Image, int], Image]:
    """What draws everything onto the picture (H, W, 3) of a frame, and changes the picture."""
    layers = _layers(poses, horizon_ms)
    legend = _legend((poses.run.width, poses.run.height), horizon_ms)
    return lambda image, index: draw_frame(image, layers, index, legend)


def _layers(poses: VideoPoses, horizon_ms: int | None) -> _Layers:
    run = poses.run
    shot = np.full(len(run), -1)
    for number, (start, stop) in enumerate(poses.stretches):
        shot[start:stop] = number
    score = np.nan_to_num(poses.restored.score)
    return _Layers(
        run.estimate,
        poses.refined,
        np.clip((score - UNSURE) / (SURE - UNSURE), 0, 1).astype(np.float32),
        _ghosts(poses, horizon_ms),
        shot,
        run.time_s,
    )


def _ghosts(poses: VideoPoses, horizon_ms: int | None) -> NDArray[np.float32]:
    """(T, J, 2) where each frame's dancer is forecast to be ``horizon_ms`` later.

    From the latest forecast at or before the frame, at the time of the frame plus the horizon, or
    as far as it reaches.
    """
    run = poses.run
    ghosts = np.full_like(poses.refined, np.nan)
    if horizon_ms is None or not len(poses.anchor):
        return ghosts
    latest = np.searchsorted(poses.anchor, np.arange(len(run)), side="right") - 1
    steps = np.arange(1, poses.forecast.shape[1] + 1) / FORECAST_HZ
    for start, stop in poses.stretches:
        for frame in range(start, stop):
            of = int(latest[frame])
            if of < 0 or poses.anchor[of] < start:
                continue
            ahead_s = float(run.time_s[frame] - run.time_s[poses.anchor[of]]) + horizon_ms / 1000
            at = np.array([min(ahead_s, float(steps[-1]))])
            ghosts[frame] = resample(steps, poses.forecast[of], at)[0]
    return ghosts


# --- drawing ------------------------------------------------------------------------------------


def draw_frame(image: Image, layers: _Layers, index: int, legend: "_Legend") -> Image:
    """A frame (H, W, 3) with everything drawn on it; the image itself is changed."""
    thick = line_thickness(image.shape[0], image.shape[1])
    _blend_under(image, layers, index, thick)
    _draw_refined(image, layers.refined[index], layers.surety[index], thick)
    legend.put(image)
    _put_time(image, float(layers.time_s[index]))
    return image


def _blend_under(image: Image, layers: _Layers, index: int, thick: int) -> None:
    """Trails, estimate and forecast, half transparent, within the box that holds them."""
    trails = _trails(layers, index)
    estimate, ghost = layers.estimate[index], layers.ghost[index]
    everything = np.concatenate([estimate, ghost, *trails])
    box = _box(everything, image, 4 * thick)
    if box is None:
        return
    rows, columns = box
    part = image[rows, columns]
    offset = np.array([columns.start, rows.start], np.float32)
    layer = part.copy()
    for joint, trail in zip(TRAILED, trails, strict=True):
        _draw_trail(layer, trail - offset, DANCE_14.colours[DANCE_14.index[joint]], thick)
    thin = max(1, thick // 2)
    _draw_lines(layer, estimate - offset, OUTLINE, thin + 2)
    _draw_lines(layer, estimate - offset, ESTIMATE, thin)
    _draw_lines(layer, ghost - offset, FORECAST, max(1, round(0.7 * thick)))
    cv2.addWeighted(layer, UNDER, part, 1 - UNDER, 0, dst=part)


def _trails(layers: _Layers, index: int) -> list[NDArray[np.float32]]:
    """(F, 2) of each trailed joint: where it was in the last half second of this stretch."""
    first = int(np.searchsorted(layers.time_s, layers.time_s[index] - TRAIL_S))
    frames = np.arange(first, index + 1)
    frames = frames[(layers.shot[frames] == layers.shot[index]) & (layers.shot[index] >= 0)]
    return [layers.refined[frames, DANCE_14.index[joint]] for joint in TRAILED]


def _draw_trail(image: Image, trail: NDArray[np.float32], colour: Colour, thick: int) -> None:
    """Thinner the longer ago."""
    points, known = _placed(trail)
    for i in range(len(trail) - 1):
        if known[i] and known[i + 1]:
            width = max(1, round(thick * (i + 1) / len(trail)))
            cv2.line(image, points[i], points[i + 1], colour, width, cv2.LINE_AA, SHIFT)


def _draw_lines(image: Image, pose: NDArray[np.float32], colour: Colour, width: int) -> None:
    points, known = _placed(pose)
    for parent, child in DANCE_14.edges:
        if known[parent] and known[child]:
            cv2.line(image, points[parent], points[child], colour, width, cv2.LINE_AA, SHIFT)


def _draw_refined(
    image: Image, pose: NDArray[np.float32], surety: NDArray[np.float32], thick: int
) -> None:
    points, known = _placed(pose)
    for parent, child in DANCE_14.edges:
        if known[parent] and known[child]:
            sure = float(min(surety[parent], surety[child]))
            width = max(1, round(thick * (0.4 + 0.6 * sure)))
            paint = _paler(DANCE_14.colours[child], sure)
            cv2.line(image, points[parent], points[child], paint, width, cv2.LINE_AA, SHIFT)
    for joint in np.flatnonzero(known):
        sure = float(surety[joint])
        inner = max(1.0, 0.7 * thick * (0.5 + 0.5 * sure))
        rim = _paler(DANCE_14.colours[joint], sure)
        for radius, fill in ((inner + max(1.0, 0.5 * thick), rim), (inner, WHITE)):
            fixed = round(radius * 2**SHIFT)
            cv2.circle(image, points[joint], fixed, fill, cv2.FILLED, cv2.LINE_AA, SHIFT)


def _paler(colour: Colour, sure: float) -> Colour:
    """Half way to white where it is least sure."""
    red, green, blue = (round(c + (255 - c) * 0.5 * (1 - sure)) for c in colour)
    return red, green, blue


def _placed(points: NDArray[np.float32]) -> tuple[list[tuple[int, int]], list[bool]]:
    """Points (N, 2) as OpenCV takes them, and which of them can be drawn."""
    known = _drawable(points)
    return fixed_point(np.where(known[:, None], points, 0)), known.tolist()


def _drawable(points: NDArray[np.float32]) -> NDArray[np.bool_]:
    near = np.abs(points) < _FAR  # so is no NaN
    return np.asarray(near.all(axis=-1))


def _box(points: NDArray[np.float32], image: Image, margin: int) -> tuple[slice, slice] | None:
    """Rows and columns of the image around the points; None where none of it is in the image."""
    known = points[_drawable(points)]
    if not len(known):
        return None
    low = np.maximum(np.floor(known.min(axis=0)).astype(int) - margin, 0)
    high = np.minimum(np.ceil(known.max(axis=0)).astype(int) + margin, image.shape[1::-1])
    if (high <= low).any():
        return None
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


# --- words --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Legend:
    """Words on a darkened corner, painted once.

    All three channels are spelt out, since NumPy is slow where it repeats one of them.
    """

    paint: NDArray[np.uint16]  # (h, w, 3) times how much of it is taken, 0..255 * 255
    kept: NDArray[np.uint16]  # (h, w, 3) how much of the picture stays, 0..255

    @classmethod
    def of(cls, paint: Image, mask: NDArray[np.uint8]) -> "_Legend":
        """Of the paint (h, w, 3) and how much of it is taken (h, w), 0..255."""
        taken = np.repeat(mask[..., None].astype(np.uint16), 3, axis=2)
        return cls(paint * taken, 255 - taken)

    def put(self, image: Image) -> None:
        """Draw it in the upper left corner."""
        corner = image[: self.kept.shape[0], : self.kept.shape[1]]
        height, width = corner.shape[:2]
        mixed = corner * self.kept[:height, :width]
        mixed += self.paint[:height, :width]
        mixed //= 255
        corner[:] = mixed


def _text_scale(size: tuple[int, int]) -> float:
    """Of OpenCV's font, whose capitals are about 21 pixels high at scale 1.

    They are 8 pixels high where a picture of this ``size`` is shown 390 pixels wide, as on a phone.
    """
    return size[0] / _WIDTH_OF_TEXT


def _stroke(scale: float) -> float:
    return max(1.0, _BOLD * scale)


def _legend(size: tuple[int, int], horizon_ms: int | None) -> _Legend:
    """As large as the picture; nothing on a tiny one."""
    scale = max(LEAST_LEGEND, _text_scale(size))
    legend = _painted(_legend_words(horizon_ms), scale)
    height, width = legend.kept.shape[:2]
    if width <= MOST_LEGEND[0] * size[0] and height <= MOST_LEGEND[1] * size[1]:
        return legend
    return _Legend.of(np.zeros((0, 0, 3), np.uint8), np.zeros((0, 0), np.uint8))


def _legend_words(horizon_ms: int | None) -> list[tuple[str, Colour]]:
    """Each in the colour of what it names. The page says more, in words of its own size."""
    left, right = (DANCE_14.colours[DANCE_14.index[f"{side}_wrist"]] for side in ("left", "right"))
    words = [("left", left), ("right", right), ("estimate", ESTIMATE)]
    return words if horizon_ms is None else [*words, (f"forecast {horizon_ms} ms", FORECAST)]


def _painted(words: list[tuple[str, Colour]], scale: float) -> _Legend:
    """The words in a row."""
    fine, stroke = _FINER * scale, round(_FINER * _stroke(scale))
    gap, high = round(16 * fine), round(38 * fine)
    widths = [cv2.getTextSize(text, _FONT, fine, stroke)[0][0] for text, _ in words]
    shape = (high, sum(widths) + gap * (len(words) + 1))
    paint = np.zeros((*shape, 3), np.uint8)
    mask = np.full(shape, round(255 * BEHIND_TEXT), np.uint8)
    x = gap
    for (text, colour), width in zip(words, widths, strict=True):
        for layer, ink in ((paint, colour), (mask, 255)):
            cv2.putText(layer, text, (x, round(27 * fine)), _FONT, fine, ink, stroke, cv2.LINE_AA)
        x += width + gap
    size = (shape[1] // _FINER, shape[0] // _FINER)
    small, taken = (
        cv2.resize(layer, size, interpolation=cv2.INTER_AREA) for layer in (paint, mask)
    )
    return _Legend.of(np.asarray(small, np.uint8), np.asarray(taken, np.uint8))


def _put_time(image: Image, time_s: float) -> None:
    """Minutes, seconds and hundredths, lower right."""
    scale = max(LEAST_TIME, _text_scale(image.shape[1::-1]))
    stroke = round(_stroke(scale))
    text = f"{int(time_s // 60)}:{time_s % 60:05.2f}"
    (width, _), below = cv2.getTextSize(text, _FONT, scale, stroke)
    at = (image.shape[1] - width - 3 * below, image.shape[0] - 3 * below)
    for ink, thickness in ((OUTLINE, stroke + 2), (WHITE, stroke)):
        cv2.putText(image, text, at, _FONT, scale, ink, thickness, cv2.LINE_AA)
