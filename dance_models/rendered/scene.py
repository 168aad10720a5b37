"""What is behind and before the dancer: procedural backgrounds and props."""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.config import RenderedMotionConfig
from dance_models.demo.stage import Camera, draw_stage

Array = NDArray[Any]
Image = NDArray[np.uint8]

_SMOOTH: Final = 0.03  # blur of the far background, of the picture's height
_TONES: Final = (25, 235)


def draw_background(camera: Camera, rng: np.random.Generator) -> Image:
    """RGB (H, W, 3): a studio or textures at several scales, with clutter."""
    width, height = camera.size
    if rng.random() < 0.3:
        image = draw_stage(camera, rng).astype(np.float32)
    else:
        image = _textured(width, height, rng)
        if rng.random() < 0.6:
            _floor(image, camera, rng)
    for _ in range(int(rng.integers(0, 30) * rng.random())):
        _clutter(image, rng)
    if rng.random() < 0.4:  # out of focus
        image = cv2.GaussianBlur(image, (0, 0), height * _SMOOTH * rng.uniform(0.05, 0.4))
    image += fractal(width, height, rng)[..., None] * rng.uniform(0, 18)
    return np.clip(image, 0, 255).astype(np.uint8)


def fractal(width: int, height: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) noise of unit variance with about as much power in each octave."""
    total = np.zeros((height, width), np.float32)
    cells = 2
    while cells <= max(4, height // 3):
        across = max(2, round(cells * width / height))
        coarse = rng.normal(size=(cells, across)).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        cells *= 2
    return np.asarray(total / max(float(total.std()), 1e-6))


def _textured(width: int, height: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A gradient between two colours, with fractal noise between two others."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.cos(angle) * x / width + np.sin(angle) * y / height
    ramp = (ramp - ramp.min()) / max(float(np.ptp(ramp)), 1e-6)
    low, high, spread = rng.uniform(*_TONES, 3), rng.uniform(*_TONES, 3), rng.normal(0, 25, 3)
    noise = fractal(width, height, rng)[..., None] * rng.uniform(0, 1)
    return np.asarray(low + (high - low) * ramp[..., None] + noise * spread, np.float32)


def _floor(image: NDArray[np.float32], camera: Camera, rng: np.random.Generator) -> None:
    """Another texture below a wall that stands some metres behind the dancer."""
    away = camera.axes[2] * (1, 1, 0)
    foot = away / max(float(np.linalg.norm(away)), 1e-6) * rng.uniform(1.5, 5)
    pixels, depth = camera.project(foot[None])
    horizon = round(float(pixels[0, 1]))
    if depth[0] > 0 and 0 < horizon < len(image):
        ground = _textured(image.shape[1], image.shape[0], rng)
        image[horizon:] = ground[horizon:]


def _clutter(image: NDArray[np.float32], rng: np.random.Generator) -> None:
    """One shape: a rectangle, an ellipse, a line or a polygon, filled or drawn."""
    height, width = image.shape[:2]
    colour = rng.uniform(*_TONES, 3).tolist()
    x, y = int(rng.uniform(0, width)), int(rng.uniform(0, height))
    w, h = (int(rng.uniform(0.02, 0.3) * height) + 1 for _ in range(2))
    thick = -1 if rng.random() < 0.7 else max(1, round(rng.uniform(0.002, 0.02) * height))
    kind = rng.integers(4)
    if kind == 0:
        cv2.rectangle(image, (x, y), (x + w, y + h), colour, thick)
    elif kind == 1:
        cv2.ellipse(image, (x, y), (w, h), rng.uniform(0, 180), 0, 360, colour, thick)
    elif kind == 2:
        end = (x + int(rng.normal(0, width / 3)), y + int(rng.normal(0, height / 3)))
        cv2.line(image, (x, y), end, colour, abs(thick) + 1)
    else:
        corners = np.array([x, y]) + rng.normal(0, [w, h], (int(rng.integers(3, 7)), 2))
        cv2.fillPoly(image, [np.round(corners).astype(np.int32)], colour)


@dataclass(frozen=True, eq=False)
class Prop:
    """Something in front of the dancer; it moves through the picture when it has a speed."""

    patch: Image  # (h, w, 3)
    mask: NDArray[np.bool_]  # (h, w)
    corner: tuple[float, float]  # x, y of its first pixel at time 0
    speed: tuple[float, float]  # pixels a second

    def paste(self, image: Image, covered: NDArray[np.bool_], time_s: float) -> None:
        """Draw it on an image (H, W, 3), and mark the pixels (H, W) that it covers."""
        x, y = (round(c + s * time_s) for c, s in zip(self.corner, self.speed, strict=True))
        height, width = covered.shape
        x0, y0 = max(x, 0), max(y, 0)
        x1, y1 = min(x + self.mask.shape[1], width), min(y + self.mask.shape[0], height)
        if x1 <= x0 or y1 <= y0:
            return
        inside = self.mask[y0 - y : y1 - y, x0 - x : x1 - x]
        image[y0:y1, x0:x1][inside] = self.patch[y0 - y : y1 - y, x0 - x : x1 - x][inside]
        covered[y0:y1, x0:x1] |= inside


def draw_props(
    box: tuple[float, float, float, float],
    seconds: float,
    config: RenderedMotionConfig,
    rng: np.random.Generator,
) -> list[Prop]:
    """Props before a dancer who moves in ``box`` (x0, y0, x1, y1 pixels); none in many views."""
    props = []
    if rng.random() < config.props:
        props.append(_standing(box, rng))
    if rng.random() < config.passers:
        props.append(_passing(box, seconds, rng))
    return props


def _standing(box: tuple[float, float, float, float], rng: np.random.Generator) -> Prop:
    """A post, a piece of furniture before the legs, or a box anywhere on the dancer."""
    x0, y0, x1, y1 = box
    high, middle = y1 - y0, rng.uniform(x0, x1)
    kind = rng.integers(3)
    if kind == 0:
        width, height, top = rng.uniform(0.03, 0.12) * high, 3 * high, y0 - high
    elif kind == 1:
        width, height = rng.uniform(0.3, 0.9) * high, high
        top = y1 - rng.uniform(0.08, 0.4) * high
    else:
        width, height = rng.uniform(0.08, 0.25, 2) * high
        top = rng.uniform(y0, y1)
    return _prop(width, height, (middle - width / 2, top), (0.0, 0.0), rng)


def _passing(
    box: tuple[float, float, float, float], seconds: float, rng: np.random.Generator
) -> Prop:
    """Something as wide as a passer-by that crosses the dancer once."""
    x0, y0, x1, y1 = box
    width, height = rng.uniform(0.12, 0.3) * (y1 - y0), rng.uniform(0.5, 1.1) * (y1 - y0)
    speed = rng.choice([-1.0, 1.0]) * rng.uniform(0.7, 2.0) * (x1 - x0 + width) / seconds
    crossing = rng.uniform(0.2, 0.8) * seconds
    middle = (x0 + x1 - width) / 2
    corner = (middle - speed * crossing, y1 - height * rng.uniform(0.9, 1.1))
    return _prop(width, height, corner, (speed, 0.0), rng)


def _prop(
    width: float,
    height: float,
    corner: tuple[float, float],
    speed: tuple[float, float],
    rng: np.random.Generator,
) -> Prop:
    w, h = max(round(width), 2), max(round(height), 2)
    mask = np.zeros((h, w), np.uint8)
    if rng.random() < 0.6:
        mask[:] = 1
    else:
        cv2.ellipse(mask, (w // 2, h // 2), (w // 2, h // 2), 0, 0, 360, 1, -1)
    patch = np.clip(_textured(w, h, rng), 0, 255).astype(np.uint8)
    return Prop(patch, mask.astype(bool), corner, speed)
