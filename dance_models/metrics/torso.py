"""Torso lengths: the unit of every metric, and of what the networks see.

A torso reaches from the neck to the middle of the hips. A pose that lacks one of these joints has
none: NaN. Nothing is ever divided by a made-up torso in a metric. What normalises the input of a
network, which must be finite, takes it from the person's size (:func:`torso_scale`).
"""

from collections.abc import Iterable
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from dance_models.geometry import middle, pelvis, person_box
from dance_models.skeleton import DANCE_14, Skeleton

Array = NDArray[np.floating]

LEAST_SCALE: Final = 1.0  # pixels
# A standing person is about this many torso lengths (neck to mid-hip) tall.
TORSOS_TALL: Final = 3.3


class AnnotatedRun(Protocol):
    """What metrics read of a run of T frames of one clip."""

    @property
    def clip(self) -> str:
        """The clip's key."""

    @property
    def annotation(self) -> NDArray[np.float32]:
        """(T, J, D) pixels."""

    @property
    def visibility(self) -> NDArray[np.uint8]:
        """(T, J) 0 absent, 1 occluded, 2 visible."""


def visible_annotation(run: AnnotatedRun) -> NDArray[np.float32]:
    """The annotation (T, J, D) in pixels with NaN where visibility is 0."""
    return np.where(run.visibility[..., None] > 0, run.annotation, np.nan).astype(np.float32)


def torso_length(keypoints: Array, *, skeleton: Skeleton = DANCE_14) -> NDArray[np.floating[Any]]:
    """Neck to mid-hip, shape (..., J, D) -> (...); NaN where a joint is missing."""
    neck = middle(keypoints, skeleton.neck)
    return np.asarray(np.linalg.norm(neck - pelvis(keypoints, skeleton=skeleton), axis=-1))


def median_torso(keypoints: Array, *, skeleton: Skeleton = DANCE_14) -> float:
    """Median torso length over all frames in pixels; NaN when no frame shows neck and both hips.

    The median over a clip keeps foreshortened frames (a dancer bending to the camera) from
    collapsing the unit.
    """
    lengths = torso_length(keypoints, skeleton=skeleton)
    lengths = lengths[np.isfinite(lengths)]
    median = float(np.median(lengths)) if lengths.size else 0.0
    return median if median > 0 else np.nan


def torso_scale(keypoints: Array, *, skeleton: Skeleton = DANCE_14) -> float:
    """Pixels by which poses (..., J, D) are divided: the median torso, at least one pixel.

    Where no frame shows neck and both hips, or they coincide: the median of the longest sides of
    the person's box over ``TORSOS_TALL``. One pixel when no joint is known at all.
    """
    median = median_torso(keypoints, skeleton=skeleton)
    if np.isfinite(median):
        return max(median, LEAST_SCALE)
    sides = longest_side(keypoints)
    known = sides[np.isfinite(sides)]
    return max(float(np.median(known)) / TORSOS_TALL, LEAST_SCALE) if known.size else LEAST_SCALE


def longest_side(keypoints: Array) -> Array:
    """The longest side of the person's box, (..., J, D) -> (...); NaN without a person."""
    low, high = np.split(person_box(keypoints), 2, axis=-1)
    return np.asarray((high - low).max(axis=-1))


def window_torso(observed: Array, *, skeleton: Skeleton = DANCE_14) -> NDArray[np.floating[Any]]:
    """Pixels by which each window is divided, (N, T, J, D) without gaps -> (N,).

    The median torso over the T observed frames, at least one pixel; where it is 0, as
    :func:`torso_scale`.
    """
    if not len(observed):
        return np.zeros(0, observed.dtype)
    torso = np.median(torso_length(observed, skeleton=skeleton), axis=1)
    tall = np.median(longest_side(observed), axis=1) / np.asarray(TORSOS_TALL, observed.dtype)
    return np.asarray(np.maximum(np.where(torso > 0, torso, tall), LEAST_SCALE))


def torso_by_clip(
    runs: Iterable[AnnotatedRun], *, skeleton: Skeleton = DANCE_14
) -> dict[str, float]:
    """Median annotated torso in pixels over all frames of each clip: the unit of all metrics.

    NaN for a clip that never shows neck and both hips: it drops out of metrics in torsos.
    """
    by_clip: dict[str, list[NDArray[np.float32]]] = {}
    for run in runs:
        by_clip.setdefault(run.clip, []).append(visible_annotation(run))
    return {
        clip: median_torso(np.concatenate(parts), skeleton=skeleton)
        for clip, parts in by_clip.items()
    }
