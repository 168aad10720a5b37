"""Checks on poses: impossible limbs and jumps, and estimates that contradict the annotation.

Lengths are in torso lengths of the clip: the median of neck to mid-hip over its frames. A clip that
never shows neck and both hips has no such unit, and the checks that need it find nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.config import QualityConfig
from dance_models.metrics.torso import median_torso
from dance_models.quality.clips import stretches
from dance_models.quality.findings import Finding, escalated
from dance_models.skeleton import DANCE_14

Array = NDArray[np.floating[Any]]

_SIDED: Final = sorted(joint for pair in DANCE_14.mirror_pairs for joint in pair)
# For every edge: the edge on the other side of the body, or itself on the axis.
_OTHER_SIDE: Final = tuple(
    DANCE_14.edges.index((DANCE_14.mirror[a], DANCE_14.mirror[b])) for a, b in DANCE_14.edges
)


@dataclass(frozen=True, eq=False)
class ClipPoses:
    """Poses of one clip over its frames in rising order, not all of them consecutive."""

    clip: str
    frame: NDArray[np.int64]  # (T,)
    time_s: NDArray[np.float64]  # (T,)
    keypoints: Array  # (T, J, 2) pixels, NaN where missing


def missing_joints(poses: ClipPoses, config: QualityConfig) -> list[Finding]:
    """Joints known in less than ``joint_coverage`` of the frames, at the first frame without."""
    if not len(poses.frame):
        return []
    known = np.asarray(np.isfinite(poses.keypoints).all(axis=2))  # (T, J)
    share = known.mean(axis=0)
    return [
        Finding(
            check="joint_coverage",
            clip=poses.clip,
            frame=int(poses.frame[np.argmin(known[:, joint])]),
            joint=DANCE_14.names[joint],
            message=f"is known in {known[:, joint].sum()} of {len(known)} frames",
            value=float(share[joint]),
            limit=config.joint_coverage,
        )
        for joint in np.flatnonzero(share < config.joint_coverage)
    ]


def long_limbs(poses: ClipPoses, config: QualityConfig) -> list[Finding]:
    """Limbs longer than ``limb_length`` times the clip's own median, located at the outer joint.

    In a picture, turning a limb away only shortens it. The median is the larger of both sides'
    and at least ``limb_floor`` torso lengths: a limb that points at the camera most of the time
    has a short one.
    """
    ends = poses.keypoints
    names, edges = DANCE_14.names, DANCE_14.edges
    length = np.stack([np.linalg.norm(ends[:, a] - ends[:, b], axis=1) for a, b in edges], axis=1)
    torso = median_torso(ends)
    known = np.isfinite(length).any(axis=0)
    median = np.zeros(len(edges))
    median[known] = np.nanmedian(length[:, known], axis=0)
    usual = np.maximum(median, median[list(_OTHER_SIDE)])
    # Without a torso (NaN) only the limb's own median remains to compare with.
    ratio = length / np.fmax(usual, config.limb_floor * torso)  # (T, edges)
    found = [
        Finding(
            check="limb_length",
            clip=poses.clip,
            frame=int(poses.frame[t]),
            joint=names[edges[e][1]],
            message=f"{names[edges[e][0]]} to {names[edges[e][1]]} is {ratio[t, e]:.1f} times "
            "as long as usual in this clip",
            value=float(ratio[t, e]),
            limit=config.limb_length,
        )
        for t, e in np.argwhere(ratio > config.limb_length)
    ]
    return escalated(found, len(poses.frame), config.error_share)


def jumps(poses: ClipPoses, config: QualityConfig) -> list[Finding]:
    """Joints faster than ``joint_speed`` from one frame to the next, located where they land."""
    if len(poses.frame) < 2:
        return []
    torso = median_torso(poses.keypoints)
    step_s = np.diff(poses.time_s)[:, None]
    near = (step_s > 0) & (step_s <= config.jump_gap_s)
    moved = np.linalg.norm(np.diff(poses.keypoints, axis=0), axis=2) / torso  # (T-1, J)
    speed = np.where(near, moved / np.where(near, step_s, 1), 0.0)
    found = [
        Finding(
            check="temporal_jumps",
            clip=poses.clip,
            frame=int(poses.frame[t + 1]),
            joint=DANCE_14.names[j],
            message=f"jumps by {moved[t, j]:.1f} torso lengths, {speed[t, j]:.0f} a second",
            value=float(speed[t, j]),
            limit=config.joint_speed,
        )
        for t, j in np.argwhere((speed > config.joint_speed) & (moved > config.jump_length))
    ]
    return escalated(found, len(poses.frame), config.error_share)


def swapped_sides(
    estimate: ClipPoses, annotation: ClipPoses, config: QualityConfig
) -> list[Finding]:
    """Stretches in which estimate and annotation agree once left and right are exchanged.

    Both have the same frames. An estimator confuses the sides of a dancer who turns. When a whole
    clip is affected, an annotator or a converter has named sides as the viewer sees them, which is
    an error.
    """
    torso = median_torso(annotation.keypoints)
    own = _distance(estimate.keypoints, annotation.keypoints)[:, _SIDED] / torso
    exchanged_keypoints = estimate.keypoints[:, list(DANCE_14.mirror)]
    other = _distance(exchanged_keypoints, annotation.keypoints)[:, _SIDED] / torso
    both = np.isfinite(own) & np.isfinite(other)
    kept, exchanged = _mean(own, both), _mean(other, both)  # (T,)
    better = (exchanged < config.swap_gain * kept) & (kept > config.swap_distance)
    found = []
    for start, stop in stretches(better):
        if stop - start < config.swap_frames:
            continue
        first, last = annotation.frame[start], annotation.frame[stop - 1]
        found += [
            Finding(
                check="swapped_sides",
                clip=annotation.clip,
                frame=int(annotation.frame[t]),
                message=f"left and right seem exchanged in frames {first}-{last}: estimate to "
                f"annotation {kept[t]:.2f} torso lengths, {exchanged[t]:.2f} when exchanged",
                value=float(exchanged[t] / kept[t]),
                limit=config.swap_gain,
            )
            for t in range(start, stop)
        ]
    return escalated(found, int(both.any(axis=1).sum()), config.swap_error_share)


def far_estimates(
    estimate: ClipPoses, annotation: ClipPoses, config: QualityConfig
) -> list[Finding]:
    """Frames in which the estimate is far from the annotation, when there are too many of them.

    Single frames are errors of the estimator, which the network learns to correct. Many frames mean
    another person, another frame rate, annotations of another clip, or a poor estimator. They only
    warn, because an estimator may not decide. Both have the same frames.
    """
    distance = _distance(estimate.keypoints, annotation.keypoints)
    both = np.isfinite(distance)
    mean = _mean(distance, both) / median_torso(annotation.keypoints)
    compared = int(both.any(axis=1).sum())
    far = np.flatnonzero(mean > config.pose_distance)
    if not compared or len(far) <= config.pose_distance_share * compared:
        return []
    return [
        Finding(
            check="estimate_distance",
            clip=annotation.clip,
            frame=int(annotation.frame[t]),
            joint=DANCE_14.names[int(np.nanargmax(distance[t]))],
            message=f"the estimate is {mean[t]:.2f} torso lengths from the annotation on average, "
            f"as in {len(far)} of {compared} frames",
            value=float(mean[t]),
            limit=config.pose_distance,
        )
        for t in far
    ]


def _distance(a: Array, b: Array) -> Array:
    """Between joints, (T, J) pixels, NaN where one is missing."""
    return np.asarray(np.linalg.norm(a - b, axis=2))


def _mean(values: Array, known: NDArray[np.bool_]) -> Array:
    """Mean over the known joints, (T,); 0 where none is."""
    return np.asarray(np.where(known, values, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1))


def on_common_frames(a: ClipPoses, b: ClipPoses) -> tuple[ClipPoses, ClipPoses]:
    """Both, reduced to the frames that are in both."""
    _, first, second = np.intersect1d(a.frame, b.frame, return_indices=True)
    return _rows(a, first), _rows(b, second)


def _rows(poses: ClipPoses, rows: NDArray[np.intp]) -> ClipPoses:
    return ClipPoses(poses.clip, poses.frame[rows], poses.time_s[rows], poses.keypoints[rows])


def lasting(findings: Sequence[Finding], poses: ClipPoses, config: QualityConfig) -> list[Finding]:
    """All as warnings when they affect ``error_share`` of the frames, none otherwise."""
    concerned = len({f.frame for f in findings})
    if concerned < config.error_share * len(poses.frame):
        return []
    return [replace(f, severity="warn") for f in findings]
