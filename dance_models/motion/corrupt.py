"""Simulated estimates: true keypoints with the kinds of errors that estimators make.

Per joint a slow error (AR(1)) whose size itself comes and goes, jitter from frame to frame, and
spans in which the joint is far off or not found; for the whole body, spans in which left and
right change places. The defaults give about the accuracy of BlazePose on rendered dancers: 0.54,
0.82 and 0.94 of the joints within 0.05, 0.1 and 0.2 torso lengths.
"""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.errors import InputError
from dance_models.metrics.torso import torso_scale
from dance_models.skeleton import DANCE_14, Skeleton

Array = NDArray[np.float64]

_EFFORT: Final = {"wrist": 1.6, "ankle": 1.3, "elbow": 1.2, "knee": 1.0, "head": 1.0}
_SURE: Final = 0.95  # confidence of a perfect joint; it falls with the error
_FALL: Final = 2.0  # per torso length
_NOISE: Final = 0.03  # of the confidence
_SIZE_S: Final = 1.0  # how long a good or bad phase of a joint lasts


@dataclass(frozen=True)
class ErrorModel:
    """Lengths in torsos, times in seconds, rates a second. All 0: no errors."""

    drift: float = 0.037  # standard deviation of the slow error of each coordinate
    drift_spread: float = 0.65  # of the logarithm of its size over time
    drift_s: float = 0.4  # its correlation time
    jitter: float = 0.008
    swap_rate: float = 0.05
    swap_s: float = 0.25  # mean duration of a left/right swap
    drop_rate: float = 0.10  # of each joint
    drop_s: float = 0.2
    drop_error: float = 0.25  # how far off a dropped joint is when something is reported
    drop_missing: float = 0.3  # share of drops in which nothing is

    def __post_init__(self) -> None:
        values = [getattr(self, f.name) for f in fields(self)]
        if not np.isfinite(values).all() or min(values) < 0 or self.drop_missing > 1:
            raise InputError("an error model takes numbers of 0 or more, shares at most 1")


def corrupt(
    keypoints: NDArray[np.floating],
    time_s: NDArray[np.float64],
    rng: np.random.Generator,
    model: ErrorModel,
    skeleton: Skeleton = DANCE_14,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Estimate (T, J, D) in pixels and its confidence (T, J) for true ``keypoints``.

    A joint that is unknown in truth is missing in the estimate: NaN with confidence 0.
    """
    torso = torso_scale(keypoints, skeleton=skeleton)
    step = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 1.0
    offset = _slow(rng, len(keypoints), step, model, skeleton)
    offset += model.jitter * rng.standard_normal(offset.shape)
    score = _SURE - _FALL * np.linalg.norm(offset, axis=-1)
    score += _NOISE * rng.standard_normal(score.shape)
    swapped = _spans(rng, (len(keypoints), 1), step, model.swap_rate, model.swap_s)
    dropped = _spans(rng, score.shape, step, model.drop_rate, model.drop_s)
    lost = dropped & _per_span(rng, dropped, model.drop_missing)
    far = model.drop_error * _ar1(rng, offset.shape, step, model.drop_s)
    offset = np.where(dropped[..., None], offset + far, offset)
    score = np.where(dropped, rng.uniform(0.05, 0.4, score.shape), np.clip(score, 0.3, 1))
    seen = np.where(swapped[..., None], keypoints[:, skeleton.mirror], keypoints) + offset * torso
    missing = lost | ~np.isfinite(seen).all(axis=-1)
    seen = np.where(missing[..., None], np.nan, seen)
    return seen.astype(np.float32), np.where(missing, 0, score).astype(np.float32)


def difficulty(skeleton: Skeleton) -> Array:
    """(J,) how hard each joint is to find, as a factor on its slow error."""
    return np.array(
        [next((f for part, f in _EFFORT.items() if part in joint), 0.8) for joint in skeleton.names]
    )


def _slow(
    rng: np.random.Generator, frames: int, step: float, model: ErrorModel, skeleton: Skeleton
) -> Array:
    """(T, J, D) torso lengths."""
    shape = (frames, skeleton.num_joints)
    size = np.exp(model.drift_spread * _ar1(rng, shape, step, _SIZE_S))
    error = _ar1(rng, (*shape, skeleton.dimensions), step, model.drift_s)
    return np.asarray(model.drift * (difficulty(skeleton) * size)[..., None] * error)


def _ar1(rng: np.random.Generator, shape: tuple[int, ...], step: float, memory_s: float) -> Array:
    """Noise of unit variance along the first axis with correlation time ``memory_s``."""
    keep = np.exp(-step / memory_s) if memory_s > 0 else 0.0
    noise = rng.standard_normal(shape)
    noise[1:] *= np.sqrt(1 - keep**2)
    for t in range(1, len(noise)):
        noise[t] += keep * noise[t - 1]
    return noise


def _spans(
    rng: np.random.Generator, shape: tuple[int, int], step: float, rate: float, mean_s: float
) -> NDArray[np.bool_]:
    """(T, N) true in spans that begin ``rate`` times a second and last ``mean_s`` on average."""
    begins = rng.uniform(size=shape) < rate * step
    frames = np.maximum(np.rint(rng.exponential(mean_s, shape) / step), 1).astype(np.int64)
    ends = np.where(begins, np.arange(shape[0])[:, None] + frames, 0)
    return np.asarray(np.maximum.accumulate(ends, axis=0) > np.arange(shape[0])[:, None])


def _per_span(
    rng: np.random.Generator, spans: NDArray[np.bool_], share: float
) -> NDArray[np.bool_]:
    """(T, N) true for about ``share`` of the spans, from each one's first frame to its last."""
    first = spans & ~np.concatenate([np.zeros_like(spans[:1]), spans[:-1]])
    drawn = rng.uniform(size=spans.shape) < share
    begun = np.maximum.accumulate(np.where(first, np.arange(len(spans))[:, None], 0), axis=0)
    return np.asarray(np.take_along_axis(drawn, begun, axis=0))
