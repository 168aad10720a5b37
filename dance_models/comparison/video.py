"""A video as a performance: its poses by the trained networks, and its sound."""

from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from dance_models.analysis.video import VideoPoses
from dance_models.comparison.performance import Performance, Sound
from dance_models.errors import VideoError
from dance_models.video.source import open_video

RATE: Final = 12_000  # samples/s: onsets are looked for below 5 kHz
# Between two frames of sound: a shorter gap is rounding, a longer one a wrong time stamp.
_GAP_S: Final = (0.05, 600.0)

_Samples = NDArray[np.float32]


def performance_of(path: Path, poses: VideoPoses, name: str) -> tuple[Performance, list[str]]:
    """The refined poses of the video ``name`` with its sound, and warnings about the file."""
    run, warnings = poses.run, list(poses.seen.warnings)
    sound = None
    try:
        sound = read_sound(path, poses.seen.start_s)
    except VideoError as error:
        warnings.append(f"the sound cannot be read: {error.message}")
    seen = poses.restored
    performance = Performance(name, run.time_s, poses.refined, seen.landmarks, seen.score, sound)
    return performance, warnings


def read_sound(path: Path, first_s: float) -> Sound | None:
    """The sound of a video, one channel; None when there is none, or nothing but silence.

    ``first_s`` is the time stamp of the first picture that is shown: times count from it, as the
    poses' do. What the file says of its start is not that where the first pictures cannot be
    decoded. Raises VideoError for damaged sound.
    """
    if path.is_dir():
        return None
    try:
        with open_video(path) as container:
            if not container.streams.audio:
                return None
            start_s, samples = _decoded(container, container.streams.audio[0])
    except av.error.FFmpegError as error:
        raise VideoError(str(error.strerror or error), file=path) from error
    if not len(samples) or not float(np.abs(samples).max()) > 0:
        return None
    return Sound(float(RATE), samples, start_s - first_s)


def _decoded(container: Any, stream: Any) -> tuple[float, _Samples]:
    """The time of the first sample, and all samples at ``RATE``; silence where the file has a gap.

    Without it, all that is heard after a gap would seem to be heard earlier.
    """
    start: float | None = None
    expected_s = 0.0
    parts: list[_Samples] = []
    resampler = _resampler()
    for frame in container.decode(stream):
        at_s = _seconds(frame.pts, frame.time_base) if frame.pts is not None else expected_s
        if start is None:
            start = at_s
        elif _GAP_S[0] < at_s - expected_s < _GAP_S[1]:
            parts += _resampled(resampler, None)
            resampler = _resampler()
            missing = round((at_s - start) * RATE) - sum(map(len, parts))
            parts.append(np.zeros(max(missing, 0), np.float32))
        expected_s = at_s + frame.samples / frame.sample_rate
        parts += _resampled(resampler, frame)
    if start is not None:
        parts += _resampled(resampler, None)
    return start or 0.0, np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _resampler() -> Any:
    return av.AudioResampler(format="flt", layout="mono", rate=RATE)


def _resampled(resampler: Any, frame: Any) -> list[_Samples]:
    """What comes out for a frame of sound, or at the end for None."""
    return [part.to_ndarray().reshape(-1).astype(np.float32) for part in resampler.resample(frame)]


def _seconds(stamp: int | None, base: Fraction | None) -> float:
    return float(stamp * base) if stamp is not None and base is not None else 0.0
