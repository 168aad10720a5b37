"""Frame-exact extraction: decord in a child process, checked per frame, with PyAV as fallback.

decord can return the wrong frame of a damaged stream without an error, keep hundreds of megabytes
after a read, and hang in native code with the interpreter's lock held. So it runs in a process of
its own that is killed when it does not answer in time, and every frame is compared with the
signature that probing stored. When anything is amiss the whole extraction is done again by PyAV,
which counts frames from the start of the file. Files whose frames can be told by counting alone
(trimmed ones, several streams, images) are read by PyAV at once.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.errors import VideoError
from dance_models.files import replacing
from dance_models.processes import DECODING, end_with_starter, start_fork_server
from dance_models.video.orientation import Orientation, as_shown
from dance_models.video.picture import rgb_of
from dance_models.video.probe import ClipProbe
from dance_models.video.signature import (
    is_frame,
    is_same,
    signature_of_frame,
    signature_of_rgb,
)
from dance_models.video.source import Mode, shown_frames

Image = NDArray[np.uint8]
# Opens a file and yields the requested frames in ascending order, RGB as coded (not rotated).
Backend = Callable[[Path, Sequence[int]], Iterator[tuple[int, Image]]]

TIMEOUT_S: Final = 30.0  # for one frame; seeking to the first may decode a whole group of pictures


@dataclass(frozen=True)
class ExtractedFrame:
    """One frame on disk."""

    frame: int
    path: Path
    backend: str  # "decord" or "pyav"


class WrongFrameError(Exception):
    """A backend returned something other than the requested frame."""


def decord_frames(path: Path, frames: Sequence[int]) -> Iterator[tuple[int, Image]]:
    """Frames by decord, one thread, reading on within a run and seeking between runs."""
    import decord

    reader = decord.VideoReader(str(path), num_threads=1)
    position = 0
    for frame in frames:
        if frame != position:
            reader.seek_accurate(frame)
        yield frame, reader.next().asnumpy()
        position = frame + 1


def pyav_frames(
    path: Path, frames: Sequence[int], mode: Mode = "fast"
) -> Iterator[tuple[int, Image]]:
    """Frames by PyAV, counted from the start of the file: slow for late frames, but exact.

    Of a file that may be damaged, count them in the mode in which its frames were counted before.
    """
    return ((index, rgb_of(frame)) for index, frame in _counted(path, frames, mode))


def _counted(path: Path, frames: Sequence[int], mode: Mode = "fast") -> Iterator[tuple[int, Any]]:
    wanted = set(frames)
    for index, frame in enumerate(shown_frames(path, mode)):
        if index in wanted:
            yield index, frame
            wanted.remove(index)
            if not wanted:
                return


def upright(image: Image, probe: ClipProbe) -> Image:
    """A coded image (H, W, 3) as a player shows it: mirrored, turned, with square pixels."""
    return as_shown(image, probe.orientation, probe.size)


def image_path(directory: Path, frame: int) -> Path:
    """The path of a frame's JPEG."""
    return directory / f"{frame:06d}.jpg"


def extract_frames(
    path: Path,
    probe: ClipProbe,
    frames: Sequence[int],
    directory: Path,
    *,
    jpeg_quality: int = 92,
    timeout_s: float = TIMEOUT_S,
    first_choice: Backend = decord_frames,
) -> list[ExtractedFrame]:
    """Write ``frames`` (ascending source indices) as JPEGs into ``directory``.

    Raises VideoError naming file and frame when neither backend can.
    """
    directory.mkdir(parents=True, exist_ok=True)
    order = sorted({int(f) for f in frames})
    attempts: list[tuple[str, Backend | None]] = [("decord", first_choice), ("pyav", None)]
    if probe.in_order or probe.orientation != Orientation():  # decord turns some and not others
        attempts = attempts[1:]
    reason = ""
    for name, backend in attempts:
        reason = _attempt(backend, path, probe, order, directory, jpeg_quality, timeout_s)
        if not reason:
            return [ExtractedFrame(f, image_path(directory, f), name) for f in order]
    raise VideoError(
        f"no decoder gives its frames: {reason}",
        file=path,
        hint="Repair the file by re-encoding it",
    )


def _attempt(
    backend: Backend | None,
    path: Path,
    probe: ClipProbe,
    frames: list[int],
    directory: Path,
    jpeg_quality: int,
    timeout_s: float,
) -> str:
    """Extract in a child process; returns why it failed, "" when it did not."""
    # forkserver: a clean parent without the threads of polars and arrow, and cheap to fork
    context = multiprocessing.get_context("forkserver")
    start_fork_server(DECODING)  # imported once for all clips, not in each child
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(
        target=_extract,
        args=(sender, backend, path, probe, frames, directory, jpeg_quality),
        daemon=True,
    )
    waiting_for = frames[0] if frames else 0
    try:
        child.start()
        sender.close()
        while True:
            if not receiver.poll(timeout_s):
                return f"no answer within {timeout_s:g} s at frame {waiting_for}"
            kind, value = receiver.recv()
            if kind == "done":
                return ""
            if kind == "failed":
                return str(value)
            waiting_for = value + 1
    except (EOFError, BrokenPipeError):  # the latter before it has read what it is to do
        return f"the decoder crashed at frame {waiting_for}"
    finally:
        receiver.close()
        sender.close()
        if child.pid is not None:
            if child.is_alive():
                child.kill()
            child.join()


def _extract(
    sender: "Connection[Any, Any]",
    backend: Backend | None,
    path: Path,
    probe: ClipProbe,
    frames: list[int],
    directory: Path,
    jpeg_quality: int,
) -> None:
    """In the child: decode, check, write; answers after every frame."""
    end_with_starter(grace_s=0)  # a decoder that hangs
    cv2.setNumThreads(1)
    try:
        missing = set(frames)
        for frame, image in _checked(backend, path, probe, frames):
            write_jpeg(image_path(directory, frame), upright(image, probe), jpeg_quality)
            missing.discard(frame)
            sender.send(("frame", frame))
        if missing:
            raise WrongFrameError(f"frame {min(missing)} was not returned")
        sender.send(("done", None))
    except Exception as error:
        sender.send(("failed", f"{type(error).__name__}: {error}"))


def _checked(
    backend: Backend | None, path: Path, probe: ClipProbe, frames: list[int]
) -> Iterator[tuple[int, Image]]:
    """Frames of a backend, or counted from the start of the file when there is none.

    The former must resemble what probing saw more than the frames beside it. The latter cannot be
    another frame, but the file may be another one. Raises WrongFrameError.
    """
    if backend is not None:
        for index, image in backend(path, frames):
            if not is_frame(signature_of_rgb(image), probe.signature, index):
                raise WrongFrameError(f"frame {index} is not the frame that probing saw")
            yield index, image
        return
    for index, frame in _counted(path, frames):
        if not is_same(signature_of_frame(frame), probe.signature[index]):
            raise WrongFrameError(f"frame {index} is not the frame that probing saw")
        yield index, rgb_of(frame)


def write_jpeg(path: Path, image: Image, quality: int) -> None:
    """Write an RGB image atomically. Raises OSError when it cannot be written."""
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not done:
        raise OSError(f"cannot encode {path}")
    with replacing(path) as part:
        part.write_bytes(data.tobytes())
