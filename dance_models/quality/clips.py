"""Checks on clips: lost frames, time stamps, blank and frozen frames."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from dance_models.config import QualityConfig
from dance_models.quality.findings import Finding, escalated


def lost_frames(clip: str, nominal: int, decoded: int, config: QualityConfig) -> list[Finding]:
    """Whether decoding gave the number of frames that the container declares.

    Files that declare none pass: probing then uses the decoded count for both.
    """
    share = abs(nominal - decoded) / max(nominal, 1)
    if share <= config.lost_frames or abs(nominal - decoded) <= 1:
        return []
    return [
        Finding(
            check="lost_frames",
            clip=clip,
            frame=min(nominal, decoded),
            message=f"the file claims {nominal} frames, {decoded} were decoded",
            value=share,
            limit=config.lost_frames,
            severity="error" if share >= config.lost_frames_error else "warn",
        )
    ]


def file_remarks(clip: str, remarks: Sequence[str]) -> list[Finding]:
    """What probing chose or made up for in the file, as one finding: none of it is a loss."""
    if not remarks:
        return []
    return [Finding("file_remarks", clip, "; ".join(remarks), float(len(remarks)), 0.0)]


def time_stamps(clip: str, time_s: NDArray[np.floating], config: QualityConfig) -> list[Finding]:
    """Whether the times (T,) of the frames, in seconds, increase without gaps.

    Times that do not increase are errors: velocities would be wrong or infinite. A gap longer than
    ``frame_interval`` medians is located at the frame after it.
    """
    if len(time_s) < 2:
        return []
    steps = np.diff(time_s)
    rising = steps[steps > 0]
    typical = float(np.median(rising)) if rising.size else 0.0
    found = [
        Finding(
            check="time_stamps",
            clip=clip,
            frame=int(i) + 1,
            message=f"the time stamp goes back by {-1000 * steps[i]:.1f} ms",
            value=float(steps[i]),
            limit=0.0,
            severity="error",
        )
        for i in np.flatnonzero(steps <= 0)
    ]
    limit = config.frame_interval * typical
    return found + [
        Finding(
            check="time_stamps",
            clip=clip,
            frame=int(i) + 1,
            message=f"comes {1000 * steps[i]:.0f} ms after the frame before it, "
            f"where {1000 * typical:.0f} ms are usual",
            value=float(steps[i]),
            limit=limit,
        )
        for i in np.flatnonzero(steps > limit)
    ]


def blank_frames(
    clip: str,
    frame: NDArray[np.integer],
    signature: NDArray[np.uint8],
    config: QualityConfig,
) -> list[Finding]:
    """Frames of a single grey level: black, white, a lost signal.

    ``frame`` (N,) are the sampled frames and ``signature`` (T, 432) the coarse luma of all
    frames of the clip (:mod:`dance_models.video.signature`).
    """
    contrast = signature[frame].astype(np.float32).std(axis=1)
    found = [
        Finding(
            check="blank_frames",
            clip=clip,
            frame=int(frame[i]),
            message=f"nothing is to be seen (contrast {contrast[i]:.1f} grey levels)",
            value=float(contrast[i]),
            limit=config.blank_contrast,
        )
        for i in np.flatnonzero(contrast < config.blank_contrast)
    ]
    return escalated(found, len(frame), config.picture_error_share)


def frozen_frames(
    clip: str,
    frame: NDArray[np.integer],
    time_s: NDArray[np.floating],
    motion: NDArray[np.floating],
    config: QualityConfig,
) -> list[Finding]:
    """Images that do not change for ``frozen_s`` or longer; one finding for each repeated frame.

    ``frame`` (N,) are the sampled frames; ``time_s`` (T,) and ``motion`` (T,), the mean change of
    luma to the frame before in grey levels, are of all frames of the clip.
    """
    still = motion < config.frozen_change
    still[0] = False  # the first frame has no frame before it
    sampled = set(frame.tolist())
    found = []
    for start, stop in stretches(still):
        seconds = float(time_s[stop - 1] - time_s[start - 1])
        if seconds < config.frozen_s:
            continue
        found += [
            Finding(
                check="frozen_frames",
                clip=clip,
                frame=i,
                message=f"the picture stands still for {seconds:.1f} s "
                f"(frames {start - 1}-{stop - 1})",
                value=seconds,
                limit=config.frozen_s,
            )
            for i in range(start, stop)
            if i in sampled
        ]
    return escalated(found, len(frame), config.picture_error_share)


def stretches(flags: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """(start, stop) of every stretch of true values in (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
