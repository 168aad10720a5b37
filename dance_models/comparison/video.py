"""A video as a performance: its poses by the trained networks, and its sound."""

from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from dance_models.analysis.video import VideoPoses
from dance_models.comparison.performance import Performance, Sound
from dance_models.errors import VideoError
from dance_models.video.source import choose_stream, open_video

RATE: Final = 12_000  # samples/s: onsets are looked for below 5 kHz


def performance_of(path: Path, poses: VideoPoses, name: str) -> tuple[Performance, list[str]]:
    """The refined poses of the video ``name`` with its sound, and warnings about the file."""
    run, warnings = poses.run, list(poses.seen.warnings)
    sound = None
    try:
        sound = read_sound(path)
    except VideoError as error:
        warnings.append(f"the sound cannot be read: {error.message}")
    seen = poses.restored
    performance = Performance(name, run.time_s, poses.refined, seen.landmarks, seen.score, sound)
    return performance, warnings


def read_sound(path: Path) -> Sound | None:
    """The sound of a video, one channel; None when there is none, or nothing but silence.

    Times count from the first picture, as the poses' do. Raises VideoError for damaged sound.
    """
    if path.is_dir():
        return None
    try:
        with open_video(path) as container:
            if not container.streams.audio:
                return None
            picture = choose_stream(container, path, [])
            stream = container.streams.audio[0]
            starts, samples = _decoded(container, stream)
            first = _seconds(picture.start_time, picture.time_base)
    except av.error.FFmpegError as error:
        raise VideoError(str(error.strerror or error), file=path) from error
    if not len(samples) or not float(np.abs(samples).max()) > 0:
        return None
    return Sound(float(RATE), samples, starts - first)


def _decoded(container: Any, stream: Any) -> tuple[float, "np.ndarray[Any, np.dtype[np.float32]]"]:
    """The time of the first sample, and all samples at ``RATE``."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    start: float | None = None
    parts = []
    for frame in container.decode(stream):
        if start is None:
            start = _seconds(frame.pts, frame.time_base)
        parts += [part.to_ndarray().reshape(-1) for part in resampler.resample(frame)]
    if start is not None:
        parts += [part.to_ndarray().reshape(-1) for part in resampler.resample(None)]
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return start or 0.0, samples.astype(np.float32)


def _seconds(stamp: int | None, base: Fraction | None) -> float:
    return float(stamp * base) if stamp is not None and base is not None else 0.0
