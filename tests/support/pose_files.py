"""People with bones of natural lengths, in the joint orders of other tools."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dance_models.estimators.pose_models import POSE_MODELS
from dance_models.skeleton import DANCE_14

Body = Mapping[str, tuple[float, float]]

_SIDES = ("left", "right")
# Joint, the joint it hangs on, length in torsos, usual direction in degrees (0 right, 90 down).
_BONES = (
    *(("mid_hip", "neck", 1.0, 90), ("nose", "neck", 0.35, -80), ("head_top", "neck", 0.6, -90)),
    *(("thorax", "neck", 0.1, 90), ("chest", "neck", 0.4, 90), ("spine", "neck", 0.5, 90)),
    ("face", "neck", 0.3, -85),
    *((f"{s}_{j}", p, length, angle if s == "right" else 180 - angle) for s in _SIDES
      for j, p, length, angle in (("shoulder", "neck", 0.3, 175), ("hip", "mid_hip", 0.2, 170),
                                  ("eye", "nose", 0.07, 220), ("ear", "nose", 0.14, 200))),
    *((f"{s}_{j}", f"{s}_{p}", length, angle if s == "right" else 180 - angle) for s in _SIDES
      for j, p, length, angle in (
        ("elbow", "shoulder", 0.55, 110), ("wrist", "elbow", 0.5, 80), ("knee", "hip", 0.8, 95),
        ("ankle", "knee", 0.8, 88), ("heel", "ankle", 0.08, 60), ("big_toe", "ankle", 0.25, 120),
        ("small_toe", "ankle", 0.24, 130), ("foot_index", "ankle", 0.25, 120))),
)  # fmt: skip


def body(
    rng: np.random.Generator, x: float = 300.0, torso: float = 120.0
) -> dict[str, tuple[float, float]]:
    """Pixels of every named joint of one upright person about ``x``."""
    points = {"neck": np.array([x, 200.0]) + rng.uniform(-20, 20, 2)}
    for joint, parent, length, angle in _BONES:
        turned = np.deg2rad(angle + rng.uniform(-25, 25))
        reach = torso * length * rng.uniform(0.85, 1.0)
        points[joint] = points[parent] + reach * np.array([np.cos(turned), np.sin(turned)])
    return {joint: (round(float(p[0]), 3), round(float(p[1]), 3)) for joint, p in points.items()}


def in_order(names: Sequence[str], of: Body) -> np.ndarray:
    """(J, 2) in an order of joints; those of hands and face are at the nose."""
    return np.array([of.get(name, of["nose"]) for name in names])


def flat(model: str, of: Body, score: float = 0.5) -> list[float]:
    """x, y, score of each joint of a model, in one list."""
    points = in_order(POSE_MODELS[model], of)
    return [v for x, y in points.tolist() for v in (x, y, score)]


def own_json(path: Path, keypoints: np.ndarray) -> Path:
    """Write poses (T, 14, 2) in the form that the project itself writes."""
    frames = [
        {"frame": i, "keypoints": [[*map(float, point), 0.9] for point in pose]}
        for i, pose in enumerate(keypoints)
    ]
    path.write_text(json.dumps({"joints": list(DANCE_14.names), "frames": frames}))
    return path


def person(x: float, size: float) -> list[list[float]]:
    """14 joints within a square of ``size`` pixels around x, 300."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-size / 2, size / 2, (14, 2)) + np.array([x, 300])
    return [[*p, 0.8] for p in points.tolist()]


def write_track(path: Path, people: Sequence[tuple[int, float, float]]) -> None:
    """Precomputed poses in our own form; ``people`` are (frame, x, size)."""
    frames = [{"frame": f, "keypoints": person(x, size)} for f, x, size in people]
    path.write_text(json.dumps({"clip": path.stem, "joints": DANCE_14.names, "frames": frames}))
