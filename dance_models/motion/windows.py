"""Short windows of motion, centred and scaled so that they compare across recordings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dance_models.data.forecast_windows import resample
from dance_models.data.pose_runs import PoseRun
from dance_models.geometry import pelvis
from dance_models.metrics.torso import torso_length
from dance_models.skeleton import DANCE_14, Skeleton


@dataclass(frozen=True, eq=False)
class MotionWindows:
    """N windows of F poses about the pelvis, in torso lengths; 0 where a joint is unknown."""

    pose: NDArray[np.float32]  # (N, F, J, D)
    known: NDArray[np.bool_]  # (N, F, J)
    run: NDArray[np.int64]  # (N,) index of the run the window was cut from
    start_s: NDArray[np.float64]  # (N,) time of its first pose
    skeleton: Skeleton = DANCE_14

    def __len__(self) -> int:
        return len(self.pose)

    def mirrored(self) -> "MotionWindows":
        """The mirrored windows, with left and right exchanged."""
        mirror = self.skeleton.mirror
        flipped = self.pose[:, :, mirror] * np.array(self.skeleton.reflection, np.float32)
        known = self.known[:, :, mirror]
        return MotionWindows(flipped, known, self.run, self.start_s, self.skeleton)


def truest_poses(run: PoseRun) -> NDArray[np.float32]:
    """(T, J, D) the annotation where most frames have one, else the estimate; NaN if missing."""
    if run.annotated.mean() > 0.5:
        return np.where(run.visibility[..., None] > 0, run.annotation, np.nan).astype(np.float32)
    return run.estimate


def motion_windows(
    runs: Sequence[PoseRun],
    *,
    frames: int,
    hz: float,
    stride: int,
    least_motion: float,
    skeleton: Skeleton = DANCE_14,
) -> MotionWindows:
    """Windows of ``frames`` poses at ``hz``, one from every ``stride``-th frame of each run.

    Each pose is centred on its pelvis, and the window is scaled by its median torso length.
    Left out are windows with a pose without pelvis or with more than half of its joints unknown,
    and those that hardly move (see :func:`_motion`): all dancers who stand still look alike.
    ``least_motion`` is in torso lengths a joint over the window.
    """
    parts = [
        _windows(run, i, frames, hz, stride, least_motion, skeleton) for i, run in enumerate(runs)
    ]
    empty = _no_poses(frames, skeleton)
    nothing = MotionWindows(empty, empty[..., 0] > 0, np.zeros(0, np.int64), np.zeros(0))
    parts.append(nothing)
    return MotionWindows(
        np.concatenate([p.pose for p in parts]),
        np.concatenate([p.known for p in parts]),
        np.concatenate([p.run for p in parts]),
        np.concatenate([p.start_s for p in parts]),
        skeleton,
    )


def _windows(
    run: PoseRun,
    index: int,
    frames: int,
    hz: float,
    stride: int,
    least_motion: float,
    skeleton: Skeleton,
) -> MotionWindows:
    start = run.time_s[::stride] if len(run) > 1 else np.zeros(0)
    grid = start[:, None] + np.arange(frames) / hz
    inside = grid[:, -1] <= run.time_s[-1] if len(run) else np.zeros(0, np.bool_)
    start, grid = start[inside], grid[inside]
    if len(start):
        poses = resample(run.time_s, truest_poses(run), grid)
    else:
        poses = _no_poses(frames, skeleton)
    centred = poses - pelvis(poses, skeleton=skeleton)[:, :, None]
    torso = np.median(torso_length(poses, skeleton=skeleton), axis=1)  # NaN where any is
    scaled = centred / np.where(torso >= 1, torso, np.nan)[:, None, None, None]
    known = np.asarray(np.isfinite(scaled).all(axis=-1))
    pose = np.where(known[..., None], scaled, 0).astype(np.float32)
    keep = (known.mean(axis=2) >= 0.5).all(axis=1) & (_motion(scaled) >= least_motion)
    return MotionWindows(pose[keep], known[keep], np.full(keep.sum(), index), start[keep])


def _no_poses(frames: int, skeleton: Skeleton) -> NDArray[np.float32]:
    return np.zeros((0, frames, skeleton.num_joints, skeleton.dimensions), np.float32)


def _motion(scaled: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) spread of the joints about their mean place in the window, root mean square."""
    known = np.isfinite(scaled)
    values = np.where(known, scaled, 0)
    mean = values.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    squares = np.where(known, (values - mean[:, None]) ** 2, 0).sum(axis=(1, 2, 3))
    joints = np.maximum(known[..., 0].sum(axis=(1, 2)), 1)
    return np.asarray(np.sqrt(squares / joints), np.float64)
