"""A small BVH person, and files of every kind, for the tests of motion."""

import json
from pathlib import Path

import numpy as np

from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.motion.clip import MotionClip
from dance_models.motion.read import MotionOptions, motion_sources, read_source
from dance_models.motion.runs import motion_runs

SHARED = Path(__file__).parents[3] / "shared" / "motion"

# One arm: a root, a joint 10 above it and an End Site 5 to the side.
ARM = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Arm
  {
    OFFSET 0 10 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 5 0 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.05
0 0 0 0 0 0 0 0 0
1 2 3 90 0 0 0 0 90
"""

# name: (parent, offset from it); the person faces +z and is 170 tall; the left is at +x.
PERSON = {
    "Hips": (None, (0, 90, 0)),
    "Spine": ("Hips", (0, 25, 0)),
    "Neck": ("Spine", (0, 25, 0)),
    "Head": ("Neck", (0, 10, 0)),
    **{
        f"{side}{part}": (parent and parent.replace("@", side), (sign * x, y, 0))
        for side, sign in (("Left", 1), ("Right", -1))
        for part, parent, x, y in (
            ("Shoulder", "Spine", 3, 22),
            ("Arm", "@Shoulder", 15, 0),
            ("ForeArm", "@Arm", 28, 0),
            ("Hand", "@ForeArm", 24, 0),
            ("UpLeg", "Hips", 9, 0),
            ("Leg", "@UpLeg", 0, -42),
            ("Foot", "@Leg", 0, -40),
        )
    },
}


def person_bvh(
    frames: int = 90, fps: float = 30, *, prefix: str = "", head_site: bool = True, seed: int = 1
) -> str:
    """BVH text of a person who moves all joints and walks a little."""
    rng = np.random.default_rng(seed)
    order: list[str] = []
    lines = ["HIERARCHY", *_joint("Hips", prefix, head_site, order)]
    time = np.arange(frames) / fps
    columns = [30 * np.sin(time), np.full(frames, 90.0), 20 * np.sin(0.7 * time)]
    for _ in order:
        for _ in range(3):
            size, rate, phase = rng.uniform(5, 25), rng.uniform(0.5, 1.5), rng.uniform(0, 6.28)
            columns.append(size * np.sin(2 * np.pi * rate * time + phase))
    rows = [" ".join(f"{v:.5f}" for v in row) for row in np.stack(columns, axis=1)]
    return "\n".join([*lines, "MOTION", f"Frames: {frames}", f"Frame Time: {1 / fps:.7f}", *rows])


def _joint(name: str, prefix: str, head_site: bool, order: list[str]) -> list[str]:
    parent, offset = PERSON[name]
    order.append(name)
    turns = "Zrotation Xrotation Yrotation"
    channels = f"3 {turns}" if parent else f"6 Xposition Yposition Zposition {turns}"
    lines = [f"{'JOINT' if parent else 'ROOT'} {prefix}{name}", "{"]
    lines += [f"OFFSET {' '.join(map(str, offset))}", f"CHANNELS {channels}"]
    for child, (above, _) in PERSON.items():
        if above == name:
            lines += _joint(child, prefix, head_site, order)
    if name == "Head" and head_site:
        lines += ["End Site", "{", "OFFSET 0 18 0", "}"]
    return [*lines, "}"]


def standing(shift: float = 0.0, scale: float = 100.0) -> np.ndarray:
    """(17, 2) COCO joints of a person facing us, about (200, 150): the left is at larger x."""
    half = {"nose": (0, -90), "left_eye": (3, -93), "left_ear": (6, -90)}
    half |= {"left_shoulder": (18, -70), "left_elbow": (25, -40), "left_wrist": (28, -10)}
    half |= {"left_hip": (10, 0), "left_knee": (11, 40), "left_ankle": (12, 80)}
    parts = ["eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"]
    rows = [half["nose"]]
    for part in parts:
        x, y = half[f"left_{part}"]
        rows += [(x, y), (-x, y)]
    return np.array(rows, float) * scale / 100 + [200 + shift, 150]


def kinetics_person(x: float, height: float) -> dict[str, list[float]]:
    """A person around ``x``, ``height`` tall, left side at larger x; in image fractions."""
    pose = np.zeros((18, 2))
    offsets = {
        0: (0, 0.1), 1: (0, 0.2), 2: (-0.1, 0.2), 3: (-0.12, 0.35), 4: (-0.12, 0.5),
        5: (0.1, 0.2), 6: (0.12, 0.35), 7: (0.12, 0.5), 8: (-0.06, 0.5), 9: (-0.06, 0.75),
        10: (-0.06, 1.0), 11: (0.06, 0.5), 12: (0.06, 0.75), 13: (0.06, 1.0),
        16: (-0.03, 0.1), 17: (0.03, 0.1),
    }  # fmt: skip
    for joint, (dx, y) in offsets.items():
        pose[joint] = x + dx * height, 0.02 + y * height
    score = np.where((pose == 0).all(axis=1), 0, 0.9)
    return {"pose": pose.ravel().tolist(), "score": score.tolist()}


def kinetics(frames: int = 60) -> dict[str, object]:
    """A tall person throughout, and a taller one for the first five frames."""
    data = []
    for frame in range(frames):
        skeleton = [kinetics_person(0.3 + 0.001 * frame, 0.6)]
        if frame < 5:
            skeleton.insert(0, kinetics_person(0.7, 0.9))
        data.append({"frame_index": frame + 1, "skeleton": skeleton})
    return {"data": data, "label": "salsa dancing", "label_index": 283}


def folder_of_motion(folder: Path) -> Path:
    """One file of each kind that can be read, and some that cannot."""
    folder.mkdir()
    (folder / "walk.bvh").write_text(person_bvh(200, 120), "utf-8")
    (folder / "dance.json").write_text(json.dumps(kinetics()), "utf-8")
    track = np.stack([standing(shift=t) for t in range(60)]).astype(np.float32)
    np.save(folder / "track.npy", track)
    np.savez(folder / "sure.npz", k=np.concatenate([track, np.ones((60, 17, 1))], axis=-1))
    (folder / "broken.bvh").write_text(ARM.replace("OFFSET 0 10 0", "OFFSET 0 ten 0"), "utf-8")
    (folder / "arm.bvh").write_text(ARM, "utf-8")
    (folder / "broken.json").write_text('{"data": [', "utf-8")
    (folder / "broken.npy").write_bytes(b"not an array")
    (folder / "README.md").write_text("not motion", "utf-8")
    return folder


def dance(name: str, seed: int, frames: int = 150, fps: float = 30.0) -> MotionClip:
    """A synthetic dance."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames) / fps
    rate, phase = rng.uniform(0.3, 1.2, (2, 14, 2)), rng.uniform(0, 6.28, (2, 14, 2))
    waves = np.sin(2 * np.pi * rate[:, None] * time[None, :, None, None] + phase[:, None]).sum(0)
    base = rng.uniform(-60, 60, (14, 2))
    base[[1, 8, 9]] = (0, -80), (12, 0), (-12, 0)
    size = np.full((14, 1), 15.0)
    size[[1, 8, 9]] = 3
    keypoints = (base + size * waves + [320, 240]).astype(np.float32)
    return MotionClip(name, name, "tracks", time, keypoints, 640, 480)


def dance_runs(*names_and_seeds: tuple[str, int]) -> list[PoseRun]:
    return motion_runs([dance(name, seed) for name, seed in names_and_seeds])


def read_folder(
    folder: Path, options: MotionOptions | None = None
) -> tuple[list[MotionClip], list[InputError]]:
    """The clips of all files below ``folder`` that can be read, and the errors of the others."""
    clips: list[MotionClip] = []
    problems: list[InputError] = []
    for source, path in motion_sources(folder).items():
        try:
            clips += read_source(path, source, options)
        except InputError as error:
            problems.append(error)
    return clips, problems
