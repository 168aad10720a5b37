"""Reading images as a clip: a folder of numbered images, and an animated WebP file."""

import io
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dance_models.errors import InputError, VideoError
from dance_models.files import open_file, read_file
from dance_models.video.images import NumberedImages, numbered_images, stated_rate
from dance_models.video.orientation import (
    as_shown,
    displayed_size,
    orientation_of,
)
from dance_models.video.picture import on_white, rgb_of

MOST_PIXELS: Final = 2**26  # of a picture: twice 8K
# For FFmpeg: who opens a file and who decodes it are told apart, and each needs it.
PIXEL_LIMIT: Final = {"max_pixels": str(MOST_PIXELS)}

DEFAULT_RATE: Final = 30.0  # frames/s of a folder that does not say
MILLISECOND: Final = 1e-3
# Read by PyAV: where decord is loaded, OpenCV meets decord's zlib and fails.
_MOST_ANIMATED: Final = 200_000_000  # pixels of all frames, four bytes each
_ZLIB: Final = frozenset([".png", ".tif", ".tiff"])


@dataclass(frozen=True)
class Pictures:
    """Images with their times, read one after the other."""

    codec: str
    images: Iterator[av.VideoFrame]
    count: int
    base: float  # seconds a unit of the time stamps
    rate: float
    warnings: list[str]
    numbers: tuple[int, ...] = ()  # of the images of a folder


def folder_pictures(folder: Path, rate: float | None) -> Pictures:
    """The frames of a folder, upright as a viewer shows them (EXIF).

    The rate is that of the file ``fps`` in the folder, else ``rate``, else 30. Raises VideoError
    when the folder holds no frames or its rate is not a number.
    """
    try:
        found, stated = numbered_images(folder), stated_rate(folder)
    except OSError as error:
        raise VideoError(f"the folder cannot be read ({error.strerror})", file=folder) from error
    except InputError as error:
        raise VideoError(error.message, file=error.file, hint=error.hint) from error
    if not found.paths:
        raise VideoError("there are no numbered images in the folder", file=folder)
    warnings = []
    if found.missing:
        warnings.append(
            f"{found.missing} of the numbers {found.numbers[0]} to {found.numbers[-1]} have no "
            "image: frames are counted without them, times with them"
        )
    if stated is None and rate is None:
        warnings.append(
            f"a folder of images without a frame rate: {DEFAULT_RATE:g} frames/s taken; write it "
            "into a file `fps` in the folder"
        )
    fps = stated or rate or DEFAULT_RATE
    kind = Counter(path.suffix.lower().lstrip(".") for path in found.paths).most_common(1)[0][0]
    frames, count = _read(found), len(found.paths)
    return Pictures(f"images/{kind}", frames, count, 1 / fps, fps, warnings, found.numbers)


def _read(found: NumberedImages) -> Iterator[av.VideoFrame]:
    first = found.numbers[0]
    for index, (number, path) in enumerate(zip(found.numbers, found.paths, strict=True)):
        frame = _image(path, index)
        frame.pts = (number - first) // found.step
        yield frame


def _image(path: Path, index: int) -> av.VideoFrame:
    """The upright picture in one file. Raises VideoError when it cannot be read or is damaged."""
    try:
        frame = _with_zlib(path) if path.suffix.lower() in _ZLIB else _by_opencv(path)
    except PermissionError as error:
        raise VideoError("the image may not be read", file=path, frame=index) from error
    except (
        OSError, ValueError, IndexError, StopIteration, av.error.FFmpegError, cv2.error
    ) as error:  # fmt: skip
        raise VideoError(
            "this is not an image that can be read (text, or truncated)",
            file=path,
            frame=index,
            hint="Copy it again from its source",
        ) from error
    return frame


def _by_opencv(path: Path) -> av.VideoFrame:
    data = read_file(path)
    _check_size(data)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ValueError("OpenCV cannot read it")
    return _frame(np.asarray(image, np.uint8))


def _with_zlib(path: Path) -> av.VideoFrame:
    # The format is named: FFmpeg takes a name such as a%03d.png for that of many files.
    kind = "png_pipe" if path.suffix.lower() == ".png" else "tiff_pipe"
    with open_file(path):
        pass  # raises where it is no file
    options = {"protocol_whitelist": "file", **PIXEL_LIMIT}
    with av.open(f"file:{path.absolute()}", format=kind, options=options) as container:
        # A strict decoder refuses tags of whole TIFFs.
        strict = {"err_detect": "explode"} if kind == "png_pipe" else {}
        container.streams.video[0].codec_context.options = {**strict, **PIXEL_LIMIT}
        frame = next(container.decode(video=0))
    orientation = orientation_of(frame)
    size = displayed_size((frame.width, frame.height), Fraction(1), orientation)
    return _frame(as_shown(rgb_of(frame), orientation, size))


def _check_size(data: bytes) -> None:
    """Refuse an image whose header declares more pixels than any picture has."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
    except Image.DecompressionBombError as error:
        raise ValueError("the picture is too large") from error
    except (OSError, ValueError, SyntaxError, TypeError, LookupError, OverflowError, struct.error):
        return  # decoding says what is wrong with it
    if width * height > MOST_PIXELS:
        raise ValueError(f"{width}x{height} pixels")


def webp_pictures(path: Path) -> Pictures:
    """The frames of an animated WebP. Raises VideoError when it cannot be decoded."""
    try:
        content = read_file(path)
    except OSError as error:
        raise VideoError(f"cannot be read ({error.strerror})", file=path) from error
    width, height = (int.from_bytes(content[at : at + 3], "little") + 1 for at in (24, 27))
    if width * height * content.count(b"ANMF") > _MOST_ANIMATED:  # all frames are held at once
        raise VideoError(
            f"an animation of {content.count(b'ANMF')} frames of {width}x{height} is too large",
            file=path,
            hint="Re-encode it as a video",
        )
    data = np.frombuffer(content, np.uint8)
    declared = int.from_bytes(content[4:8], "little") + 8
    try:
        done, animation = cv2.imdecodeanimation(data)
    except cv2.error:
        done, animation = False, None
    if not done or animation is None or not len(animation.frames) or declared > len(data):
        raise VideoError(
            "the animation is damaged or was cut off",
            file=path,
            hint="Copy it again from its source",
        )
    durations = np.maximum(np.asarray(animation.durations, np.int64), 1)
    starts = np.concatenate([[0], np.cumsum(durations)[:-1]])
    rate = 1 / (float(np.mean(durations)) * MILLISECOND)
    frames = (
        _frame(_from_bgr(np.asarray(image, np.uint8)), int(start))
        for image, start in zip(animation.frames, starts, strict=True)
    )
    return Pictures("webp", frames, len(starts), MILLISECOND, rate, [])


def _from_bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    shown = on_white(image) if image.shape[2] == 4 else image
    return np.ascontiguousarray(shown[..., ::-1])


def _frame(image: NDArray[np.uint8], pts: int = 0) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    frame.pts = pts
    return frame
