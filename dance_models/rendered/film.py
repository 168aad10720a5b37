"""What a real camera and its encoder do to pictures: tone, grain, movement, H.264."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Image = NDArray[np.uint8]

# Macroblock trees read memory that was never written: with them, no two files are the same.
_OPTIONS: Final = {"preset": "veryfast", "threads": "1", "x264-params": "mbtree=0"}


@dataclass(frozen=True, eq=False)
class Tone:
    """A table of 256 values for each channel, and grain that moves from frame to frame."""

    table: NDArray[np.uint8]  # (256, 1, 3)
    grain: NDArray[np.int16]  # (H, W, 3)

    def __call__(self, image: Image, frame: int) -> Image:
        """The picture as the sensor gives it."""
        toned = cv2.LUT(image, self.table)
        height, width = image.shape[:2]
        shift = (frame * 7919 % height, frame * 104729 % width)
        moved = np.roll(self.grain, shift, axis=(0, 1))
        return np.asarray(cv2.add(toned, moved, dtype=cv2.CV_8U), np.uint8)


def draw_tone(size: tuple[int, int], rng: np.random.Generator) -> Tone:
    """Gain, white balance, contrast, gamma and grain of one camera."""
    level = np.linspace(0, 1, 256)[:, None]
    gain = rng.uniform(0.7, 1.25) * rng.uniform(0.92, 1.08, 3)
    contrast, gamma = rng.uniform(0.65, 1.2), rng.uniform(0.75, 1.35)
    curve = np.clip(0.5 + contrast * (gain * level - 0.5), 0, 1) ** gamma
    table = np.round(255 * curve).astype(np.uint8)[:, None]
    width, height = size
    strength = rng.uniform(0, 9) * (rng.random() < 0.8)
    grey = rng.standard_normal((height, width, 1)).astype(np.float32)
    colour = rng.standard_normal((height, width, 3)).astype(np.float32)
    grain = strength * (0.8 * grey + 0.4 * colour)
    return Tone(table, np.round(grain).astype(np.int16))


def camera_motion(
    frames: int, fps: float, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Array, float]:
    """(T, 2, 3) maps from the canvas' centred pixels to the picture's, and the margin they need.

    A slow pan with zoom, a shake (noise of 0.3 s memory) and its roll; none of it in about a third
    of the clips. The margin is a share of the picture's size.
    """
    width, height = size
    time = np.arange(frames) / max(frames - 1, 1)
    pan = rng.uniform(-0.07, 0.07, 2) * (rng.random() < 0.4)
    zoom = 1 + rng.uniform(-0.06, 0.06) * (rng.random() < 0.3) * time
    shake = rng.uniform(0.001, 0.008) * (rng.random() < 0.5)
    sway = _slow_noise(frames, fps, rng) * shake
    eased = time * time * (3 - 2 * time) - 0.5
    shift = (pan * eased[:, None] + sway[:, :2]) * (width, height)
    angle = np.radians(40) * sway[:, 2]
    a, b = zoom * np.cos(angle), zoom * np.sin(angle)
    rows = [[a, -b, shift[:, 0]], [b, a, shift[:, 1]]]
    maps = np.stack([np.stack(row, axis=-1) for row in rows], axis=1)
    corners = np.array([[sx * width / 2, sy * height / 2] for sx in (-1, 1) for sy in (-1, 1)])
    back = np.linalg.inv(maps[:, :, :2])
    seen = np.einsum("tij,tcj->tci", back, corners[None] - maps[:, None, :, 2])
    reach = np.abs(seen).max(axis=(0, 1)) / (width / 2, height / 2)
    return maps, float(max(reach.max() - 1, 0.0))


def _slow_noise(frames: int, fps: float, rng: np.random.Generator) -> Array:
    """(T, 3) noise of unit variance that forgets itself in 0.3 s."""
    keep = float(np.exp(-1 / (0.3 * fps)))
    noise = rng.standard_normal((frames, 3))
    noise[1:] *= np.sqrt(1 - keep**2)
    for t in range(1, frames):
        noise[t] += keep * noise[t - 1]
    return noise


def encode(images: Iterable[Image], size: tuple[int, int], fps: int, crf: int) -> bytes:
    """An MP4 of H.264; the same images give the same bytes. Sizes are even."""
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, fps)
        stream.options = {**_OPTIONS, "crf": str(crf)}
        for image in images:
            for packet in stream.encode(_planar(image)):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return target.getvalue()


def _planar(image: Image) -> av.VideoFrame:
    """The picture as YUV 4:2:0, zeros between the lines: the encoder reads what lies there."""
    height, width = image.shape[:2]
    flat = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420).reshape(-1)
    frame = av.VideoFrame(width, height, "yuv420p")
    sizes = [(height, width), (height // 2, width // 2), (height // 2, width // 2)]
    start = 0
    for plane, (rows, columns) in zip(frame.planes, sizes, strict=True):
        padded = np.zeros((plane.buffer_size // plane.line_size, plane.line_size), np.uint8)
        padded[:rows, :columns] = flat[start : start + rows * columns].reshape(rows, columns)
        plane.update(padded.tobytes())
        start += rows * columns
    return frame


def decode(video: bytes) -> Iterator[Image]:
    """RGB (H, W, 3) of every frame."""
    with av.open(io.BytesIO(video)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")
