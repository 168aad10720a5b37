"""From a video to estimated poses, refined poses and forecasts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from torch import nn

from dance_models.config import JointDefinition
from dance_models.data.exchanged_sides import Span, undo_exchanges
from dance_models.data.forecast_windows import (
    FUTURE,
    OBSERVED,
    ForecastWindows,
    resample,
)
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.estimators.protocol import PoseEstimate, PoseEstimator, stacked
from dance_models.inference.forecast import forecast
from dance_models.inference.refine import refine_observed, refine_runs, slice_run
from dance_models.metrics.horizon import FORECAST_HZ, HORIZONS_MS, at_horizons, joint_distance
from dance_models.metrics.torso import median_torso
from dance_models.nets.build import Refiner
from dance_models.skeleton import DANCE_14
from dance_models.video.decode import pyav_frames, upright
from dance_models.video.probe import ClipProbe, probe_clip

GAP_S: Final = 0.5  # after a longer gap in detection, poses are not joined with those before
FORECAST_STRIDE: Final = 5  # frames between forecasts


@dataclass(frozen=True, eq=False)
class VideoPoses:
    """The poses in a video of T frames. Pixels as displayed; NaN where no person was detected."""

    run: PoseRun  # every frame, with the estimate and its scores
    refined: NDArray[np.float32]  # (T, J, 2)
    anchor: NDArray[np.int64]  # (N,) the last observed frame of each forecast
    forecast: NDArray[np.float32]  # (N, 10, J, 2), every 40 ms after it
    probe: ClipProbe
    exchanged: tuple[Span, ...] = ()  # where left and right were exchanged back before refining


def poses_of_video(
    path: Path,
    estimator: PoseEstimator,
    refiner: Refiner,
    forecaster: nn.Module,
    progress: Callable[[int, int], None] | None = None,
    joints: JointDefinition = "estimator",
) -> VideoPoses:
    """Estimate every frame, refine, and forecast from every fifth frame.

    ``joints``: refined poses have the joints as the estimator defines them, so that the network
    moves what is wrong alone, or as the annotators of its training clips do.

    ``progress`` is called with the frames done and the total. Raises VideoError for a file that is
    not a readable video, InputError when no person is detected in it.
    """
    probe = probe_clip(path)
    estimator.start_run()
    found: list[PoseEstimate | None] = []
    for frame, image in video_frames(path, probe):
        found.append(estimator.estimate(image, frame))
        if progress is not None:
            progress(len(found), probe.decoded_frames)
    run = _as_run(path.stem, probe, found)
    if not np.isfinite(run.estimate).any():
        raise InputError(
            "no person was detected in this video",
            file=path,
            hint="The whole dancer must be visible",
        )
    stretches = seen_stretches(run)
    pieces = [slice_run(run, start, stop) for start, stop in stretches]
    refined = np.full_like(run.estimate, np.nan)
    sides, exchanged = _with_sides_restored(pieces, refiner)
    every = refine_runs(refiner, sides, joints=joints, restored=True)
    for (start, stop), poses in zip(stretches, every, strict=True):
        refined[start:stop] = poses
    windows = _windows(pieces)
    observed = refine_observed(refiner, pieces, windows, joints=joints)
    forecasts = forecast(forecaster, observed)
    first = np.array([start for start, _ in stretches], np.int64)
    anchor = windows.anchor + first[windows.run]
    return VideoPoses(run, refined, anchor, forecasts, probe, exchanged)


def _with_sides_restored(
    pieces: list[PoseRun], refiner: Refiner
) -> tuple[list[PoseRun], tuple[Span, ...]]:
    """The pieces as the network refines them, and the exchanged spans in frames of the video."""
    if not refiner.config.undo_exchanges:
        return pieces, ()
    restored, spans = [], []
    for piece in pieces:
        run, exchanges = undo_exchanges(piece, causal=refiner.config.causal)
        restored.append(run)
        first = int(piece.frame[0])
        spans += [Span(s.part, first + s.start, first + s.stop) for s in exchanges.spans()]
    return restored, tuple(spans)


def video_frames(path: Path, probe: ClipProbe) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Every frame (H, W, 3) as displayed."""
    for frame, image in pyav_frames(path, range(probe.decoded_frames)):
        yield frame, upright(image, probe)


def seen_stretches(run: PoseRun) -> list[tuple[int, int]]:
    """(start, stop) of stretches without a gap of more than half a second between poses."""
    seen = np.flatnonzero(np.isfinite(run.estimate).all(axis=-1).any(axis=-1))
    breaks = np.flatnonzero(np.diff(run.time_s[seen]) > GAP_S) + 1
    return [(int(part[0]), int(part[-1]) + 1) for part in np.split(seen, breaks) if len(part) > 1]


def forecast_errors(poses: VideoPoses) -> dict[str, dict[int, float]]:
    """Mean error at each horizon (ms) of the forecasts and of zero velocity, % of torso.

    The truth is the refined poses at that time. This check needs no annotation: it shows how well
    the motion of this dancer is forecast, and not whether the refined poses are right.
    """
    torso = median_torso(poses.refined)
    after = poses.run.time_s[poses.anchor][:, None] + np.array(HORIZONS_MS) / 1000
    truth = resample(poses.run.time_s, poses.refined, after)  # (N, 4, J, 2)
    rows = {
        "forecast": at_horizons(poses.forecast),
        "zero_velocity": poses.refined[poses.anchor][:, None],
    }
    errors = {}
    for name, row in rows.items():
        distance = joint_distance(row, truth, np.float32)  # (N, 4, J)
        known = np.isfinite(distance)
        mean = np.where(known, distance, 0).sum(axis=(0, 2)) / np.maximum(known.sum(axis=(0, 2)), 1)
        errors[name] = {
            ms: float(100 * value / torso)
            for ms, value, count in zip(HORIZONS_MS, mean, known.sum(axis=(0, 2)), strict=True)
            if count
        }
    return errors


def _windows(pieces: list[PoseRun]) -> ForecastWindows:
    """Windows at frames before which a whole second was observed; no future is needed."""
    anchors = []
    for piece in pieces:
        position = np.arange(0, len(piece), FORECAST_STRIDE)
        observed_s = (OBSERVED - 1) / FORECAST_HZ
        anchors.append(position[piece.time_s[position] - piece.time_s[0] >= observed_s - 1e-6])
    count = sum(len(anchor) for anchor in anchors)
    return ForecastWindows(
        np.zeros((count, OBSERVED, DANCE_14.num_joints, 2), np.float32),
        np.zeros((count, FUTURE, DANCE_14.num_joints, 2), np.float32),
        np.repeat(np.arange(len(pieces)), [len(anchor) for anchor in anchors]),
        np.concatenate([*anchors, np.zeros(0, np.int64)]),
    )


def _as_run(clip: str, probe: ClipProbe, found: list[PoseEstimate | None]) -> PoseRun:
    count, seen = len(found), stacked(found)
    return PoseRun(
        clip=clip,
        style="",
        performer="",
        group=clip,
        split="",
        fold=0,
        run=0,
        variant=0,
        width=probe.width,
        height=probe.height,
        frame=np.arange(count),
        time_s=probe.time_s[:count],
        estimate=seen.keypoints,
        score=seen.score,
        landmarks=seen.landmarks,
        evidence=seen.evidence,
        annotation=np.full_like(seen.keypoints, np.nan),
        visibility=np.zeros((count, DANCE_14.num_joints), np.uint8),
    )
