"""Sums over the frames of each clip. Every value and every resample is a ratio of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.data.forecast_windows import FUTURE, ForecastWindows
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.metrics import horizon
from dance_models.metrics.pck import (
    MAX_LAG,
    THRESHOLDS,
    acceleration_errors,
    box_side,
    joint_errors,
    lag_sums,
    pck_hits,
)
from dance_models.metrics.torso import torso_by_clip, visible_annotation
from dance_models.skeleton import DANCE_14

Poses = Sequence[NDArray[np.floating]]

# (metric, threshold): the axis M of recognition totals
RECOGNITION_METRICS: Final[tuple[tuple[str, float | None], ...]] = (
    *(("pck_torso", t) for t in THRESHOLDS),
    *(("pck_bbox", t) for t in THRESHOLDS),
    ("mpjpe_torso", None),  # percent of torso, joints that were found
    ("mpjpe_px", None),
    ("accel_torso", None),  # percent of torso a frame squared
    ("found", None),  # share of annotated joints that the method gives, on the right person
)
# The axis K of prediction totals; a suffix is a speed class or a joint.
PREDICTION_METRICS: Final = (
    "mpjpe_torso",  # percent of torso
    "mae_px",
    "bone_angle",  # radians
    *(f"mpjpe_torso.{name}" for name in horizon.SPEED_CLASSES),
    *(f"mpjpe_torso.{name}" for name in DANCE_14.names),
)


@dataclass(frozen=True, eq=False)
class Totals:
    """Sums and counts of C clips; ``frames`` counts frames or windows behind each cell.

    Recognition: (C, M, J). Prediction: (C, K, 4). ``lag`` is (C, 3, 2 MAX_LAG + 1), zeros for
    prediction.
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]
    frames: NDArray[np.int64]
    lag: NDArray[np.float64]

    def plus(self, other: "Totals") -> "Totals":
        """The totals pooled with those of another seed; the number of frames stays."""
        return Totals(
            self.sums + other.sums, self.counts + other.counts, self.frames, self.lag + other.lag
        )


@dataclass(frozen=True)
class Clips:
    """The clips of some runs, sorted, with styles, takes and annotated torsos (pixels)."""

    names: tuple[str, ...]
    styles: tuple[str, ...]
    groups: tuple[str, ...]  # the take of each clip, or the clip when its take is not known
    torso: Mapping[str, float]
    derived_joints: bool = True  # whether derived joints of the annotation count

    @classmethod
    def of(cls, runs: Sequence[PoseRun], *, derived_joints: bool = True) -> "Clips":
        """Raises InputError when an augmented copy is among the runs."""
        for run in runs:
            if run.variant != 0:
                raise InputError("augmented copies are never scored", file=run.clip)
        of_clip = {run.clip: run for run in runs}
        names = tuple(sorted(of_clip))
        return cls(
            names,
            tuple(of_clip[name].style for name in names),
            tuple(of_clip[name].group for name in names),
            torso_by_clip(runs),  # of derived necks too: the unit is needed in any case
            derived_joints,
        )

    def left_out(self, run: PoseRun) -> NDArray[np.bool_]:
        """(T, J) joints of a run that do not count."""
        return run.derived & (not self.derived_joints)

    def scopes(self) -> list[tuple[str, NDArray[np.int64]]]:
        """``all`` and every style, with the clips in it; nothing when there are no clips.

        Of a style that an earlier version registered as ``all`` there is no scope of its own.
        """
        styles = np.array(self.styles)
        scopes = [("all", np.arange(len(styles)))] if len(styles) else []
        return scopes + [(s, np.flatnonzero(styles == s)) for s in sorted({*self.styles} - {"all"})]

    def takes_of(self, members: NDArray[np.int64]) -> list[str]:
        """The take of each clip in ``members``."""
        return [self.groups[i] for i in members]


def recognition_totals(runs: Sequence[PoseRun], poses: Poses, clips: Clips, name: str) -> Totals:
    """Totals of one method's keypoints; ``poses[i]`` is (T, J, 2) for ``runs[i]``."""
    if len(poses) != len(runs):
        raise InputError(f"{name} gives {len(poses)} pose arrays for {len(runs)} runs")
    shape = (len(clips.names), len(RECOGNITION_METRICS), DANCE_14.num_joints)
    sums, counts = np.zeros(shape), np.zeros(shape)
    frames = np.zeros((*shape[:2], DANCE_14.num_joints + 1), np.int64)
    lag = np.zeros((len(clips.names), 3, 2 * MAX_LAG + 1))
    for run, pose in zip(runs, poses, strict=True):
        if pose.shape != run.estimate.shape:
            raise InputError(f"{name} gives poses of shape {pose.shape}", file=run.clip)
        clip, torso = clips.names.index(run.clip), clips.torso[run.clip]
        truth = visible_annotation(run)
        errors = np.where(clips.left_out(run), np.nan, joint_errors(pose, truth))
        own = np.where(np.isfinite(errors)[..., None], pose, np.nan)  # no other person's motion
        values, counted = _recognition_cells(errors, own, truth, torso)
        sums[clip] += np.where(counted, values, 0).sum(axis=1)
        counts[clip] += counted.sum(axis=1)
        frames[clip, :, : DANCE_14.num_joints] += counted.sum(axis=1)
        frames[clip, :, DANCE_14.num_joints] += counted.any(axis=2).sum(axis=1)
        if np.isfinite(torso):
            lag[clip] += lag_sums(own / torso, truth / torso)
    return Totals(sums, counts, frames, lag)


