"""Opening a clip: the stream that a player chooses, and the frames that it shows.

Everything that reads a clip goes through here, so that frame numbers mean the same everywhere.
A frame is what a player shows: pictures before the start of an edit list, or that lack the
pictures they build on, are none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal

import av
from av.stream import Disposition

from dance_models.errors import VideoError
from dance_models.files import NotAFileError, open_file
from dance_models.video.image_frames import (
    MOST_PIXELS,
    PIXEL_LIMIT,
    folder_pictures,
    webp_pictures,
)
from dance_models.video.images import is_animated_webp
from dance_models.video.orientation import ASPECT_TOLERANCE, WIDEST_PIXEL

# Pictures about the file rather than of it.
_BESIDE: Final = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
# Of a stream that does not state its length, these may be a single picture.
_STILLS: Final = frozenset(["mjpeg", "png", "bmp", "webp", "tiff"])
Mode = Literal["fast", "careful", "strict"]
_HEAD: Final = 4096
# What a player would open in place of the file itself: FFmpeg's lists, HLS, DASH, SDP, M3U, PLS.
_LISTS: Final = (
    b"ffconcat",
    b"#extm3u",
    b"#extinf",
    b"<mpd",
    b"v=0",
    b"[playlist]",
    b"[reference]",
)
# The containers that are read. Each holds its pictures itself: other demuxers of FFmpeg (concat,
# hls, dash, image2, ...) open further files or addresses, which the clip's digest does not cover.
DEMUXERS: Final = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpeg", "mpegts", "mpegvideo", "asf", "flv",
    "dv", "ivf", "mxf", "ogg", "yuv4mpegpipe", "h264", "hevc", "m4v", "obu", "av1", "mjpeg", "nut",
    "apng", "gif", "vc1",
)  # fmt: skip
_OPTIONS: Final = {
    "format_whitelist": ",".join(DEMUXERS),
    "protocol_whitelist": "file",
}
_WITHOUT_SEEKING: Final = frozenset(["gif", "apng"])


@dataclass(frozen=True)
class Remark:
    """Something that the decoder objected to when it was told to be strict."""

    frame: int  # frames shown before it
    key: bool  # at a key picture
    leading: bool  # at a picture that is shown before the key picture it follows in the file
    text: str


@dataclass
class Reading:
    """What decoding a stream once gave beside its frames."""

    remarks: list[Remark] = field(default_factory=list)
    corrupt: list[int] = field(default_factory=list)  # frames that the decoder marks as damaged
    leading: int = 0  # pictures at the start that build on ones that are not in the file
    unkeyed: int = 0  # frames shown before the first key picture
    frames: int = 0  # frames in all


@dataclass(frozen=True, eq=False)
class Source:
    """An open clip; ``frames`` yields PyAV frames as coded, once."""

    codec: str
    declared: int  # frames that the file claims to show, 0 when it does not say
    base: float  # seconds a unit of the time stamps
    rate: float  # frames/s that the file states, 0 when it does not
    frames: Iterator[av.VideoFrame]
    reading: Reading
    aspect: Fraction = Fraction(1)  # width over height of a pixel
    warnings: tuple[str, ...] = ()
    image_numbers: tuple[int, ...] = ()  # of a folder of images
    in_order: bool = False  # whether frames can only be told by counting from the start


@contextmanager
def open_source(path: Path, rate: float | None = None, mode: Mode = "fast") -> Iterator[Source]:
    """Open a video file, an animated WebP or a folder of numbered images.

    ``rate`` is the frame rate of a folder that has none of its own. The mode ``strict`` tells the
    decoder to fail where it would otherwise pass over something; it and ``careful`` decode in one
    thread, so that faults are noted at their frame. Raises VideoError that names the problem.
    """
    if path.is_dir() or is_animated_webp(path):
        pictures = folder_pictures(path, rate) if path.is_dir() else webp_pictures(path)
        yield Source(
            pictures.codec,
            pictures.count,
            pictures.base,
            pictures.rate,
            pictures.images,
            Reading(),
            warnings=tuple(pictures.warnings),
            image_numbers=pictures.numbers,
            in_order=True,
        )
        return
    with open_video(path) as container:
        warnings: list[str] = []
        stream = choose_stream(container, path, warnings)
        samples, declared = int(stream.frames or 0), _declared(container, stream)
        reading = Reading()
        yield Source(
            stream.codec_context.name,
            declared,
            float(stream.time_base),
            float(stream.average_rate or 0),
            _decoded(container, stream, reading, mode),
            reading,
            _aspect(stream, warnings),
            tuple(warnings),
            in_order=declared != samples
            or len(container.streams.video) > 1
            or stream.codec_context.name in _WITHOUT_SEEKING,
        )


def shown_frames(path: Path, mode: Mode = "fast") -> Iterator[av.VideoFrame]:
    """The frames of a clip in order, as coded. Raises VideoError when it cannot be opened."""
    with open_source(path, mode=mode) as source:
        yield from source.frames


def open_video(path: Path) -> Any:
    """Open a container. Raises VideoError that names the problem of the file."""
    try:
        with open_file(path) as file:
            head = file.read(_HEAD)
        if not head:
            raise VideoError("the file is empty", file=path, hint="Copy it again")
        if is_list_of_files(head):
            raise VideoError(
                "this is a list of other files or addresses, not a video",
                file=path,
                hint="Give the video itself: the content of a list says nothing about its pictures",
            )
        options = {**_OPTIONS, **PIXEL_LIMIT}
        return av.open(f"file:{path.absolute()}", options=options, metadata_errors="replace")
    except OSError as error:  # PyAV's errors are OSErrors or ValueErrors too
        raise VideoError(_reason(error), file=path, hint=hint_for(error)) from error
    except av.error.FFmpegError as error:
        raise VideoError(_reason(error), file=path, hint=hint_for(error)) from error


def is_list_of_files(head: bytes) -> bool:
    """Whether a file begins like those that make a player open others: playlists, manifests."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return text.startswith(_LISTS)


