"""A clip that is read once: its frames as a player shows them, and what was seen on the way."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dance_models.errors import VideoError, guarded
from dance_models.video.damage import objections_noted
from dance_models.video.orientation import as_shown, displayed_size
from dance_models.video.picture import rgb_of
from dance_models.video.probe import ClipProbe, ProbePass, concluded
from dance_models.video.source import Reading, Source, open_source


class ShownFrame(NamedTuple):
    """A frame as displayed."""

    number: int  # from 0
    image: NDArray[np.uint8]  # (H, W, 3) RGB
    signature: NDArray[np.uint8]  # (432,) as in ClipProbe


class ClipStream:
    """The frames of a clip, decoded once and never held, and then its probe.

    Unlike :func:`~dance_models.video.probe.probe_clip` it decodes as a player does, so that what
    can be shown of a damaged file is there; damage is a warning.
    """

    def __init__(self, path: Path, rate: float | None = None) -> None:
        self.path, self._rate = path, rate
        self.declared = 0  # frames that the file claims to show, 0 when it does not say
        self.start_s = 0.0  # time stamp of the first frame in the file
        self._probe: ClipProbe | None = None

    def frames(self) -> Iterator[ShownFrame]:
        """Every frame in order. Raises VideoError when the clip cannot be read."""
        done = ProbePass(self.path, keep=False)
        with _as_a_player(self.path, self._rate) as source:
            self.declared = source.declared
            size = (0, 0)
            for number, frame in enumerate(source.frames):
                done.note(frame)
                if not number:
                    size = displayed_size(done.size, source.aspect, done.orientation)
                    self.start_s = float(frame.pts or 0) * source.base
                image = as_shown(rgb_of(frame), done.orientation, size)
                yield ShownFrame(number, image, done.signatures[-1])
            self._probe = _shown(source, done)

    @property
    def probe(self) -> ClipProbe:
        """What the frames were, after the last of them was taken; of signatures, the last alone."""
        if self._probe is None:
            raise RuntimeError("the frames of the clip were not all read")
        return self._probe


def shown_probe(path: Path, rate: float | None = None) -> ClipProbe:
    """What :class:`ClipStream` sees of a clip, without its pictures; of signatures, the last alone.

    Its frames are those of the mode ``careful``. Raises VideoError when it cannot be read.
    """
    done = ProbePass(path, keep=False)
    with _as_a_player(path, rate) as source:
        for frame in source.frames:
            done.note(frame)
        return _shown(source, done)


@contextmanager
def _as_a_player(path: Path, rate: float | None) -> Iterator[Source]:
    """The clip, with all that can be shown of a damaged one."""
    with (
        guarded("a video", path, VideoError),
        objections_noted(),
        open_source(path, rate, "careful") as source,
    ):
        yield source


def _shown(source: Source, done: ProbePass) -> ClipProbe:
    """What the frames were, after the last of them was noted; damage is a warning."""
    return concluded(source, done, _damage(source.reading), refuse_parts=False)


def _damage(reading: Reading) -> str:
    """What is wrong with the pictures in words; "" when nothing is."""
    damaged = sorted({*reading.corrupt, *(r.frame for r in reading.remarks if not r.leading)})
    if not damaged:
        return ""
    return f"the stream is damaged (faults: {len(damaged)}, the first at frame {damaged[0]})"
