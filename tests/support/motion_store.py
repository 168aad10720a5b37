"""A store with a data set of annotated clips and motion files, for tests of pre-training."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dance_models.motion.clip import MotionClip
from dance_models.motion.runs import motion_runs
from dance_models.skeleton import DANCE_14
from dance_models.tables import POSE_DATASET, conform, write_table
from pipelines.assets.pretraining import motion_table
from pipelines.storage.store import Store

# A standing person about her pelvis, in pixels, in the order of DANCE_14.names.
STANDING = np.array(
    [
        (0, -70), (0, -50), (-12, -48), (-20, -25), (-22, -5), (12, -48), (20, -25), (22, -5),
        (-8, 0), (-9, 30), (-9, 60), (8, 0), (9, 30), (9, 60),
    ],
    float,
)  # fmt: skip


def motion(frames: int, seed: int) -> NDArray[np.float32]:
    """(T, 14, 2) joints that swing about a standing pose at 30 frames a second."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(frames)[:, None, None] / 30
    rate, phase = rng.uniform(0.4, 1.2, (2, 1, 14, 2)) * [[[[1.0]]], [[[5.0]]]]
    swing = rng.uniform(4, 14, (1, 14, 2)) * np.sin(2 * np.pi * rate * time_s + phase)
    return (STANDING + swing + [160, 120]).astype(np.float32)


def write_track(path: Path, poses: NDArray[np.floating]) -> None:
    """Our own form of pose JSON: the joints by name."""
    known = np.concatenate([poses, np.ones((*poses.shape[:2], 1))], axis=-1)
    frames = [{"frame": i, "keypoints": pose.round(2).tolist()} for i, pose in enumerate(known)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({"clip": path.stem, "joints": list(DANCE_14.names), "frames": frames})
    )


def write_data_set(store: Store, poses: dict[str, NDArray[np.floating]]) -> None:
    """A pose data set of annotated clips; no other table of the graph."""
    clips = [
        MotionClip(name, name, "tracks", np.arange(len(p)) / 30.0, p.astype(np.float32), 320, 240)
        for name, p in poses.items()
    ]
    table = conform(motion_table(motion_runs(clips)), POSE_DATASET)
    write_table(table, store.table("pose_dataset"))
