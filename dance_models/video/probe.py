"""Probing: one sequential decode that determines what a clip really contains.

PyAV reads every packet, so that time stamps, damage and the true number of frames are known before
anything is sampled. The decoder is set to fail on damage instead of concealing it: a concealed
frame looks like a frame.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from dance_models.errors import VideoError
from dance_models.video.signature import SIZE, is_full_range, luma_of_frame, signature

# A file with a smaller share of its declared frames was cut off.
ENOUGH: Final = 0.9
# Frame intervals may differ by this share of the median before a clip counts as variable.
RATE_TOLERANCE: Final = 0.1


@dataclass(frozen=True, eq=False)
class ClipProbe:
    """The content of one clip; T decoded frames. Field names as in ``tables.CLIP_PROBE``."""

    codec: str
    width: int  # as displayed
    height: int
    rotation: int  # degrees, counter-clockwise, that displaying applies
    fps: float
    nominal_frames: int
    decoded_frames: int
    variable_rate: bool
    duration_s: float
    time_s: NDArray[np.float64]  # (T,) from the first frame on
    motion: NDArray[np.float32]  # (T,) mean luma change to the frame before, 0..255
    signature: NDArray[np.uint8]  # (T, 432), in the orientation in which the frames are coded
    warnings: list[str] = field(default_factory=list)

    def as_row(self) -> dict[str, Any]:
        """Values for a row of ``tables.CLIP_PROBE``."""
        row = asdict(self)
        row["time_s"], row["motion"] = self.time_s.tolist(), self.motion.tolist()
        row["signature"] = [frame.tobytes() for frame in self.signature]
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "ClipProbe":
        """The probe that :meth:`as_row` stored."""
        plain = {name: row[name] for name in cls.__dataclass_fields__}
        plain["time_s"] = np.array(row["time_s"], np.float64)
        plain["motion"] = np.array(row["motion"], np.float32)
        joined = b"".join(row["signature"])
        plain["signature"] = np.frombuffer(joined, np.uint8).reshape(-1, SIZE)
        return cls(**plain)


def open_video(path: Path) -> Any:
    """Open a container. Raises VideoError that names the problem of the file."""
    try:
        if path.stat().st_size == 0:
            raise VideoError("the file is empty", file=path, hint="Copy it again")
        return av.open(str(path))
    except OSError as error:  # PyAV's errors are OSErrors or ValueErrors too
        raise VideoError(_reason(error), file=path, hint=_hint(error)) from error
    except av.error.FFmpegError as error:
        raise VideoError(_reason(error), file=path, hint=_hint(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "the file may not be read"
    if isinstance(error, FileNotFoundError):
        return "the file has gone"
    if isinstance(error, av.error.InvalidDataError):
        return "this is not a video that can be opened (text, truncated, or its index is lost)"
    return f"the file cannot be opened ({error})"


def _hint(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "Check its permissions"
    return "Copy it again from its source, or re-encode it"


@dataclass
class _Pass:
    """What the decode pass collects."""

    pts: list[int | None] = field(default_factory=list)
    signatures: list[NDArray[np.uint8]] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)  # frame numbers at which decoding failed
    rotation: int = 0
    size: tuple[int, int] = (0, 0)


def probe_clip(path: Path) -> ClipProbe:
    """Decode ``path`` once from start to end.

    Raises VideoError when it cannot be opened, has no picture, is damaged or was cut off; what can
    be lived with (variable rate, rotation, a wrong frame count) becomes a warning.
    """
    with open_video(path) as container:
        if not container.streams.video:
            raise VideoError("there is no picture in the file, only sound", file=path)
        stream = container.streams.video[0]
        # Clips are probed side by side by processes: threads within one clip gain no time on frames
        # of this size and cost 50 % more work.
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"err_detect": "explode"}
        nominal = int(stream.frames or 0)
        base = stream.time_base
        rate = float(stream.average_rate or 0)
        codec = stream.codec_context.name
        done = _decode(container, stream, path)
    count = len(done.signatures)
    if not count:
        raise VideoError("not a single frame could be decoded", file=path, hint=_hint(OSError()))
    if done.damaged:
        raise VideoError(
            f"the stream is damaged ({len(done.damaged)} errors from this frame on)",
            file=path,
            frame=done.damaged[0],
            hint="Copy it again from its source, or repair it by re-encoding",
        )
    if nominal and count < ENOUGH * nominal:
        raise VideoError(
            f"the file was cut off: {count} of {nominal} frames are there",
            file=path,
            hint="Copy it again, or re-encode it to keep what is there",
        )
    warnings: list[str] = []
    time_s = _times(done.pts, float(base), rate, path, warnings)
    return _describe(path, codec, done, nominal, time_s, float(base), warnings)


def _decode(container: Any, stream: Any, path: Path) -> _Pass:
    done = _Pass()
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            done.damaged.append(len(done.signatures))
            continue
        for frame in frames:
            if not done.signatures:
                done.size = (frame.width, frame.height)
                done.rotation = int(getattr(frame, "rotation", 0)) % 360
            elif (frame.width, frame.height) != done.size:
                raise VideoError(
                    f"the size changes from {done.size} to {(frame.width, frame.height)}",
                    file=path,
                    frame=len(done.signatures),
                    hint="Re-encode it to one size",
                )
            if frame.is_corrupt:
                done.damaged.append(len(done.signatures))
            done.pts.append(frame.pts)
            done.signatures.append(signature(luma_of_frame(frame), full_range=is_full_range(frame)))
    return done


def _times(
    pts: list[int | None], base: float, rate: float, path: Path, warnings: list[str]
) -> NDArray[np.float64]:
    """Presentation times from the first frame on, strictly rising."""
    known = [p for p in pts if p is not None]
    if len(known) < len(pts):
        if not rate:
            raise VideoError("frames have no time stamps and the file no rate", file=path)
        warnings.append(f"{len(pts) - len(known)} frames have no time stamp; taken from the rate")
        return np.arange(len(pts)) / rate
    times = (np.array(known, np.float64) - known[0]) * base
    backward = np.flatnonzero(np.diff(times) <= 0)
    if len(backward):
        raise VideoError(
            "time stamps do not rise",
            file=path,
            frame=int(backward[0]) + 1,
            hint="Re-encode the clip so that its time stamps are made anew",
        )
    return times


def _describe(
    path: Path,
    codec: str,
    done: _Pass,
    nominal: int,
    time_s: NDArray[np.float64],
    base: float,
    warnings: list[str],
) -> ClipProbe:
    count = len(time_s)
    steps = np.diff(time_s)
    typical = float(np.median(steps)) if count > 1 else 0.0
    jitter = max(RATE_TOLERANCE * typical, 2 * base)
    variable = bool(count > 1 and (np.abs(steps - typical) > jitter).any())
    width, height = done.size if done.rotation % 180 == 0 else done.size[::-1]
    if nominal and nominal != count:
        warnings.append(f"the file claims {nominal} frames, {count} were decoded")
    if variable:
        warnings.append(
            f"variable frame rate: {1000 * steps.min():.0f} to {1000 * steps.max():.0f} ms a frame"
        )
    if done.rotation:
        warnings.append(f"rotated by {done.rotation} degrees when displayed")
    signatures = np.stack(done.signatures)
    change = np.abs(np.diff(signatures.astype(np.int16), axis=0)).mean(axis=1)
    return ClipProbe(
        codec=codec,
        width=width,
        height=height,
        rotation=done.rotation,
        fps=float((count - 1) / time_s[-1]) if count > 1 else 0.0,
        nominal_frames=nominal or count,
        decoded_frames=count,
        variable_rate=variable,
        duration_s=float(time_s[-1] + typical),
        time_s=time_s,
        motion=np.concatenate([change[:1], change]).astype(np.float32)
        if count > 1
        else np.zeros(1, np.float32),
        signature=signatures,
        warnings=warnings,
    )
