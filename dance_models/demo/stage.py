"""A camera and a studio: wall, floor and light, drawn once per clip."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.demo.body import unit

Array = NDArray[Any]


class Camera:
    """A pinhole camera. Pixel centres are integers; x to the right, y down."""

    def __init__(self, size: tuple[int, int], focal: float, eye: Array, at: Array) -> None:
        self.size, self.focal, self.eye = size, focal, np.asarray(eye, float)
        forward = unit(np.asarray(at, float) - self.eye)
        right = unit(np.cross(forward, [0.0, 0.0, 1.0]))
        self.axes = np.stack([right, np.cross(forward, right), forward])

    def project(self, points: Array) -> tuple[Array, Array]:
        """(N, 3) metres -> (N, 2) pixels and (N,) depth in metres."""
        seen = (points - self.eye) @ self.axes.T
        centre = (np.array(self.size) - 1) / 2
        return self.focal * seen[:, :2] / seen[:, 2:] + centre, seen[:, 2]

    @classmethod
    def drawn(cls, size: tuple[int, int], rng: np.random.Generator) -> "Camera":
        """A camera that frames a dancer of up to two metres with raised arms."""
        width, height = size
        focal = 1.25 * min(width * 1.1, height) * rng.uniform(0.92, 1.08)
        distance = rng.uniform(3.1, 3.9)
        eye = np.array([rng.uniform(-0.7, 0.7), -distance, rng.uniform(0.8, 1.6)])
        return cls(size, focal, eye, np.array([0.0, 0.0, rng.uniform(0.95, 1.1)]))


def draw_stage(camera: Camera, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The empty studio as the camera sees it, RGB (H, W, 3)."""
    width, height = camera.size
    horizon = float(camera.project(np.array([[0.0, 2.4, 0.0]]))[0][0, 1])
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    wall = rng.uniform(60, 215, 3) * 0.45 + rng.uniform(85, 190) * 0.55
    floor = np.array([140.0, 95, 60]) * rng.uniform(0.6, 1.25) + rng.uniform(-20, 20, 3)
    lamp = width * rng.uniform(0.25, 0.75)
    glow = np.exp(-(((x - lamp) / (0.5 * width)) ** 2) - ((y - 0.2 * height) / (0.6 * height)) ** 2)
    image = np.tile(wall, (height, width, 1)) * (0.75 + 0.35 * glow)[..., None]
    depth = np.clip((y - horizon) / max(1.0, height - horizon), 0, 1)
    boards = 1 + 0.05 * np.sign(np.sin((x - width / 2) / (depth + 0.12) * 0.06))
    ground = floor * ((0.65 + 0.5 * depth) * boards)[..., None]
    image = np.where((y > horizon)[..., None], ground, image)
    for _ in range(int(rng.integers(1, 5))):  # posters, doors, mirrors
        left, top = rng.uniform(0, width), rng.uniform(0, max(horizon * 0.7, 1))
        right = left + rng.uniform(width / 14, width / 5)
        bottom = min(horizon, top + rng.uniform(height / 12, height / 2.5))
        colour = rng.uniform(20, 230, 3)
        corners = (int(left), int(top)), (int(right), int(bottom))
        cv2.rectangle(image, *corners, colour.tolist(), -1)
        cv2.rectangle(image, *corners, (colour * 0.6).tolist(), 2)
    image += cv2.resize(rng.normal(0, 5, (height // 6, width // 6, 3)), (width, height))
    soft = cv2.GaussianBlur(np.clip(image, 0, 255), (0, 0), max(height / 400, 0.5))
    return np.asarray(soft.astype(np.uint8))
