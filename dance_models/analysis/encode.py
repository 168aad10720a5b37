"""Writing a video that browsers play: H.264, its index in front, with the sound of another file."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from dance_models.errors import VideoError
from dance_models.files import replacing
from dance_models.video.source import open_video

TIME_BASE: Final = Fraction(1, 90_000)
# Of "veryfast", the preset before, it takes 0.6 of the time; without mbtree its files would be
# nearly twice as large.
OPTIONS: Final = {
    "crf": "20",
    "preset": "superfast",
    "x264-params": "mbtree=1:rc-lookahead=10",
}
_INDEX_IN_FRONT: Final = {"movflags": "+faststart"}
_RATES: Final = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # that AAC has
_PRIMING_S: Final = 0.1  # sound may begin so long before the picture, as AAC does


def has_encoder(name: str) -> bool:
    """Whether the FFmpeg that is installed can encode with that codec."""
    try:
        av.Codec(name, "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return True


class BrowserVideo:
    """A video in the making. ``notes`` says what of the sound could not be kept."""

    def __init__(self, container: Any, stream: Any, sound: "Sound | None") -> None:
        self._container, self._stream, self._sound = container, stream, sound
        self.notes: list[str] = []

    def write(self, image: NDArray[np.uint8], time_s: float) -> None:
        """Add a frame (H, W, 3) RGB; a last row or column of an odd size is left out."""
        if self._sound is not None:
            self._write_sound(self._sound, time_s)
        cropped = np.ascontiguousarray(image[: self._stream.height, : self._stream.width])
        frame = av.VideoFrame.from_numpy_buffer(cropped, format="rgb24")  # encode() converts it
        frame.pts, frame.time_base = round(time_s / TIME_BASE), TIME_BASE
        self._container.mux(self._stream.encode(frame))

    def finish(self, end_s: float) -> None:
        """Write what is left, the sound up to the end of the picture."""
        self._container.mux(self._stream.encode())
        if self._sound is not None:
            self._write_sound(self._sound, end_s)

    def _write_sound(self, sound: "Sound", until_s: float) -> None:
        try:
            for packet in sound.until(until_s):
                self._container.mux(packet)
        except (av.error.FFmpegError, OSError) as error:
            self.notes.append(f"the sound ends at {until_s:.1f} s: it cannot be read ({error})")
            self._sound = None


@contextmanager
def browser_video(
    target: Path, size: tuple[int, int], fps: float, source: Path, start_s: float
) -> Iterator[BrowserVideo]:
    """Write ``target`` under a temporary name, and rename it when the block ends without an error.

    ``size`` is width and height. The sound is that of ``source``, whose first frame has the time
    stamp ``start_s``: copied when it is AAC, else encoded; without sound there is none.
    """
    with replacing(target) as part, ExitStack() as opened:
        container = opened.enter_context(
            av.open(str(part), "w", format="mp4", options=_INDEX_IN_FRONT)
        )
        stream = container.add_stream("libx264", rate=max(1, round(fps)))
        stream.width, stream.height = (side // 2 * 2 for side in size)
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = TIME_BASE
        stream.options = dict(OPTIONS)
        sound, note = None, ""
        if source.is_file():
            sound, note = _sound_of(source, container, start_s, opened)
        video = BrowserVideo(container, stream, sound)
        video.notes += [note] if note else []
        yield video


def _sound_of(
    source: Path, container: Any, start_s: float, opened: ExitStack
) -> "tuple[Sound | None, str]":
    """The sound of a file, to be written into ``container``; None where there is none."""
    try:
        inside = opened.enter_context(open_video(source))
    except VideoError:  # an animated WebP, which has none
        return None, ""
    stream = inside.streams.best("audio")
    if stream is None:
        return None, ""
    try:
        return Sound(inside, stream, container, start_s), ""
    except (av.error.FFmpegError, ValueError, OSError) as error:
        return None, f"the sound is left out: it cannot be read ({error})"


class Sound:
    """Packets of a file's sound, in time with its pictures, as AAC.

    Raises an error of FFmpeg, ValueError or OSError when the sound cannot be read.
    """

    def __init__(self, inside: Any, stream: Any, container: Any, start_s: float) -> None:
        self._inside, self._stream, self._start_s = inside, stream, start_s
        context = stream.codec_context
        self.copied = context.name == "aac" and bool(context.extradata)
        if self.copied:
            self._out = container.add_stream_from_template(stream)
        else:
            rate = context.sample_rate if context.sample_rate in _RATES else 48_000
            self._out = container.add_stream("aac", rate=rate)
            layout = "mono" if context.channels == 1 else "stereo"
            self._out.layout = layout
            self._resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
        self._packets = self._copied() if self.copied else self._encoded()
        self._next: Any = next(self._packets, None)

    def until(self, time_s: float) -> Iterator[Any]:
        """The packets that begin before a time of the picture, from where the last call ended."""
        while self._next is not None and self._next[0] < time_s:
            yield self._next[1]
            self._next = next(self._packets, None)

    def _copied(self) -> Iterator[tuple[float, Any]]:
        for packet in self._inside.demux(self._stream):
            if packet.pts is None or packet.dts is None:
                continue
            base = packet.time_base
            shift = round(self._start_s / base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            at_s = float(packet.pts * base)
            if at_s >= -_PRIMING_S:
                packet.stream = self._out
                yield at_s, packet

    def _encoded(self) -> Iterator[tuple[float, Any]]:
        at_s = 0.0
        for frame in self._inside.decode(self._stream):
            if frame.pts is None:
                continue
            frame.pts -= round(self._start_s / frame.time_base)
            at_s = float(frame.pts * frame.time_base)
            if at_s < 0:
                continue
            for resampled in self._resampler.resample(frame):
                yield from ((at_s, packet) for packet in self._out.encode(resampled))
        yield from ((at_s, packet) for packet in self._out.encode())
