"""Recognition windows: real frames of one run, in torso lengths about the dancer.

Features are computed on whole runs; windows are index arrays into them. The scale is the median
torso length of what the **estimator** saw in the run, never of the annotation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.config import MkffStGcnConfig
from dance_models.data.forecast_windows import fill_missing
from dance_models.data.kinematics import keypoint_kinematics
from dance_models.data.pose_runs import PoseRun
from dance_models.geometry import median_torso, pelvis

FloatArray = NDArray[np.float32]

# The other side's landmark of each of BlazePose's 33 (nose, then left/right eyes, ears, mouth;
# from 11 on left and right alternate).
BLAZEPOSE_MIRROR: Final = (
    0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9,
    *(i + 1 if i % 2 else i - 1 for i in range(11, 33)),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class RefineFrames:
    """Frames of several runs laid end to end, N in all; torso lengths, image axes, not centred."""

    pose: FloatArray  # (N, 14, 2) gaps filled
    flow: FloatArray  # (N, 14, 2)
    velocity: FloatArray  # (N, 14, 2), 0 where unknown
    acceleration: FloatArray  # (N, 14, 2), 0 where unknown
    confidence: FloatArray  # (N, 14), 0 where missing
    landmarks: FloatArray  # (N, L, 3) x, y, visibility
    target: FloatArray  # (N, 14, 2) annotation, 0 where absent
    visible: FloatArray  # (N, 14) 1 where annotated, else 0
    centre: FloatArray  # (N, 2) pelvis of the frame
    scale: FloatArray  # (N,) pixels a torso length
    start: NDArray[np.int64]  # (R + 1,) where each run starts

    def __len__(self) -> int:
        return len(self.pose)


def _known_centre(pose: FloatArray) -> FloatArray:
    """(T, 14, 2) -> (T, 2): pelvis, else the mean of what is known, else the frame before."""
    known = np.asarray(np.isfinite(pose).all(axis=-1))
    count = known.sum(axis=1)[:, None]
    mean = np.where(known[..., None], pose, 0).sum(axis=1) / np.maximum(count, 1)
    centre = pelvis(pose)
    centre = np.where(np.isfinite(centre), centre, np.where(count > 0, mean, np.nan))
    filled = fill_missing(centre[:, None])[:, 0]
    return np.asarray(np.nan_to_num(filled), np.float32)


def _landmarks(run: PoseRun, count: int, scale: float, centre: FloatArray) -> FloatArray:
    """(T, count, 3) scaled; a landmark that is missing lies on the centre, with visibility 0."""
    absent = np.concatenate([centre, np.zeros((len(run), 1))], axis=-1)[:, None]
    if run.landmarks.shape[1] < count:  # an estimator that does not give them
        return np.repeat(absent, count, axis=1).astype(np.float32)
    scaled = run.landmarks[:, :count] / np.array([scale, scale, 1])
    known = np.isfinite(scaled).all(axis=-1, keepdims=True)
    return np.where(known, scaled, absent).astype(np.float32)


def _features(run: PoseRun, config: MkffStGcnConfig) -> dict[str, NDArray[np.generic]]:
    scale = median_torso(run.estimate)
    seen = run.estimate.astype(np.float64) / scale
    kinematics = keypoint_kinematics(
        seen, run.time_s, causal=config.causal, of_flow=config.kinematics_of_flow
    )
    filled = fill_missing(seen)
    centre = _known_centre(filled.astype(np.float32))
    pose = np.where(np.isfinite(filled), filled, centre[:, None])
    annotated = run.visibility > 0
    return {
        "pose": pose,
        "flow": np.where(np.isfinite(kinematics.flow), kinematics.flow, pose),
        "velocity": np.nan_to_num(kinematics.velocity),
        "acceleration": np.nan_to_num(kinematics.acceleration),
        "confidence": np.where(np.isfinite(seen).all(axis=-1), run.score, 0),
        "landmarks": _landmarks(run, config.landmarks, scale, centre),
        "target": np.where(annotated[..., None], run.annotation / scale, 0),
        "visible": annotated,
        "centre": centre,
        "scale": np.full(len(run), scale),
    }


def refine_frames(runs: Sequence[PoseRun], config: MkffStGcnConfig) -> RefineFrames:
    """Features of all runs. Raises ValueError on no runs."""
    if not runs:
        raise ValueError("no runs to refine")
    parts = [_features(run, config) for run in runs]
    arrays = {k: np.concatenate([p[k] for p in parts]).astype(np.float32) for k in parts[0]}
    start = np.concatenate([[0], np.cumsum([len(run) for run in runs])]).astype(np.int64)
    return RefineFrames(**arrays, start=start)


def window_indices(frames: RefineFrames, window: int) -> NDArray[np.int64]:
    """(W, window) frame indices of every window, stride 1, each inside one run.

    A run shorter than the window gives one window that repeats its last frame.
    """
    windows = []
    for first, stop in zip(frames.start, frames.start[1:], strict=False):
        starts = np.arange(first, max(first + 1, stop - window + 1))
        windows.append(np.minimum(starts[:, None] + np.arange(window), stop - 1))
    return np.concatenate(windows)


def annotated_windows(frames: RefineFrames, window: int) -> NDArray[np.int64]:
    """The windows with an annotated joint in every frame: what training can learn from."""
    indices = window_indices(frames, window)
    return indices[(frames.visible[indices].any(axis=-1)).all(axis=-1)]


def reference_frame(config: MkffStGcnConfig) -> int:
    """The frame of a window that it is centred on: the current one."""
    return config.window - 1 if config.causal else config.window // 2
