"""Recognition windows: real frames of one run, in torso lengths about the dancer.

Features are computed on whole runs; windows are index arrays into them. The scale is the median
torso length of the run's **estimate**, never of the annotation. A frame in which no person was
detected holds the last detected pose, with confidence 0. For a causal network everything of a
frame follows from that frame and those before it: its scale is the median torso so far.
"""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dance_models.config import RefinerConfig
from dance_models.data.forecast_windows import fill_missing
from dance_models.data.kinematics import keypoint_kinematics
from dance_models.data.pose_runs import PoseRun, check_skeleton
from dance_models.errors import InputError
from dance_models.evidence import joint_evidence
from dance_models.geometry import pelvis
from dance_models.metrics.torso import (
    LEAST_SCALE,
    TORSOS_TALL,
    longest_side,
    torso_length,
    torso_scale,
)
from dance_models.skeleton import DANCE_14, Skeleton

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class RefineFrames:
    """Frames of several runs laid end to end, N in all; image axes, not centred.

    In torso lengths of the frame's own ``scale``, which is the same in a whole run unless the
    network is causal.
    """

    pose: FloatArray  # (N, J, D) gaps filled
    flow: FloatArray  # (N, J, D)
    velocity: FloatArray  # (N, J, D), 0 where unknown
    acceleration: FloatArray  # (N, J, D), 0 where unknown
    confidence: FloatArray  # (N, J), 0 where missing
    landmarks: FloatArray  # (N, L, D + 1) coordinates, visibility
    evidence: FloatArray  # (N, J, F) what dance_models.evidence.JOINT_EVIDENCE names, or (N, J, 0)
    target: FloatArray  # (N, J, D) annotation, 0 where absent
    visible: FloatArray  # (N, J) 1 where annotated, else 0
    observed: FloatArray  # (N,) 1 where the estimator found any joint, else 0
    centre: FloatArray  # (N, D) pelvis of the frame
    scale: FloatArray  # (N,) pixels a torso length
    start: NDArray[np.int64]  # (R + 1,) where each run starts
    skeleton: Skeleton = DANCE_14

    def __len__(self) -> int:
        return len(self.pose)


def _known_centre(
    pose: NDArray[np.floating], run: PoseRun, config: RefinerConfig, skeleton: Skeleton
) -> NDArray[np.float64]:
    """(T, J, D) -> (T, D): pelvis, else the mean of what is known, else the frame before.

    Before anything is known: as in the first frame where it is, or for a causal network the middle
    of the image.
    """
    known = np.asarray(np.isfinite(pose).all(axis=-1))
    count = known.sum(axis=1)[:, None]
    mean = np.where(known[..., None], pose, 0).sum(axis=1) / np.maximum(count, 1)
    centre = pelvis(pose, skeleton=skeleton)
    centre = np.where(np.isfinite(centre), centre, np.where(count > 0, mean, np.nan))
    filled = fill_missing(centre[:, None], causal=config.causal)[:, 0]
    start = np.zeros(skeleton.dimensions)
    if config.causal:
        start[:2] = (run.width - 1) / 2, (run.height - 1) / 2
    return np.asarray(np.where(np.isfinite(filled), filled, start))


def running_scale(
    estimate: NDArray[np.floating], *, skeleton: Skeleton = DANCE_14
) -> NDArray[np.float64]:
    """:func:`torso_scale` of the frames up to each, (T, J, D) -> (T,): without the future."""
    torso = _running_median(torso_length(estimate, skeleton=skeleton))
    tall = _running_median(longest_side(estimate)) / TORSOS_TALL
    return np.asarray(np.fmax(np.where(torso > 0, torso, tall), LEAST_SCALE))


def frame_scales(
    estimate: NDArray[np.floating], *, causal: bool, skeleton: Skeleton = DANCE_14
) -> NDArray[np.float64]:
    """Pixels a torso length of each frame, (T, J, D) -> (T,): of the whole run, or of it so far."""
    if causal:
        return running_scale(estimate, skeleton=skeleton)
    return np.full(len(estimate), torso_scale(estimate, skeleton=skeleton))