def _reason(error: Exception) -> str:
    if isinstance(error, NotAFileError):
        return str(error.strerror)
    if isinstance(error, PermissionError):
        return "the file may not be read"
    if isinstance(error, FileNotFoundError):
        return "the file has gone"
    if isinstance(error, av.error.ArgumentError):  # not one of the demuxers that are allowed
        return "this is no video in one of the containers that are read"
    if isinstance(error, av.error.InvalidDataError):
        return "this is not a video that can be opened (text, truncated, or its index is lost)"
    return f"the file cannot be opened ({error})"


def hint_for(error: Exception) -> str:
    """What to do about a file that cannot be opened."""
    if isinstance(error, PermissionError):
        return "Check its permissions"
    return "Copy it again from its source, or re-encode it"


def choose_stream(container: Any, path: Path, warnings: list[str]) -> Any:
    """The video stream that a player shows; a warning names the others.

    Covers and thumbnails do not count. Of several streams the one that is marked as the default,
    then one of more than one picture, the largest, the one of the highest bit rate. Raises
    VideoError when there is none.
    """
    videos = [s for s in container.streams.video if s.codec_context is not None]
    real = [s for s in videos if not s.disposition & _BESIDE]
    if not real:
        and_cover = " and a cover" if videos else ""
        raise VideoError(f"there is no picture in the file, only sound{and_cover}", file=path)

    def rank(stream: Any) -> tuple[bool, bool, int, int, int]:
        return (
            stream.frames > 1 or (not stream.frames and stream.codec_context.name not in _STILLS),
            bool(stream.disposition & Disposition.default),
            stream.width * stream.height,
            stream.bit_rate or 0,
            -stream.index,
        )

    chosen = max(real, key=rank)
    width, height = _declared_size(container, chosen, path)
    if width * height > MOST_PIXELS:
        raise VideoError(
            f"pictures of {width}x{height} are too large",
            file=path,
            hint="Re-encode it to at most 8192x8192",
        )
    others = ", ".join(_named(s) for s in real if s is not chosen)
    if others:
        warnings.append(
            f"{len(real)} video streams: {_named(chosen)} is read, as a player would choose it; "
            f"not {others}"
        )
    covers = ", ".join(_named(s) for s in videos if s not in real)
    if covers:
        warnings.append(f"a cover is no frame of the video: {covers} is not read")
    return chosen


def _declared_size(container: Any, stream: Any, path: Path) -> tuple[int, int]:
    """Width and height of a stream; of a GIF that is too large FFmpeg leaves them at 0."""
    if stream.width or container.format.name != "gif":
        return stream.width, stream.height
    # Without the limit: of a GIF nothing is decoded before it is asked for.
    with av.open(f"file:{path.absolute()}", options=_OPTIONS, metadata_errors="replace") as again:
        found = again.streams[stream.index]
        return found.width, found.height


def _named(stream: Any) -> str:
    return f"stream {stream.index} ({stream.codec_context.name} {stream.width}x{stream.height})"


def _declared(container: Any, stream: Any) -> int:
    """Frames that the file claims to show: of an edit list only what lies within it."""
    samples = int(stream.frames or 0)
    if samples and "mov" in container.format.name.split(","):
        entries = stream.index_entries
        return sum(1 for i in range(len(entries)) if not entries[i].is_discard) or samples
    return samples


def _aspect(stream: Any, warnings: list[str]) -> Fraction:
    """Width over height of a pixel, and a warning when it is not 1."""
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    if aspect <= 0 or abs(aspect - 1) <= ASPECT_TOLERANCE:
        return Fraction(1)
    if not Fraction(1, WIDEST_PIXEL) <= aspect <= WIDEST_PIXEL:
        warnings.append(f"pixels of {aspect.numerator}:{aspect.denominator} cannot be; not applied")
        return Fraction(1)
    return aspect


def _decoded(container: Any, stream: Any, reading: Reading, mode: Mode) -> Iterator[av.VideoFrame]:
    """Every frame of a stream; what cannot be decoded is noted in ``reading`` and passed over."""
    if mode == "fast":
        stream.thread_type = "AUTO"
    else:
        # Clips are probed side by side by processes: threads within one clip gain no time on
        # frames of this size and cost 50 % more work.
        stream.codec_context.thread_count = 1
    strict = {"err_detect": "explode"} if mode == "strict" else {}
    # Opening the file told its own decoder alone. Of a stream that is too large it leaves the size
    # at 0, and this one would make a picture of the size that the data declare.
    stream.codec_context.options = {**strict, **PIXEL_LIMIT}
    count, keys, key, keyed = 0, 0, None, False
    for packet in container.demux(stream):
        leading = not packet.is_keyframe and (
            not keys or (None not in (key, packet.pts) and packet.pts < key)
        )
        if packet.is_keyframe:
            keys, key = keys + 1, packet.pts
            keyed = keyed or packet.is_discard  # the key picture is there, and not shown
        reading.leading += leading and keys < 2 and not packet.is_discard and packet.size > 0
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            text = error.log[2].strip() if error.log else ""
            reading.remarks.append(Remark(count, packet.is_keyframe, leading, text))
            continue
        for frame in frames:
            keyed = keyed or bool(frame.key_frame)
            reading.unkeyed += not keyed
            if frame.is_corrupt:
                reading.corrupt.append(count)
            yield frame
            count += 1
            reading.frames = count
