"""Torso lengths: the unit of every metric, and of what the networks see.

A torso reaches from the neck to the middle of the hips. A pose that lacks one of these joints has
none: NaN. Nothing is ever divided by a made-up torso in a metric; only what normalises the input
of a network, which must be finite, falls back to one pixel (:func:`torso_scale`).
"""

from collections.abc import Iterable
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from dance_models.geometry import pelvis
from dance_models.skeleton import NECK

Array = NDArray[np.floating]

LEAST_SCALE: Final = 1.0  # pixels


class AnnotatedRun(Protocol):
    """What metrics read of a run of T frames of one clip."""

    @property
    def clip(self) -> str:
        """The clip's key."""

    @property
    def annotation(self) -> NDArray[np.float32]:
        """(T, 14, 2) pixels."""

    @property
    def visibility(self) -> NDArray[np.uint8]:
        """(T, 14) 0 absent, 1 occluded, 2 visible."""


def visible_annotation(run: AnnotatedRun) -> NDArray[np.float32]:
    """The annotation (T, 14, 2) in pixels with NaN where visibility is 0."""
    return np.where(run.visibility[..., None] > 0, run.annotation, np.nan).astype(np.float32)


def torso_length(keypoints: Array) -> NDArray[np.floating[Any]]:
    """Neck to mid-hip, shape (..., 14, 2) -> (...); NaN where a joint is missing."""
    return np.asarray(np.linalg.norm(keypoints[..., NECK, :] - pelvis(keypoints), axis=-1))


def median_torso(keypoints: Array) -> float:
    """Median torso length over all frames in pixels; NaN when no frame shows neck and both hips.

    The median over a clip keeps foreshortened frames (a dancer bending to the camera) from
    collapsing the unit.
    """
    lengths = torso_length(keypoints)
    lengths = lengths[np.isfinite(lengths)]
    median = float(np.median(lengths)) if lengths.size else 0.0
    return median if median > 0 else np.nan


def torso_scale(keypoints: Array) -> float:
    """Pixels by which poses are divided: the median torso, at least one pixel and never NaN."""
    median = median_torso(keypoints)
    return max(median, LEAST_SCALE) if np.isfinite(median) else LEAST_SCALE


def window_torso(observed: Array) -> NDArray[np.floating[Any]]:
    """Pixels by which each window is divided, (N, T, 14, 2) without gaps -> (N,).

    The median torso over the T observed frames, at least one pixel.
    """
    if not len(observed):
        return np.zeros(0, observed.dtype)
    return np.asarray(np.maximum(np.median(torso_length(observed), axis=1), LEAST_SCALE))


def torso_by_clip(runs: Iterable[AnnotatedRun]) -> dict[str, float]:
    """Median annotated torso in pixels over all frames of each clip: the unit of all metrics.

    NaN for a clip that never shows neck and both hips: it drops out of metrics in torsos.
    """
    by_clip: dict[str, list[NDArray[np.float32]]] = {}
    for run in runs:
        by_clip.setdefault(run.clip, []).append(visible_annotation(run))
    return {clip: median_torso(np.concatenate(parts)) for clip, parts in by_clip.items()}