def _running_median(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """(T,) -> (T,): the median of the finite values up to each; NaN before the first."""
    past: list[float] = []
    medians = np.full(len(values), np.nan)
    for i, value in enumerate(values.tolist()):
        if np.isfinite(value):
            insort(past, value)
        if past:
            medians[i] = (past[(len(past) - 1) // 2] + past[len(past) // 2]) / 2
    return medians


def _sampled(run: PoseRun, interval: int) -> NDArray[np.bool_]:
    """(T,) which frames are observed: every ``interval``-th."""
    return np.asarray(np.arange(len(run)) % interval == 0)


def _landmarks(
    run: PoseRun,
    count: int,
    scale: NDArray[np.float64],
    centre: NDArray[np.float64],
    sampled: NDArray[np.bool_],
) -> FloatArray:
    """(T, count, D + 1) scaled; a missing landmark lies on the centre, with visibility 0."""
    absent = np.concatenate([centre, np.zeros((len(run), 1))], axis=-1)[:, None]
    marks = run.landmarks
    if marks.shape[1] != count:  # the estimator does not report them
        marks = np.full((len(run), count, absent.shape[-1]), np.nan)
    known = np.isfinite(marks).all(axis=-1, keepdims=True) & sampled[:, None, None]
    found = np.where(known, marks, absent)
    found[..., :-1] /= scale[:, None, None]
    return found.astype(np.float32)


def _features(
    run: PoseRun, config: RefinerConfig, skeleton: Skeleton
) -> dict[str, NDArray[np.generic]]:
    sampled = _sampled(run, config.sample_interval)
    seen: NDArray[np.float64] = run.estimate.astype(np.float64)
    seen[~sampled] = np.nan
    if config.causal:
        scale = running_scale(seen, skeleton=skeleton)
    else:
        scale = np.full(len(run), torso_scale(run.estimate[sampled], skeleton=skeleton))
    of_sampled = keypoint_kinematics(
        seen[sampled], run.time_s[sampled], causal=config.causal, of_flow=config.kinematics_of_flow
    )
    held = np.cumsum(sampled) - 1  # the last observed frame, counted in observed ones
    filled = fill_missing(seen, causal=config.causal)
    centre = _known_centre(filled, run, config, skeleton)
    pose = np.where(np.isfinite(filled), filled, centre[:, None])
    annotated = run.visibility > 0
    each = scale[:, None, None]
    return {
        "pose": pose / each,
        "flow": np.where(np.isfinite(of_sampled.flow), of_sampled.flow, pose[sampled])[held] / each,
        "velocity": np.nan_to_num(of_sampled.velocity)[held] / each,
        "acceleration": np.nan_to_num(of_sampled.acceleration)[held] / each,
        "confidence": np.where(np.isfinite(seen).all(axis=-1), run.score, 0),
        "landmarks": _landmarks(run, config.landmarks, scale, centre, sampled),
        "evidence": _evidence(run, config, scale, sampled, skeleton),
        "target": np.where(annotated[..., None], run.annotation / each, 0),
        "visible": annotated,
        "observed": np.isfinite(seen).any(axis=(1, 2)),
        "centre": centre / scale[:, None],
        "scale": scale,
    }


def _evidence(
    run: PoseRun,
    config: RefinerConfig,
    scale: NDArray[np.float64],
    sampled: NDArray[np.bool_],
    skeleton: Skeleton,
) -> FloatArray:
    """(T, J, F) of the joints; (T, J, 0) for a network that does not read it."""
    if not config.evidence:
        return np.zeros((len(run), skeleton.num_joints, 0), np.float32)
    found = joint_evidence(run.landmarks, run.evidence, scale, skeleton)
    found[~sampled] = 0
    return found


def refine_frames(
    runs: Sequence[PoseRun], config: RefinerConfig, skeleton: Skeleton = DANCE_14
) -> RefineFrames:
    """Features of all runs.

    Raises InputError on no runs, on runs of another skeleton, on a number of landmarks that the
    skeleton does not know how to mirror, and on evidence of landmarks that it does not know.
    """
    if not runs:
        raise InputError("there are no pose runs to refine")
    check_skeleton(runs, skeleton)
    if config.landmarks not in {0, skeleton.num_landmarks}:  # others could not be mirrored
        raise InputError(
            f"{config.landmarks} landmarks are not known",
            hint=f"Use 0, or {skeleton.num_landmarks} (BlazePose)",
        )
    if config.evidence and not skeleton.num_landmarks:
        raise InputError(
            f"the joints of the skeleton {skeleton.id} have no landmarks to take evidence from",
            hint="Set evidence to False",
        )
    parts = [_features(run, config, skeleton) for run in runs]
    arrays = {k: np.concatenate([p[k] for p in parts]).astype(np.float32) for k in parts[0]}
    start = np.concatenate([[0], np.cumsum([len(run) for run in runs])]).astype(np.int64)
    return RefineFrames(**arrays, start=start, skeleton=skeleton)


def reference_frame(config: RefinerConfig) -> int:
    """The frame of a window that it is centred on: the current one."""
    return config.window - 1 if config.causal else config.window // 2


def window_indices(
    frames: RefineFrames, window: int, stride: int = 1, *, causal: bool = False
) -> NDArray[np.int64]:
    """(W, window) frame indices of every ``stride``-th window, each inside one run.

    The last window of a run is always there, so that every frame is covered when the stride is at
    most the window. A run shorter than the window gives one window that repeats its last frame.
    ``causal``: windows that end at every ``stride``-th frame; before its start a run's first frame
    is repeated, so that no frame has to be read off a window that ends later.
    """
    windows = []
    for first, stop in zip(frames.start, frames.start[1:], strict=False):
        if causal:
            ends = np.arange(first, stop, stride)
            windows.append(np.maximum(ends[:, None] + np.arange(1 - window, 1), first))
            continue
        last = max(first, stop - window)
        starts = np.append(np.arange(first, last, stride), last)
        windows.append(np.minimum(starts[:, None] + np.arange(window), stop - 1))
    return np.concatenate(windows)


def annotated_windows(frames: RefineFrames, config: RefinerConfig) -> NDArray[np.int64]:
    """The windows that training can learn from.

    Those whose reference frame has an annotated joint and in which the estimator found any joint.
    Frames without annotation do not count in the loss, so annotators may skip some.
    """
    indices = window_indices(frames, config.window, causal=config.causal)
    annotated = frames.visible[indices[:, reference_frame(config)]].any(axis=-1)
    return indices[annotated & frames.observed[indices].any(axis=-1)]
