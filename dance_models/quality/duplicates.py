"""Duplicate clips: the same file, or the same images encoded again, cut or mirrored.

Images are compared by their moving parts: the coarse luma of a frame minus the clip's median frame.
Clips on one stage look alike, but the dancers move differently.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.config import QualityConfig
from dance_models.quality.findings import Finding
from dance_models.video.signature import CELLS

HZ: Final = 6.25  # pictures a second that are compared: every fourth of a clip at 25 Hz
TEMPLATE: Final = 16  # pictures, 2.6 s
PLACES: Final = (0.2, 0.5, 0.8)  # where templates are cut from the shorter clip
COARSE: Final = (12, 9)  # cells that are compared; the dancer still covers several
# Correlation of the median frames. Copies share it even when they were cut; clips on other stages
# do not, and are not compared further.
STAGE: Final = 0.8

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class ClipPictures:
    """The file and the T frames of a clip."""

    clip: str
    sha256: str  # of the file
    time_s: NDArray[np.float64]  # (T,)
    signature: NDArray[np.uint8]  # (T, 432)


@dataclass(frozen=True, eq=False)
class _Moving:
    """The moving parts of a clip, at ``HZ``: N images of 108 cells."""

    clip: str
    sha256: str
    frame: NDArray[np.int64]  # (N,) source frames
    stage: Array  # (108,) the median picture, normalised
    stage_mirrored: Array
    pictures: Array  # (N, 108)
    mirrored: Array  # (N, 108)


def duplicate_clips(clips: Sequence[ClipPictures], config: QualityConfig) -> list[Finding]:
    """One finding for every clip that is a copy of one before it in the order of names.

    The best correlation of a template of 2.6 s from the shorter clip with any place in the
    longer one, also mirrored. Clips without movement are compared by their file alone.
    """
    moving = [_moving(clip) for clip in sorted(clips, key=lambda c: c.clip)]
    found = []
    for j, later in enumerate(moving):
        for earlier in moving[:j]:
            finding = _compare(earlier, later, config)
            if finding is not None:
                found.append(finding)
                break
    return found


def _moving(clip: ClipPictures) -> _Moving:
    ticks = np.arange(0, clip.time_s[-1] + 1e-9, 1 / HZ)
    frame = np.searchsorted(clip.time_s, ticks - 1e-6).clip(0, len(clip.time_s) - 1)
    cells = clip.signature[frame].reshape(len(frame), CELLS[1], CELLS[0]).astype(np.float32)
    small = np.stack([cv2.resize(c, COARSE, interpolation=cv2.INTER_AREA) for c in cells])
    stage = np.median(small, axis=0)
    change = small - stage
    return _Moving(
        clip=clip.clip,
        sha256=clip.sha256,
        frame=frame.astype(np.int64),
        stage=_normal(stage),
        stage_mirrored=_normal(stage[:, ::-1]),
        pictures=change.reshape(len(frame), -1),
        mirrored=change[:, :, ::-1].reshape(len(frame), -1),
    )


def _normal(stage: Array) -> Array:
    flat = stage.ravel() - stage.mean()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-6))


def _compare(earlier: _Moving, later: _Moving, config: QualityConfig) -> Finding | None:
    if later.sha256 == earlier.sha256:
        same = f"is the same file as {earlier.clip}"
        return _finding(later, earlier, same, 1.0, (0, 0), config)
    best, rows, mirror = -1.0, (0, 0), False
    for mirrored in (False, True):
        stage = later.stage_mirrored if mirrored else later.stage
        if float(stage @ earlier.stage) < STAGE:
            continue
        correlation, at = _best(earlier.pictures, later.mirrored if mirrored else later.pictures)
        if correlation > best:
            best, rows, mirror = correlation, at, mirrored
    if best < config.duplicate_correlation:
        return None
    how = "mirrored pictures" if mirror else "pictures"
    message = f"shows the {how} of {earlier.clip} (correlation {best:.3f})"
    return _finding(later, earlier, message, best, rows, config)


def _finding(
    later: _Moving,
    earlier: _Moving,
    message: str,
    value: float,
    rows: tuple[int, int],
    config: QualityConfig,
) -> Finding:
    return Finding(
        check="duplicate_clips",
        clip=later.clip,
        message=message,
        value=value,
        limit=config.duplicate_correlation,
        frame=int(later.frame[rows[1]]),
        other=earlier.clip,
        other_frame=int(earlier.frame[rows[0]]),
    )


def _best(earlier: Array, later: Array) -> tuple[float, tuple[int, int]]:
    """The best correlation over all templates and places, and its rows in both."""
    short, long = sorted((earlier, later), key=len)
    count = min(TEMPLATE, len(short))
    starts = sorted({int((len(short) - count) * place) for place in PLACES})
    places = len(long) - count + 1
    energy = np.concatenate([[0.0], np.cumsum((long.astype(np.float64) ** 2).sum(axis=1))])
    windows = energy[count:] - energy[:-count]  # (places,)
    best = (-1.0, (0, 0))
    for start in starts:
        template = short[start : start + count]
        products = template @ long.T  # (count, len(long))
        dots = sum(products[i, i : i + places] for i in range(count))
        norms = np.sqrt(windows * float((template.astype(np.float64) ** 2).sum()))
        # A change of one grey level in one cell of every second image is encoder noise.
        correlation = np.where(norms > count, dots / np.maximum(norms, 1e-6), -1.0)
        at = int(np.argmax(correlation))
        rows = (start, at) if long is later else (at, start)
        best = max(best, (float(correlation[at]), rows))
    return best
