"""Made-up pose runs: what benchmarks and tests train on when there is no corpus."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.data.pose_runs import PoseRun
from dance_models.skeleton import EDGES, NECK, NUM_JOINTS

# Resting direction (x, y; y down) and length of the limb from parent to child, in torso lengths,
# in the order of ``EDGES``.
_LIMBS: Final = (
    (0.0, -0.55), (0.35, 0.05), (-0.35, 0.05), (0.1, 0.5), (-0.1, 0.5), (0.05, 0.45),
    (-0.05, 0.45), (0.2, 1.0), (-0.2, 1.0), (0.05, 0.8), (-0.05, 0.8), (0.0, 0.8), (0.0, 0.8),
)  # fmt: skip
_TORSO_PX: Final = 60.0
_WIDTH, _HEIGHT = 480, 360


def _swinging_figure(time_s: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """(T, 14, 2) pixels: every limb swings about its parent, the neck sways."""
    limbs = np.array(_LIMBS)
    frequency, phase = rng.uniform(0.3, 0.9, len(EDGES)), rng.uniform(0, 2 * np.pi, len(EDGES))
    swing = rng.uniform(0.1, 0.6, len(EDGES))
    angle = swing * np.sin(2 * np.pi * frequency * time_s[:, None] + phase)
    cos, sin = np.cos(angle), np.sin(angle)
    x = cos * limbs[:, 0] - sin * limbs[:, 1]
    y = sin * limbs[:, 0] + cos * limbs[:, 1]
    poses = np.zeros((len(time_s), NUM_JOINTS, 2))
    sway = np.sin(2 * np.pi * 0.4 * time_s + phase[0])
    poses[:, NECK] = np.stack([4 + 0.3 * sway, 2 + 0.05 * sway], axis=-1)
    for edge, (parent, child) in enumerate(EDGES):
        poses[:, child] = poses[:, parent] + np.stack([x[:, edge], y[:, edge]], axis=-1)
    return poses * _TORSO_PX


def synthetic_runs(
    clips: int, frames: int, *, fps: float = 30.0, landmarks: int = 33, seed: int = 0
) -> list[PoseRun]:
    """One annotated run a clip of ``frames`` frames; the last two clips are "val" and "test".

    The estimate errs as real estimators do, by an offset a joint that is the same in all clips,
    and by jitter; so a network can learn to refine it.
    """
    rng = np.random.default_rng(seed)
    bias = rng.normal(0, 0.08 * _TORSO_PX, (NUM_JOINTS, 2))
    runs = []
    for clip in range(clips):
        time_s = np.arange(frames) / fps
        truth = _swinging_figure(time_s, rng)
        estimate = truth + bias + rng.normal(0, 0.02 * _TORSO_PX, truth.shape)
        marks = np.zeros((frames, landmarks, 3))
        if landmarks:
            which = np.arange(landmarks) % NUM_JOINTS
            marks = np.concatenate([estimate[:, which], np.ones((frames, landmarks, 1))], axis=-1)
        split = {clips - 2: "val", clips - 1: "test"}.get(clip, "train")
        runs.append(
            PoseRun(
                clip=f"clip_{clip:02d}",
                style=("ballet", "contemporary", "street")[clip % 3],
                performer="nobody",
                group=f"clip_{clip:02d}",
                split=split,
                fold=clip % 5,
                run=0,
                variant=0,
                width=_WIDTH,
                height=_HEIGHT,
                frame=np.arange(frames),
                time_s=time_s,
                estimate=estimate.astype(np.float32),
                score=np.full((frames, NUM_JOINTS), 0.9, np.float32),
                landmarks=marks.astype(np.float32),
                annotation=truth.astype(np.float32),
                visibility=np.full((frames, NUM_JOINTS), 2, np.uint8),
            )
        )
    return runs
