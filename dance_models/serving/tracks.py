"""Tracks of poses that somebody sends, in pixels: checked, refined, forecast."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch import nn

from dance_models.analysis.video import (
    GAP_S,
    Networks,
    forecasts_of,
    refined_stretch,
    seen_stretches,
    with_sides_restored,
)
from dance_models.config import JointDefinition, ServingConfig
from dance_models.data.forecast_windows import (
    FUTURE,
    GRID_S,
    OBSERVED,
    fill_missing,
    resample,
)
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.evidence import no_evidence
from dance_models.inference.forecast import forecast
from dance_models.inference.refine import slice_run
from dance_models.metrics.horizon import FORECAST_HZ
from dance_models.nets.build import Refiner
from dance_models.skeleton import DANCE_14

AHEAD_MS: Final = tuple(round(1000 * (k + 1) / FORECAST_HZ) for k in range(FUTURE))
# What one forecast is made from, at most: its cost does not grow with the track.
REMEMBERED_S: Final = 4.0
_LATEST_S: Final = 1e9  # of a time stamp, so that microseconds are still told apart
_TOLERANCE_S: Final = 1e-6
_NAME: Final = "the track"


@dataclass(frozen=True, eq=False)
class Forecast:
    """Poses (10, J, 2) in pixels, 40 to 400 ms after ``time_s``, the frame ``frame``."""

    frame: int
    time_s: float
    poses: NDArray[np.float32]


# --- what comes in ----------------------------------------------------------------------------


def track_of(
    keypoints: Any,
    *,
    score: Any = None,
    time_s: Any = None,
    fps: float | None = None,
    limits: ServingConfig | None = None,
) -> PoseRun:
    """A track as a run: T frames of the 14 joints of ``DANCE_14``, in their order.

    ``keypoints`` are nested sequences or an array, (T, 14, 2) pixels, or (T, 14, 3) with a score in
    0..1 as the third; None or NaN where a joint is missing. ``score`` (T, 14) is 1 by default.
    Either ``time_s`` (T,), which grows, or ``fps`` says when. Raises InputError for anything else.
    """
    limits = limits or ServingConfig()
    points = _numbers(keypoints, "keypoints")
    joints = DANCE_14.num_joints
    if points.ndim != 3 or points.shape[1] != joints or points.shape[2] not in {2, 3}:
        raise InputError(
            f"keypoints have the shape {list(points.shape)}",
            hint=f"They are [frames][{joints} joints][x, y] or [x, y, score]: "
            f"{', '.join(DANCE_14.names)}",
        )
    count = len(points)
    if not 2 <= count <= limits.most_frames:
        raise InputError(
            f"the track has {count} frames",
            hint=f"It may have 2 to {limits.most_frames}; send a longer one in parts",
        )
    if points.shape[2] == 3 and score is None:
        score = points[..., 2]
    estimate = _checked_points(points[..., :2], limits)
    known = np.asarray(np.isfinite(estimate).all(axis=-1))
    if not known.any():
        raise InputError("no frame of the track has a joint")
    width, height = (int(side) + 1 for side in np.nanmax(np.maximum(estimate, 0), axis=(0, 1)))
    return PoseRun(
        clip=_NAME, style="", performer="", group=_NAME, split="", fold=0, run=0, variant=0,
        width=width, height=height,
        frame=np.arange(count),
        time_s=_checked_times(time_s, fps, count),
        estimate=estimate,
        score=_checked_scores(score, known),
        landmarks=np.full((count, 0, 3), np.nan, np.float32),
        evidence=no_evidence(count),
        annotation=np.full_like(estimate, np.nan),
        visibility=np.zeros((count, joints), np.uint8),
    )  # fmt: skip


def _numbers(values: Any, name: str) -> NDArray[np.float64]:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name} are not numbers in rows of one length", hint="Write null where one is missing"
        ) from error


def _checked_points(points: NDArray[np.float64], limits: ServingConfig) -> NDArray[np.float32]:
    """Points with both coordinates or none. Raises InputError for what is no pixel."""
    wrong = np.isinf(points) | (np.abs(points) > limits.largest_px)
    if wrong.any():
        frame, joint, _ = (int(where[0]) for where in np.nonzero(wrong))
        raise InputError(
            f"a coordinate is beyond {limits.largest_px:g} pixels",
            frame=frame,
            joint=DANCE_14.names[joint],
        )
    whole = np.isfinite(points).all(axis=-1, keepdims=True)
    return np.where(whole, points, np.nan).astype(np.float32)


def _checked_scores(score: Any, known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(T, J) in 0..1; 0 where a joint or its score is missing, 1 where no score is given."""
    if score is None:
        return known.astype(np.float32)
    given = np.nan_to_num(_numbers(score, "scores"), posinf=np.inf, neginf=-np.inf)
    if given.shape != known.shape:
        raise InputError(
            f"scores have the shape {list(given.shape)}",
            hint=f"One for each joint of each frame: {list(known.shape)}",
        )
    if (given < 0).any() or (given > 1).any():
        frame, joint = (int(where[0]) for where in np.nonzero((given < 0) | (given > 1)))
        raise InputError("a score is not between 0 and 1", frame=frame, joint=DANCE_14.names[joint])
    return np.where(known, given, 0).astype(np.float32)


