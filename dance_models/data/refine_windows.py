"""Recognition windows: real frames of one run, in torso lengths about the dancer.

Features are computed on whole runs; windows are index arrays into them. The scale is the median
torso length of the run's **estimate**, never of the annotation. A frame in which no person was
detected holds the last detected pose, with confidence 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.config import RefinerConfig
from dance_models.data.forecast_windows import fill_missing
from dance_models.data.kinematics import keypoint_kinematics
from dance_models.data.pose_runs import PoseRun, check_skeleton
from dance_models.errors import InputError
from dance_models.geometry import pelvis, person_box
from dance_models.metrics.torso import torso_length, torso_scale
from dance_models.skeleton import DANCE_14, Skeleton

FloatArray = NDArray[np.float32]

# A standing person is about this many torso lengths (neck to mid-hip) tall.
TORSOS_TALL: Final = 3.3


@dataclass(frozen=True, eq=False)
class RefineFrames:
    """Frames of several runs laid end to end, N in all; torso lengths, image axes, not centred."""

    pose: FloatArray  # (N, J, D) gaps filled
    flow: FloatArray  # (N, J, D)
    velocity: FloatArray  # (N, J, D), 0 where unknown
    acceleration: FloatArray  # (N, J, D), 0 where unknown
    confidence: FloatArray  # (N, J), 0 where missing
    landmarks: FloatArray  # (N, L, D + 1) coordinates, visibility
    target: FloatArray  # (N, J, D) annotation, 0 where absent
    visible: FloatArray  # (N, J) 1 where annotated, else 0
    observed: FloatArray  # (N,) 1 where the estimator found any joint, else 0
    centre: FloatArray  # (N, D) pelvis of the frame
    scale: FloatArray  # (N,) pixels a torso length
    start: NDArray[np.int64]  # (R + 1,) where each run starts
    skeleton: Skeleton = DANCE_14

    def __len__(self) -> int:
        return len(self.pose)


def _known_centre(pose: FloatArray, skeleton: Skeleton) -> FloatArray:
    """(T, J, D) -> (T, D): pelvis, else the mean of what is known, else the frame before."""
    known = np.asarray(np.isfinite(pose).all(axis=-1))
    count = known.sum(axis=1)[:, None]
    mean = np.where(known[..., None], pose, 0).sum(axis=1) / np.maximum(count, 1)
    centre = pelvis(pose, skeleton=skeleton)
    centre = np.where(np.isfinite(centre), centre, np.where(count > 0, mean, np.nan))
    filled = fill_missing(centre[:, None])[:, 0]
    return np.asarray(np.nan_to_num(filled), np.float32)


def observed_scale(estimate: NDArray[np.floating], *, skeleton: Skeleton = DANCE_14) -> float:
    """Pixels a torso length of one run (T, J, D), from the estimate.

    The median torso. When the estimator never shows neck and hips at once, the longest side of the
    person's box over ``TORSOS_TALL``.
    """
    torso_known = np.isfinite(torso_length(estimate, skeleton=skeleton)).any()
    if torso_known or not np.isfinite(estimate).any():
        return torso_scale(estimate, skeleton=skeleton)
    low, high = np.split(person_box(estimate), 2, axis=-1)
    side = (high - low).max(axis=-1)
    return max(float(np.nanmedian(side)) / TORSOS_TALL, 1.0)


def _sampled(run: PoseRun, interval: int) -> NDArray[np.bool_]:
    """(T,) which frames are observed: every ``interval``-th."""
    return np.asarray(np.arange(len(run)) % interval == 0)


def _landmarks(
    run: PoseRun, count: int, scale: float, centre: FloatArray, sampled: NDArray[np.bool_]
) -> FloatArray:
    """(T, count, D + 1) scaled; a missing landmark lies on the centre, with visibility 0."""
    absent = np.concatenate([centre, np.zeros((len(run), 1))], axis=-1)[:, None]
    if run.landmarks.shape[1] != count:  # the estimator does not report them
        return np.repeat(absent, count, axis=1).astype(np.float32)
    scaled = run.landmarks / np.array([*[scale] * centre.shape[-1], 1])
    known = np.isfinite(scaled).all(axis=-1, keepdims=True) & sampled[:, None, None]
    return np.where(known, scaled, absent).astype(np.float32)


def _features(
    run: PoseRun, config: RefinerConfig, skeleton: Skeleton
) -> dict[str, NDArray[np.generic]]:
    sampled = _sampled(run, config.sample_interval)
    scale = observed_scale(run.estimate[sampled], skeleton=skeleton)
    seen = run.estimate.astype(np.float64) / scale
    seen[~sampled] = np.nan
    of_sampled = keypoint_kinematics(
        seen[sampled], run.time_s[sampled], causal=config.causal, of_flow=config.kinematics_of_flow
    )
    held = np.cumsum(sampled) - 1  # the last observed frame, counted in observed ones
    filled = fill_missing(seen)
    centre = _known_centre(filled.astype(np.float32), skeleton)
    pose = np.where(np.isfinite(filled), filled, centre[:, None])
    annotated = run.visibility > 0
    return {
        "pose": pose,
        "flow": np.where(np.isfinite(of_sampled.flow), of_sampled.flow, pose[sampled])[held],
        "velocity": np.nan_to_num(of_sampled.velocity)[held],
        "acceleration": np.nan_to_num(of_sampled.acceleration)[held],
        "confidence": np.where(np.isfinite(seen).all(axis=-1), run.score, 0),
        "landmarks": _landmarks(run, config.landmarks, scale, centre, sampled),
        "target": np.where(annotated[..., None], run.annotation / scale, 0),
        "visible": annotated,
        "observed": np.isfinite(seen).any(axis=(1, 2)),
        "centre": centre,
        "scale": np.full(len(run), scale),
    }


def refine_frames(
    runs: Sequence[PoseRun], config: RefinerConfig, skeleton: Skeleton = DANCE_14
) -> RefineFrames:
    """Features of all runs.

    Raises InputError on no runs, on runs of another skeleton, and on a number of landmarks that
    the skeleton does not know how to mirror.
    """
    if not runs:
        raise InputError("there are no pose runs to refine")
    check_skeleton(runs, skeleton)
    if config.landmarks not in {0, skeleton.num_landmarks}:  # others could not be mirrored
        raise InputError(
            f"{config.landmarks} landmarks are not known",
            hint=f"Use 0, or {skeleton.num_landmarks} (BlazePose)",
        )
    parts = [_features(run, config, skeleton) for run in runs]
    arrays = {k: np.concatenate([p[k] for p in parts]).astype(np.float32) for k in parts[0]}
    start = np.concatenate([[0], np.cumsum([len(run) for run in runs])]).astype(np.int64)
    return RefineFrames(**arrays, start=start, skeleton=skeleton)


def reference_frame(config: RefinerConfig) -> int:
    """The frame of a window that it is centred on: the current one."""
    return config.window - 1 if config.causal else config.window // 2


def window_indices(frames: RefineFrames, window: int, stride: int = 1) -> NDArray[np.int64]:
    """(W, window) frame indices of every ``stride``-th window, each inside one run.

    The last window of a run is always there, so that every frame is covered when the stride is at
    most the window. A run shorter than the window gives one window that repeats its last frame.
    """
    windows = []
    for first, stop in zip(frames.start, frames.start[1:], strict=False):
        last = max(first, stop - window)
        starts = np.append(np.arange(first, last, stride), last)
        windows.append(np.minimum(starts[:, None] + np.arange(window), stop - 1))
    return np.concatenate(windows)


def annotated_windows(frames: RefineFrames, config: RefinerConfig) -> NDArray[np.int64]:
    """The windows that training can learn from.

    Those whose reference frame has an annotated joint and in which the estimator found any joint.
    Frames without annotation do not count in the loss, so annotators may skip some.
    """
    indices = window_indices(frames, config.window)
    annotated = frames.visible[indices[:, reference_frame(config)]].any(axis=-1)
    return indices[annotated & frames.observed[indices].any(axis=-1)]
