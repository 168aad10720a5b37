"""The CMU benchmark's skeleton, and made-up sequences in its format."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PARENTS = (
    -1, 0, 1, 2, 3, 4, 5, 0, 7, 8, 9, 10, 11, 0, 13, 14, 15, 16, 17, 18, 15, 20, 21, 22, 23, 24, 25,
    23, 27, 15, 29, 30, 31, 32, 33, 34, 32, 36,
)  # fmt: skip
NOT_SCORED = (0, 1, 2, 7, 8, 13, 16, 20, 29, 24, 27, 33, 36)
# The joint at the place of each of these.
COPIES = {16: 15, 20: 15, 29: 15, 24: 23, 27: 23, 33: 32, 36: 32}


def write_skeleton(folder: Path) -> Path:
    """The benchmark's skeleton file in ``folder``."""
    path = folder / "skeleton.json"
    plain = {"parents": PARENTS, "not_scored": NOT_SCORED, "unit": "mm"}
    path.write_text(json.dumps(plain), encoding="utf-8")
    return path


def motion(frames: int, seed: int = 0) -> NDArray[np.float32]:
    """(T, 38, 3) mm: every joint swings about a place of its own; root and hips stand still."""
    rng = np.random.default_rng(seed)
    place = np.random.default_rng(9).uniform(-900, 900, (38, 3))
    phase, rate = rng.uniform(0, 6, (38, 1)), rng.uniform(0.1, 0.3)
    swing = 80 * np.sin(rate * np.arange(frames)[:, None, None] + phase)
    poses = (place + swing * [1, 0, 1]).astype(np.float32)
    poses[:, [2, 7, 8]] = place[[2, 7, 8]]
    poses[:, [0, 1, 13]] = 0
    for copy, joint in COPIES.items():
        poses[:, copy] = poses[:, joint]
    return poses


def write_motion(folder: Path) -> Path:
    """Three training files and a test file of running, and a test file of walking."""
    path = folder / "motion.npz"
    files = {f"train/running_{i}": motion(90, i) for i in (1, 2, 3)}
    files |= {"test/running_1": motion(82, 4), "test/walking_1": motion(120, 5)}
    np.savez(path, **files)
    return path
