"""Synthetic pose runs, for benchmarks and tests without a corpus."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.data.pose_runs import PoseRun
from dance_models.evidence import LANDMARKS, MIRRORED_XY, NUM_EVIDENCE, WORLD_XY, no_evidence
from dance_models.skeleton import DANCE_14, Skeleton

# Resting direction (x, y; y down) and length of the limb from parent to child, in torso lengths,
# in the order of the default skeleton's edges.
_DANCE_14_LIMBS: Final = (
    (0.0, -0.55), (0.35, 0.05), (-0.35, 0.05), (0.1, 0.5), (-0.1, 0.5), (0.05, 0.45),
    (-0.05, 0.45), (0.2, 1.0), (-0.2, 1.0), (0.05, 0.8), (-0.05, 0.8), (0.0, 0.8), (0.0, 0.8),
)  # fmt: skip
_ARM, _LEG, _TRUNK = (0.35, 0.2), (0.1, 0.7), (0.1, -0.5)  # of other skeletons' limbs
_TORSO_PX: Final = 60.0
_WIDTH, _HEIGHT = 480, 360


def _resting_limbs(skeleton: Skeleton) -> NDArray[np.float64]:
    """(edges, 2) direction and length of each limb: arms out, legs down, the rest up."""
    if skeleton == DANCE_14:
        return np.array(_DANCE_14_LIMBS)
    parts = skeleton.parts
    arms, legs = {*parts.left_arm, *parts.right_arm}, {*parts.left_leg, *parts.right_leg}
    limbs = []
    for _, child in skeleton.edges:
        x, y = _ARM if child in arms else _LEG if child in legs else _TRUNK
        name = skeleton.names[child]
        side = 1 if name.startswith("left_") else -1 if name.startswith("right_") else 0
        limbs.append((side * x, y))
    return np.array(limbs)


def _swinging_figure(
    time_s: NDArray[np.float64], rng: np.random.Generator, skeleton: Skeleton
) -> NDArray[np.float64]:
    """(T, J, D) pixels: every limb swings about its parent, the root of the tree sways."""
    limbs, count = _resting_limbs(skeleton), len(skeleton.edges)
    frequency, phase = rng.uniform(0.3, 0.9, count), rng.uniform(0, 2 * np.pi, count)
    swing = rng.uniform(0.1, 0.6, count)
    angle = swing * np.sin(2 * np.pi * frequency * time_s[:, None] + phase)
    cos, sin = np.cos(angle), np.sin(angle)
    x = cos * limbs[:, 0] - sin * limbs[:, 1]
    y = sin * limbs[:, 0] + cos * limbs[:, 1]
    depth = 0.3 * sin  # of 3-D skeletons
    step = np.stack([x, y, depth], axis=-1)[..., : skeleton.dimensions]
    poses = np.zeros((len(time_s), skeleton.num_joints, skeleton.dimensions))
    sway = np.sin(2 * np.pi * 0.4 * time_s + phase[0])
    poses[:, skeleton.centre, :2] = np.stack([4 + 0.3 * sway, 2 + 0.05 * sway], axis=-1)
    for edge, (parent, child) in enumerate(skeleton.edges):
        poses[:, child] = poses[:, parent] + step[:, edge]
    return poses * _TORSO_PX


def synthetic_runs(
    clips: int,
    frames: int,
    *,
    fps: float = 30.0,
    landmarks: int | None = None,
    seed: int = 0,
    skeleton: Skeleton = DANCE_14,
) -> list[PoseRun]:
    """One annotated run a clip of ``frames`` frames; the last two clips are "val" and "test".

    The estimate errs as real estimators do, by an offset a joint that is the same in all clips,
    and by jitter; so a network can learn to refine it. ``landmarks`` is their number, by default
    the skeleton's.
    """
    rng = np.random.default_rng(seed)
    marks = skeleton.num_landmarks if landmarks is None else landmarks
    bias = rng.normal(0, 0.08 * _TORSO_PX, (skeleton.num_joints, skeleton.dimensions))
    runs = []
    for clip in range(clips):
        split = {clips - 2: "val", clips - 1: "test"}.get(clip, "train")
        runs.append(_synthetic_run(clip, split, frames, fps, marks, bias, rng, skeleton))
    return runs


def _evidence(marks: NDArray[np.float64], skeleton: Skeleton) -> NDArray[np.float32]:
    """(T, L, E) of landmarks (T, L, 3): the mirrored pass errs by itself, the world is upright.

    None where the landmarks are not BlazePose's.
    """
    frames, count = marks.shape[:2]
    if count != len(LANDMARKS) or skeleton.dimensions != 2:
        return no_evidence(frames)
    rng = np.random.default_rng(frames)
    found = rng.uniform(0.1, 0.9, (frames, count, NUM_EVIDENCE))
    noise = rng.normal(0, 0.02 * _TORSO_PX, (frames, count, 2))
    found[..., MIRRORED_XY] = marks[..., :2] + noise
    world = (marks[..., :2] - marks[..., :2].mean(axis=1, keepdims=True)) / (2 * _TORSO_PX)
    for pair in WORLD_XY:
        found[..., pair] = world
    return found.astype(np.float32)


def _synthetic_run(
    clip: int,
    split: str,
    frames: int,
    fps: float,
    landmarks: int,
    bias: NDArray[np.float64],
    rng: np.random.Generator,
    skeleton: Skeleton,
) -> PoseRun:
    time_s = np.arange(frames) / fps
    truth = _swinging_figure(time_s, rng, skeleton)
    estimate = truth + bias + rng.normal(0, 0.02 * _TORSO_PX, truth.shape)
    copied = estimate[:, np.arange(landmarks) % skeleton.num_joints]
    marks = np.concatenate([copied, np.ones((frames, landmarks, 1))], axis=-1)
    return PoseRun(
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
        score=np.full((frames, skeleton.num_joints), 0.9, np.float32),
        landmarks=marks.astype(np.float32),
        evidence=_evidence(marks, skeleton),
        annotation=truth.astype(np.float32),
        visibility=np.full((frames, skeleton.num_joints), 2, np.uint8),
    )