def _checked_times(time_s: Any, fps: float | None, count: int) -> NDArray[np.float64]:
    """(T,) seconds, as they were given, or from 0 on."""
    if (time_s is None) == (fps is None):
        raise InputError("when the frames were is not known", hint="Give either fps or time_s")
    if fps is not None:
        if not (np.isfinite(fps) and 1 / GAP_S < fps <= 1000):
            raise InputError(f"fps is {fps:g}", hint=f"It is above {1 / GAP_S:g}, at most 1000")
        return np.asarray(np.arange(count) / fps)
    times = _numbers(time_s, "time_s")
    if times.shape != (count,):
        raise InputError(f"time_s has the shape {list(times.shape)}", hint=f"One a frame: {count}")
    if not (np.isfinite(times).all() and (np.abs(times) <= _LATEST_S).all()):
        raise InputError("a time is missing or not a number of seconds")
    steps = np.diff(times)
    if (steps <= _TOLERANCE_S).any():
        frame = int(np.argmax(steps <= _TOLERANCE_S)) + 1
        raise InputError("its time is not after that of the frame before", frame=frame)
    return times


def _stretches(run: PoseRun) -> Sequence[tuple[int, int]]:
    found = seen_stretches(run)
    if not found:
        raise InputError(
            f"no two frames with a joint are within {GAP_S:g} s of each other",
            hint="time_s is in seconds",
        )
    return found


# --- what goes out ----------------------------------------------------------------------------


def refine_track(
    refiner: Refiner, run: PoseRun, joints: JointDefinition = "estimator"
) -> NDArray[np.float32]:
    """Refined poses (T, J, 2) in pixels of a run of :func:`track_of`.

    NaN in frames that lie in no stretch: before the first pose, after the last, and in gaps of more
    than half a second; also a joint in its own such gaps. Raises InputError when there is no
    stretch of two frames.
    """
    refined = np.full_like(run.estimate, np.nan)
    for start, stop in _stretches(run):
        piece, _ = with_sides_restored(slice_run(run, start, stop), refiner)
        refined[start:stop] = refined_stretch(refiner, piece, joints)
    return refined


def forecast_track(
    networks: Networks, run: PoseRun, joints: JointDefinition = "estimator", *, every: bool = False
) -> list[Forecast]:
    """Forecasts from a run of :func:`track_of`, refined causally by ``networks.observer``.

    After the last frame with a joint, from the four seconds before it; with ``every``, after each
    tenth of a second of the whole run. A joint that was missing for the half second before is NaN.
    Raises InputError when no second was seen without a gap.
    """
    stretches = _stretches(run)
    found: list[Forecast] = []
    for start, stop in stretches if every else stretches[-1:]:
        first, anchor = start, None
        if not every:
            newest = run.time_s[stop - 1]
            first = max(start, int(np.searchsorted(run.time_s, newest - REMEMBERED_S)))
            if newest - run.time_s[first] < -GRID_S[0] - _TOLERANCE_S:
                break
            anchor = np.array([stop - 1 - first])
        at, _, poses = forecasts_of(slice_run(run, first, stop), networks, joints, anchor)
        found += [
            Forecast(int(frame) + first, float(run.time_s[frame + first]), pose)
            for frame, pose in zip(at, poses, strict=True)
        ]
    if not found:
        raise InputError(
            f"a forecast needs {-GRID_S[0]:g} s of the dancer without a gap",
            hint="Send more frames before the last one",
        )
    return found


def forecast_given(forecaster: nn.Module, run: PoseRun) -> Forecast:
    """The forecast after the last frame with a joint, from the poses as they are given.

    Raises InputError when the second before it was not seen.
    """
    start, stop = _stretches(run)[-1]
    grid = run.time_s[stop - 1] + GRID_S[:OBSERVED]
    observed = resample(run.time_s[start:stop], run.estimate[start:stop], grid)
    filled = fill_missing(observed[None])
    if grid[0] < run.time_s[start] - _TOLERANCE_S or not np.isfinite(filled).all():
        raise InputError(
            f"a forecast needs {-GRID_S[0]:g} s of the dancer without a gap, and every joint in it",
            hint="Send more frames before the last one",
        )
    (poses,) = forecast(forecaster, filled)
    return Forecast(stop - 1, float(run.time_s[stop - 1]), poses)
