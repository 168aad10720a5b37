"""Small synthetic dancers with known metrics, for the tests of evaluation."""

import numpy as np
from numpy.typing import NDArray

from dance_models.data.pose_runs import PoseRun
from dance_models.evidence import no_evidence
from dance_models.skeleton import DANCE_14

TORSO = 100.0  # pixels, of the standing figure

_FIGURE = {
    "head_top": (0, -50),
    "neck": (0, 0),
    "left_shoulder": (30, 5),
    "right_shoulder": (-30, 5),
    "left_elbow": (45, 50),
    "right_elbow": (-45, 50),
    "left_wrist": (50, 95),
    "right_wrist": (-50, 95),
    "left_hip": (20, 100),
    "right_hip": (-20, 100),
    "left_knee": (22, 180),
    "right_knee": (-22, 180),
    "left_ankle": (24, 260),
    "right_ankle": (-24, 260),
}


def figure(x: float = 200, y: float = 100) -> NDArray[np.float64]:
    """A standing figure (14, 2) with its neck at (x, y) and a torso of 100 pixels."""
    pose = np.zeros((14, 2))
    for name, offset in _FIGURE.items():
        pose[DANCE_14.index[name]] = offset
    return pose + np.array([x, y])


def swaying(
    frames: int, fps: float = 25, amplitude: float = 30, phase: float = 0
) -> NDArray[np.float64]:
    """(frames, 14, 2): the figure sways sideways at 0.8 Hz, arms faster than the trunk."""
    time = np.arange(frames) / fps
    poses = np.tile(figure(), (frames, 1, 1))
    poses[..., 0] += amplitude * np.sin(2 * np.pi * 0.8 * time + phase)[:, None]
    for wrist in ("left_wrist", "right_wrist"):
        poses[:, DANCE_14.index[wrist], 1] -= 40 * np.sin(2 * np.pi * 1.3 * time + phase)
    return poses


def make_run(
    annotation: NDArray[np.floating],
    estimate: NDArray[np.floating] | None = None,
    *,
    clip: str = "clip",
    style: str = "ballet",
    split: str = "test",
    fps: float = 25,
    run: int = 0,
    variant: int = 0,
) -> PoseRun:
    """A run of (T, 14, 2) poses; NaN annotations are invisible, a NaN estimate has score 0."""
    frames = len(annotation)
    seen = annotation if estimate is None else estimate
    return PoseRun(
        clip=clip,
        style=style,
        performer="",
        group=clip,
        split=split,
        fold=0,
        run=run,
        variant=variant,
        width=400,
        height=400,
        frame=np.arange(frames),
        time_s=np.arange(frames) / fps,
        estimate=np.asarray(seen, np.float32),
        score=np.isfinite(seen).all(-1).astype(np.float32),
        landmarks=np.zeros((frames, 0, 3), np.float32),
        evidence=no_evidence(frames),
        annotation=np.asarray(annotation, np.float32),
        visibility=np.where(np.isfinite(annotation).all(-1), 2, 0).astype(np.uint8),
    )
