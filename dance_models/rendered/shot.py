"""One view of a piece: what is drawn for it, and its pictures with the exact truth."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.config import RenderedMotionConfig
from dance_models.demo.body import Posed, unit
from dance_models.demo.renderer import Renderer
from dance_models.demo.stage import Camera
from dance_models.rendered.film import Tone, camera_motion, draw_tone
from dance_models.rendered.outfit import draw_outfit
from dance_models.rendered.performance import Performance
from dance_models.rendered.scene import Prop, draw_background, draw_props

Array = NDArray[Any]
Image = NDArray[np.uint8]

RATES: Final = (24, 25, 30, 50, 60)  # frames a second
RATE_ODDS: Final = (0.2, 0.2, 0.4, 0.1, 0.1)
_SHAPES: Final = ((16, 9), (16, 9), (4, 3), (9, 16), (1, 1))  # of the picture
_STANDING_M: Final = 1.75
_SHUTTER: Final = 0.5  # of a frame's time
_BLUR_STEP: Final = 2.5  # pixels between the exposures that are averaged into one picture
_MOST_EXPOSURES: Final = 4


@dataclass(frozen=True, eq=False)
class Shot:
    """A view: everything that is drawn for it. The canvas is the picture with a margin."""

    performance: Performance
    fps: int
    frames: int
    size: tuple[int, int]  # of the picture
    crf: int
    camera: Camera  # of the canvas
    maps: Array | None  # (T, 2, 3) canvas pixels to picture pixels; None: the camera stands still
    renderer: Renderer
    props: list[Prop]
    tone: Tone

    def time_s(self) -> NDArray[np.float64]:
        """(T,) of the middle of each exposure."""
        return np.arange(self.frames) / self.fps

    def projection(self) -> NDArray[np.float64]:
        """(T, 3, 4) from homogeneous metres to homogeneous pixels of the picture."""
        camera = self.camera
        middle = (np.array(camera.size) - 1) / 2
        inner = np.array([[camera.focal, 0, middle[0]], [0, camera.focal, middle[1]], [0, 0, 1]])
        still = inner @ np.c_[camera.axes, -camera.axes @ camera.eye]
        if self.maps is None:
            return np.tile(still, (self.frames, 1, 1))
        last = np.tile([[[0.0, 0.0, 1.0]]], (self.frames, 1, 1))
        return np.asarray(np.concatenate([self.maps, last], axis=1) @ still)

    def pictures(self) -> Iterator[tuple[Image, Posed, NDArray[np.uint8]]]:
        """Picture (H, W, 3), the posed body, and visibility (J,): 2 seen, 1 hidden, 0 outside."""
        before = self.performance.at(0.0)
        projection = self.projection()
        for frame, time_s in enumerate(self.time_s().tolist()):
            posed = self.performance.at(time_s)
            moved = self._moved(before, posed)
            canvas = self._exposed(posed, time_s, moved)
            covered = np.zeros(canvas.shape[:2], np.bool_)
            for prop in self.props:
                prop.paste(canvas, covered, time_s)
            seen = self._visibility(posed, covered, projection[frame])
            yield self.tone(self._framed(canvas, frame), frame), posed, seen
            before = posed

    def _moved(self, before: Posed, posed: Posed) -> float:
        """Pixels that the fastest joint moves during the exposure."""
        pixels = [self.camera.project(p.joints)[0] for p in (before, posed)]
        return float(np.linalg.norm(pixels[1] - pixels[0], axis=1).max()) * _SHUTTER

    def _exposed(self, posed: Posed, time_s: float, moved: float) -> Image:
        """The canvas with the body; when it moves fast, the mean of several moments about it."""
        count = int(np.clip(np.ceil(moved / _BLUR_STEP), 1, _MOST_EXPOSURES))
        if count == 1:
            return self.renderer.render(posed)
        shares = ((np.arange(count) + 0.5) / count - 0.5) * _SHUTTER / self.fps
        total = np.zeros((*self.camera.size[::-1], 3), np.uint16)
        for share in shares.tolist():
            total += self.renderer.render(self.performance.at(max(time_s + share, 0.0)))
        return np.asarray((total + count // 2) // count, np.uint8)

    def _visibility(
        self, posed: Posed, covered: NDArray[np.bool_], projection: Array
    ) -> NDArray[np.uint8]:
        pixels, seen = self.renderer.keypoints(posed)
        at = np.clip(np.round(pixels), 0, np.array(self.camera.size) - 1).astype(int)
        seen[covered[at[:, 1], at[:, 0]] & (seen > 0)] = 1
        x, y = projected(projection, posed.joints).T
        width, height = self.size
        outside = (x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)
        return np.where(outside, 0, np.maximum(seen, 1)).astype(np.uint8)

    def _framed(self, canvas: Image, frame: int) -> Image:
        """The picture as the moving camera frames the canvas."""
        if self.maps is None:
            return canvas
        return np.asarray(
            cv2.warpAffine(
                canvas, self.maps[frame], self.size, flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            ),
            np.uint8,
        )  # fmt: skip


def projected(projection: Array, points: Array) -> Array:
    """(..., 3, 4) and (..., N, 3) metres -> (..., N, 2) pixels."""
    seen = points @ np.swapaxes(projection[..., :3], -1, -2) + projection[..., None, :, 3]
    return np.asarray(seen[..., :2] / seen[..., 2:])


def draw_rate(rng: np.random.Generator) -> int:
    """Frames a second of a piece; all its views have them at the same moments."""
    return int(rng.choice(RATES, p=RATE_ODDS))


def draw_shot(
    performance: Performance,
    fps: int,
    azimuth: float,
    config: RenderedMotionConfig,
    rng: np.random.Generator,
) -> Shot:
    """A view from ``azimuth`` (radians; 0 looks along -x)."""
    frames = max(2, round(config.seconds * fps))
    size = _picture_size(config, rng)
    centred, margin = camera_motion(frames, fps, size, rng)
    border = int(np.ceil((margin + 0.01) * max(size))) if np.ptp(centred, axis=0).any() else 0
    canvas = size[0] + 2 * border, size[1] + 2 * border
    moments = np.linspace(0, (frames - 1) / fps, 7).tolist()
    joints = np.stack([performance.at(t).joints for t in moments])
    camera = _draw_camera(joints, size, canvas, azimuth, config, rng)
    light = _draw_light(camera, rng)
    colours = draw_outfit(performance.body, rng) * rng.uniform(0.9, 1.6)
    background = draw_background(camera, rng)
    pixels = camera.project(joints.reshape(-1, 3))[0]
    box = (*pixels.min(axis=0).tolist(), *pixels.max(axis=0).tolist())
    return Shot(
        performance,
        fps,
        frames,
        size,
        int(rng.integers(config.crf[0], config.crf[1] + 1)),
        camera,
        _about_middles(centred, canvas, size) if border else None,
        Renderer(performance.body, colours, camera, background, light),
        draw_props(box, frames / fps, config, rng),
        draw_tone(size, rng),
    )


def _picture_size(config: RenderedMotionConfig, rng: np.random.Generator) -> tuple[int, int]:
    """Width and height, both even; small pictures are as likely as large ones."""
    low, high = np.log(config.lines)
    lines = float(np.exp(rng.uniform(low, high)))
    across, up = _SHAPES[rng.integers(len(_SHAPES))]
    if up > across:  # upright: the lines are its width
        return 2 * round(lines / 2), 2 * round(lines * up / across / 2)
    return 2 * round(lines * across / up / 2), 2 * round(lines / 2)


def _draw_camera(
    joints: Array,
    size: tuple[int, int],
    canvas: tuple[int, int],
    azimuth: float,
    config: RenderedMotionConfig,
    rng: np.random.Generator,
) -> Camera:
    """A camera at 2.2 to 6 m, with a focal length that makes the dancer as large as is drawn."""
    distance = rng.uniform(2.2, 6.0)
    elevation = np.radians(rng.uniform(-4, 22) if rng.random() < 0.85 else rng.uniform(22, 45))
    share = rng.uniform(*config.figure)
    if rng.random() < config.cut:
        share = rng.uniform(1.0, 1.5) * config.figure[1]
    tall = share * size[1] if size[1] <= 1.2 * size[0] else share * 1.2 * size[0]
    focal = tall * distance / _STANDING_M
    flat = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    middle = (joints.min(axis=(0, 1)) + joints.max(axis=(0, 1))) / 2
    right = unit(np.cross(-flat, [0.0, 0.0, 1.0]))
    free = np.maximum(np.array(size) - (0.5 * tall, tall), 0.08 * tall) / focal * distance / 2
    aside, above = rng.uniform(-0.8, 0.8, 2) * free
    at = middle + right * aside + np.array([0, 0, above])
    eye = at + distance * (np.cos(elevation) * flat + np.array([0, 0, np.sin(elevation)]))
    eye[2] = max(eye[2], 0.15)
    return Camera(canvas, focal, eye, at)


def _draw_light(camera: Camera, rng: np.random.Generator) -> Array:
    """The direction to the light: anywhere above, more often on the camera's side."""
    direction = rng.normal(size=3)
    direction[2] = abs(direction[2])
    return unit(unit(direction) - camera.axes[2] * rng.uniform(0, 1.2))


def _about_middles(centred: Array, canvas: tuple[int, int], size: tuple[int, int]) -> Array:
    """Maps between pixels from those between pixels about the middles of both."""
    before, after = ((np.array(s) - 1) / 2 for s in (canvas, size))
    maps = centred.copy()
    maps[:, :, 2] += after - maps[:, :, :2] @ before
    return maps
