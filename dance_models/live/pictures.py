"""Pictures that a browser sends and shows: JPEG, checked before it is decoded."""

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.errors import InputError

LONGEST_SIDE: Final = 1920  # pixels
SHORTEST_SIDE: Final = 64
QUALITY: Final = 80


def decode_jpeg(data: bytes) -> NDArray[np.uint8]:
    """A JPEG as RGB (H, W, 3). Raises InputError for anything else, and for its size."""
    import cv2
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as header:
            size = header.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError("this frame is not a JPEG") from error
    if max(size) > LONGEST_SIDE or min(size) < SHORTEST_SIDE:
        raise InputError(
            f"a frame of {size[0]}x{size[1]} pixels",
            hint=f"Frames have sides of {SHORTEST_SIDE} to {LONGEST_SIDE} pixels",
        )
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise InputError("this frame is a broken JPEG")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def encode_jpeg(image: NDArray[np.uint8]) -> bytes:
    """An RGB image (H, W, 3) as JPEG; one that is larger than what is read is made smaller."""
    import cv2

    share = LONGEST_SIDE / max(image.shape[:2])
    if share < 1:
        size = (round(image.shape[1] * share), round(image.shape[0] * share))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1])


def file_pictures(path: Path) -> Iterator[bytes]:
    """The frames of a video as JPEG in real time, over and over; late ones are left out.

    Raises VideoError for a file that is not a readable video.
    """
    from dance_models.video.probe import probe_clip
    from dance_models.video.stream import ClipStream

    times = probe_clip(path).time_s
    while True:
        began = time.monotonic()
        for frame in ClipStream(path).frames():
            due = began + float(times[min(frame.number, len(times) - 1)])
            wait = due - time.monotonic()
            if wait < -0.05:
                continue
            time.sleep(max(wait, 0))
            yield encode_jpeg(frame.image)


def camera_pictures(number: int) -> Iterator[bytes]:
    """The frames of a camera of this machine as JPEG. Raises InputError when it fails."""
    import cv2

    camera: Any = cv2.VideoCapture(number)
    try:
        if not camera.isOpened():
            raise InputError(
                f"--camera {number}: there is no such camera, or another program uses it",
                hint="Cameras are counted from 0; without --camera the browser's own is used",
            )
        while True:
            got, picture = camera.read()
            if not got:
                raise InputError(f"--camera {number}: it gives no more pictures")
            yield encode_jpeg(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8))
    finally:
        camera.release()
