"""Pictures that a browser sends and shows: JPEG, checked before it is decoded."""

import io
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.errors import InputError
from dance_models.native_output import without_native_noise

LONGEST_SIDE: Final = 1920  # pixels
SHORTEST_SIDE: Final = 64
QUALITY: Final = 80
LATE_S: Final = 0.05  # a frame of a file that is later is left out
LONGEST_S: Final = 0.25  # of leaving out; then a frame is given however late it is


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


def file_pictures(path: Path) -> Iterator[tuple[bytes, bool]]:
    """The frames of a video as JPEG in real time, over and over; late ones are left out.

    A file that cannot be decoded as fast as it plays is shown slower.

    With each comes whether it is the first that is given of a shot: after a cut, and when the file
    begins again. Raises VideoError for a file that is not a readable video.
    """
    from dance_models.analysis.cuts import with_cuts
    from dance_models.video.stream import ClipStream, shown_probe

    times = shown_probe(path).time_s
    late_since: float | None = None
    while True:
        began, begins = time.monotonic(), True
        for frame, cut in with_cuts(ClipStream(path).frames()):
            begins |= cut
            due = began + float(times[min(frame.number, len(times) - 1)])
            now = time.monotonic()
            if now - due > LATE_S:
                late_since = now if late_since is None else late_since
                if now - late_since < LONGEST_S:
                    continue
                began += now - due  # what follows is in time again
            time.sleep(max(due - now, 0))
            yield encode_jpeg(frame.image), begins
            begins, late_since = False, None


def camera_pictures(number: int) -> Generator[tuple[bytes, bool]]:
    """The frames of a camera of this machine as JPEG, all of one shot.

    Raises InputError when it fails.
    """
    import cv2

    with without_native_noise():  # which of its drivers failed
        camera: Any = cv2.VideoCapture(number)
    try:
        if not camera.isOpened():
            raise InputError(
                f"--camera {number}: there is no such camera, or another program uses it",
                hint="Cameras are counted from 0; without --camera the browser's own is used, with "
                "--video FILE a video",
            )
        while True:
            got, picture = camera.read()
            if not got:
                raise InputError(
                    f"--camera {number}: it gives no more pictures",
                    hint="Connect it again, then press Start",
                )
            image = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
            yield encode_jpeg(image), False
    finally:
        camera.release()
