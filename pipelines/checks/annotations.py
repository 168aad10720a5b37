"""Checks on the annotated and on the estimated poses of one clip."""

from typing import TYPE_CHECKING

import numpy as np

from dance_models.config import QualityConfig
from dance_models.tables import read_table
from pipelines.checks.asset_checks import AssetChecks, Check
from pipelines.checks.pictures import drawing
from pipelines.storage.store import Store
from pipelines.storage.tracks import track_notes

if TYPE_CHECKING:
    from dance_models.quality.findings import Finding
    from dance_models.quality.poses import ClipPoses


def _poses(store: Store, asset: str, clip: str) -> "ClipPoses":
    """The poses of one table, with times from the probe. Null keypoints become NaN."""
    from dance_models.data.assemble import dense
    from dance_models.quality.poses import ClipPoses
    from dance_models.skeleton import DANCE_14

    # Of these columns alone: a table has a hundred other numbers a frame, the probe its pictures.
    table = read_table(store.made(asset, clip), ["frame", "keypoints"]).sort("frame")
    frame = table["frame"].to_numpy()
    (times,) = store.read_columns("clip_probe", clip, ["time_s"])["time_s"]
    time_s = times[frame] if times is not None and len(frame) else np.zeros(0)
    return ClipPoses(
        clip, frame, time_s, dense(table["keypoints"], (DANCE_14.num_joints, 2), np.nan)
    )


def _annotations(store: Store, config: QualityConfig, clip: str | None) -> "list[Finding]":
    from dance_models.quality import poses

    of = _poses(store, "pose_annotations", clip or "")
    return [
        *poses.missing_joints(of, config),
        *poses.long_limbs(of, config),
        *poses.jumps(of, config),
    ]


def _tracks(store: Store, config: QualityConfig, clip: str | None) -> "list[Finding]":
    """Only lasting faults, as warnings: correcting an estimator's errors is the networks' task."""
    from dance_models.quality import poses

    of = _poses(store, "pose_tracks", clip or "")
    return [
        *poses.missing_joints(of, config),
        *poses.lasting(poses.long_limbs(of, config), of, config),
        *poses.lasting(poses.jumps(of, config), of, config),
        *_track_files(store, clip or ""),
    ]


def _track_files(store: Store, clip: str) -> "list[Finding]":
    """What the estimator said about the files that it read."""
    from dance_models.quality.findings import Finding

    notes = track_notes(store, clip)
    if notes is None:
        return []
    return [Finding("track_files", clip, notes[1], value=notes[0], limit=0)]


ANNOTATION_CHECKS = AssetChecks(
    "pose_annotations",
    (
        Check("joint_coverage", "Every joint is annotated in half of the annotated frames: warns."),
        Check(
            "limb_length",
            "No limb is longer than twice its median in the clip: warns, stops the clip at a fifth "
            "of its frames.",
            blocking=True,
        ),
        Check(
            "temporal_jumps",
            "No joint moves faster than 30 torso lengths a second: warns, stops the clip at a "
            "fifth of its frames.",
            blocking=True,
        ),
    ),
    _annotations,
    drawing("pose_annotations"),
    partitioned=True,
)
TRACK_CHECKS = AssetChecks(
    "pose_tracks",
    (
        Check("joint_coverage", "Every joint is found in half of the frames: warns."),
        Check("limb_length", "Estimated limbs keep their length in most frames: warns."),
        Check("temporal_jumps", "The estimate does not jump in a fifth of the frames: warns."),
        Check("track_files", "The files of --tracks were read without a loss or a doubt: warns."),
    ),
    _tracks,
    drawing("pose_tracks"),
    partitioned=True,
)


def pair_findings(store: Store, config: QualityConfig, clip: str) -> "list[Finding]":
    """Where estimate and annotation of a clip show different poses."""
    from dance_models.quality import poses

    annotation, estimate = (
        _poses(store, asset, clip) for asset in ("pose_annotations", "pose_tracks")
    )
    annotation, estimate = poses.on_common_frames(annotation, estimate)
    return [
        *poses.swapped_sides(estimate, annotation, config),
        *poses.far_estimates(estimate, annotation, config),
    ]