def _recognition_cells(
    errors: NDArray[np.floating],
    pose: NDArray[np.floating],
    truth: NDArray[np.floating],
    torso: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Value of every metric, frame and joint and whether it counts, twice (M, T, J)."""
    annotated, found, known = ~np.isnan(errors), np.isfinite(errors), np.isfinite(torso)
    jerk = np.full(errors.shape, np.nan)
    if len(errors) > 2:
        jerk[1:-1] = acceleration_errors(pose, truth)
    units = (np.full(len(pose), torso), box_side(truth))
    hits = [pck_hits(errors, unit, t) for unit in units for t in THRESHOLDS]
    values = [*(hit for hit, _ in hits), 100 * errors / torso, errors, 100 * jerk / torso, found]
    counted = [counted for _, counted in hits]
    counts = [*counted, found & known, found, np.isfinite(jerk) & known, annotated]
    return np.stack([v.astype(np.float64) for v in values]), np.stack(counts)


def prediction_totals(
    windows: ForecastWindows,
    runs: Sequence[PoseRun],
    forecast: NDArray[np.floating],
    clips: Clips,
    name: str,
) -> Totals:
    """Totals of one method's forecasts (N, 10, J, 2) in pixels.

    Raises InputError when their shape is wrong or they are not finite.
    """
    if forecast.shape != (len(windows), FUTURE, DANCE_14.num_joints, 2):
        raise InputError(f"{name} forecasts {forecast.shape} for {len(windows)} windows")
    if not np.isfinite(forecast).all():
        raise InputError(f"{name} forecasts values that are not finite")
    index = {clip: i for i, clip in enumerate(clips.names)}
    clip_of_run = np.array([index[run.clip] for run in runs], np.int64)
    clip = clip_of_run[windows.run]
    torso = np.array([clips.torso[c] for c in clips.names])[clip]
    left_out = np.array([clips.left_out(run).any(axis=0) for run in runs], np.bool_)
    left_out = left_out.reshape(len(runs), DANCE_14.num_joints)[windows.run]
    values, counted = _prediction_cells(windows, forecast, torso, left_out)
    shape = (len(clips.names), len(PREDICTION_METRICS), len(horizon.HORIZON_STEPS))
    sums, counts, frames = np.zeros(shape), np.zeros(shape), np.zeros(shape, np.int64)
    for c in np.unique(clip):
        mine = clip == c
        sums[c], counts[c] = values[:, mine].sum(axis=1), counted[:, mine].sum(axis=1)
        frames[c] = (counted[:, mine] > 0).sum(axis=1)
    return Totals(sums, counts, frames, np.zeros((len(clips.names), 3, 2 * MAX_LAG + 1)))


def _prediction_cells(
    windows: ForecastWindows,
    forecast: NDArray[np.floating],
    torso: NDArray[np.float64],
    left_out: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum over joints and number of joints of every metric, window and horizon, (K, N, 4).

    ``left_out`` (N, J) are joints that do not count.
    """
    there, truth = horizon.at_horizons(forecast), horizon.at_horizons(windows.future)
    truth = np.where(left_out[:, None, :, None], np.nan, truth)
    percent = 100 * horizon.joint_distance(there, truth) / torso[:, None, None]
    angle = horizon.bone_angle_error(there, truth)
    speed = horizon.speed_class(horizon.mean_speed(windows.future, torso))
    mean_error = _masked_sum(percent)
    cells = [mean_error, _masked_sum(horizon.coordinate_error(there, truth))]
    cells.append(_masked_sum(angle[..., None]))
    for i in range(len(horizon.SPEED_CLASSES)):
        mine = (speed == i)[:, None]
        cells.append((np.where(mine, mean_error[0], 0), np.where(mine, mean_error[1], 0)))
    cells += [_masked_sum(percent[..., j : j + 1]) for j in range(DANCE_14.num_joints)]
    return np.stack([c[0] for c in cells]), np.stack([c[1] for c in cells])


def _masked_sum(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and number of the finite values over the last axis."""
    known = np.isfinite(values)
    return np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1).astype(np.float64)
