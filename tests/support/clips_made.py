"""Clips whose frames carry their number as bright and dark blocks."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

BITS = 12


def numbered(number: int, size: tuple[int, int] = (320, 240)) -> NDArray[np.uint8]:
    """An RGB image: blocks of the number's bits in the middle, a bar that moves with it."""
    width, height = size
    image = np.full((height, width, 3), 60, np.uint8)
    block = width // BITS
    for bit in range(BITS):
        value = 235 if number >> bit & 1 else 20
        image[height // 3 : 2 * height // 3, bit * block : (bit + 1) * block] = value
    image[: height // 6, : 8 + (number * 7) % (width - 8)] = 200
    return image


def number_in(image: NDArray[Any]) -> int:
    """The number that an image carries."""
    height, width = image.shape[:2]
    block = width // BITS
    row = image[height // 2].mean(axis=-1)
    return sum(1 << bit for bit in range(BITS) if row[bit * block + block // 2] > 128)


def write_clip(
    path: Path,
    frames: int = 60,
    *,
    size: tuple[int, int] = (320, 240),
    options: dict[str, str] | None = None,
    ticks: Sequence[int] | None = None,
    pix_fmt: str = "yuv420p",
) -> Path:
    """Write an H.264 clip at 30 fps, or with presentation times ``ticks`` in milliseconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.options = {"crf": "18", "preset": "veryfast", **(options or {})}
        base = Fraction(1, 1000) if ticks else Fraction(1, 30)
        stream.codec_context.time_base = stream.time_base = base
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered(number, size), format="rgb24")
            frame.time_base, frame.pts = base, ticks[number] if ticks else number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """An mp4 with audio only."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for start in range(0, 44100, 1024):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((2, 1024), np.float32), format="fltp", layout="stereo"
            )
            frame.sample_rate, frame.pts = 44100, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def rotate_metadata(path: Path, quarter_turns: int) -> None:
    """Patch the display matrix of the first track of an mp4 (tkhd) to a rotation."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 4 + 4 * 5 + 8 + 8  # version 0: matrix after 36 bytes
    matrix = {1: (0, 1, -1, 0), 2: (-1, 0, 0, -1), 3: (0, -1, 1, 0)}[quarter_turns]
    a, b, c, d = (int(v) << 16 for v in matrix)
    values = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    data[at : at + 36] = b"".join(v.to_bytes(4, "big", signed=True) for v in values)
    path.write_bytes(bytes(data))
