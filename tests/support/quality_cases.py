"""A gently moving dancer: poses and images on which no check reports anything."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dance_models.quality.poses import ClipPoses
from dance_models.video.signature import CELLS

# x, y in torso lengths from the neck; the dancer's left is on the viewer's right.
STANDING = np.array(
    [
        (0, -0.5), (0, 0), (0.3, 0.05), (-0.3, 0.05), (0.5, 0.5), (-0.5, 0.5), (0.6, 0.95),
        (-0.6, 0.95), (0.15, 1), (-0.15, 1), (0.2, 1.8), (-0.2, 1.8), (0.2, 2.6), (-0.2, 2.6),
    ]
)  # fmt: skip
TORSO = 50.0  # pixels
FPS = 30


def standing(frames: int = 60, clip: str = "solo_01", first: int = 10) -> ClipPoses:
    """A standing dancer who sways by a tenth of a torso, from frame ``first`` on."""
    sway = 0.1 * np.sin(np.arange(frames) / 8)[:, None, None] * np.array([1.0, 0.0])
    points = (TORSO * (STANDING + sway) + 150).astype(np.float32)
    frame = np.arange(first, first + frames)
    return ClipPoses(clip, frame, frame / FPS, points)


def moved(poses: ClipPoses, rows: slice, joint: int, by: tuple[float, float]) -> ClipPoses:
    """A copy in which a joint is displaced in some rows, in torso lengths."""
    points = poses.keypoints.copy()
    points[rows, joint] += TORSO * np.array(by)
    return replace(poses, keypoints=points)


def dancing_pictures(seed: int, frames: int = 240, stage: int = 0) -> NDArray[np.uint8]:
    """Signatures (T, 432) of a bright blob that moves over a stage on a path drawn by ``seed``."""
    rng, backdrop = np.random.default_rng(seed), np.random.default_rng(1000 + stage)
    width, height = CELLS
    picture = backdrop.uniform(40, 120, (height, width))
    y, x = np.mgrid[:height, :width]
    way = np.cumsum(np.cumsum(rng.normal(0, 0.05, (frames, 2)), axis=0) * 0.1, axis=0)
    way = np.array([width / 2, height / 2]) + 5 * np.sin(way + rng.uniform(0, 6, 2))
    blobs = np.exp(-((x - way[:, :1, None]) ** 2 + (y - way[:, 1:, None]) ** 2) / 6)
    noise = rng.normal(0, 0.7, (frames, height, width))
    return np.clip(picture + 110 * blobs + noise, 0, 255).astype(np.uint8).reshape(frames, -1)
