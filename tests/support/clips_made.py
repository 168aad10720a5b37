"""Clips whose frames carry their number as bright and dark blocks."""

from collections.abc import Callable, Sequence
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
    codec: str = "libx264",
    rate: int = 30,
    aspect: Fraction | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write a clip at ``rate`` fps, or with presentation times ``ticks`` in milliseconds.

    ``aspect`` is the width over the height of a pixel.
    """
    defaults = {"crf": "18", "preset": "veryfast"} if codec == "libx264" else {}
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.options = {**defaults, **(options or {})}
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        base = Fraction(1, 1000) if ticks else Fraction(1, rate)
        stream.codec_context.time_base = stream.time_base = base
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered(number, size), format="rgb24")
            frame.time_base, frame.pts = base, ticks[number] if ticks else number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def damage(path: Path) -> Path:
    """Change some bytes in the middle of the pictures of an mp4, which stays as long as it is."""
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    size = int.from_bytes(data[start - 8 : start - 4], "big") - 8
    middle = start + size // 2
    data[middle : middle + 40] = np.random.default_rng(0).bytes(40)
    path.write_bytes(data)
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


def copy_packets(source: Path, target: Path, keep: Callable[[int], bool]) -> Path:
    """Copy the packets whose number ``keep`` accepts, without encoding them again."""
    with av.open(str(source)) as inside, av.open(str(target), "w") as outside:
        stream = outside.add_stream_from_template(inside.streams.video[0])
        packets = (p for p in inside.demux(inside.streams.video[0]) if p.dts is not None)
        for number, packet in enumerate(packets):
            if keep(number):
                packet.stream = stream
                outside.mux(packet)
    return target


def key_packets(path: Path) -> list[int]:
    """Numbers of the key packets of a clip."""
    with av.open(str(path)) as container:
        return [i for i, p in enumerate(container.demux(video=0)) if p.is_keyframe]


def rotate_metadata(path: Path, quarter_turns: int) -> None:
    """Patch the display matrix of the first track of an mp4 (tkhd) to a rotation."""
    set_display_matrix(path, {1: (0, 1, -1, 0), 2: (-1, 0, 0, -1), 3: (0, -1, 1, 0)}[quarter_turns])


def set_display_matrix(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Patch the display matrix of the first track of an mp4 to ``a, b, c, d`` of ISO 14496-12."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 4 + 4 * 5 + 8 + 8  # version 0: matrix after 36 bytes
    a, b, c, d = (int(v) << 16 for v in matrix)
    values = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    data[at : at + 36] = b"".join(v.to_bytes(4, "big", signed=True) for v in values)
    path.write_bytes(bytes(data))


def set_edit_list(path: Path, edits: Sequence[tuple[int, int]]) -> None:
    """Replace the edit list of an mp4 with its index at the end, which a player follows.

    ``edits`` are milliseconds shown, and the time in the track's own units from which on.
    """
    data = bytearray(path.read_bytes())
    entries = b"".join(
        length.to_bytes(4, "big") + start.to_bytes(4, "big", signed=True) + b"\0\1\0\0"
        for length, start in edits
    )
    body = b"elst" + bytes(4) + len(edits).to_bytes(4, "big") + entries
    at = data.index(b"elst") - 4
    old = int.from_bytes(data[at : at + 4], "big")
    data[at : at + old] = (len(body) + 4).to_bytes(4, "big") + body
    for parent in (b"moov", b"trak", b"edts"):
        place = data.index(parent) - 4
        size = int.from_bytes(data[place : place + 4], "big") + len(body) + 4 - old
        data[place : place + 4] = size.to_bytes(4, "big")
    path.write_bytes(bytes(data))
