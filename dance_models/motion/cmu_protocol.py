"""Reading the CMU motion-prediction benchmark in 3-D, its test windows and our training runs.

One ``.npz`` holds ``train/ACTION_N`` and ``test/ACTION_1``: (frames, 38, 3) float32, millimetres,
every second frame of the benchmark's files, root at the origin. One JSON file holds the parents of
the 38 joints and the joints that are not scored (docs/usage/public_protocol.md). Frames count as
the benchmark calls them, 40 ms each, so that its windows lie on our forecasting grid.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.config import CmuProtocolConfig
from dance_models.data.forecast_windows import FUTURE, OBSERVED, ForecastWindows
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.evidence import no_evidence
from dance_models.metrics.horizon import FORECAST_HZ
from dance_models.motion.capture import CMU_38
from dance_models.skeletons.cmu_26 import CMU_26, SOURCE_JOINTS

JOINTS: Final = len(CMU_38)
TRAIN, TEST = "train", "test"
_SOURCE: Final = list(SOURCE_JOINTS)

Motion = NDArray[np.float32]  # (T, 38, 3) mm


@dataclass(frozen=True)
class CmuSkeleton:
    """The benchmark's 38 joints."""

    parents: tuple[int, ...]  # of each joint; -1 for the root
    not_scored: frozenset[int]

    def weights(self) -> NDArray[np.float64]:
        """Weight of each joint of ``CMU_26`` in the published error, (26,).

        Published is the mean over all 38 joints. The copies, which lie where a scored joint lies,
        get its forecast; root and hips get the truth and add nothing. So a scored joint weighs
        (1 + its copies) / 38, and the root 0.
        """
        counts = np.zeros(JOINTS)
        for joint, parent in enumerate(self.parents):
            if joint not in self.not_scored:
                counts[joint] += 1
            elif parent >= 0 and parent not in self.not_scored:
                counts[parent] += 1
        return np.asarray(counts[_SOURCE] / JOINTS)


def scored_weights() -> NDArray[np.float64]:
    """Weights (26,) of the plain mean over the 25 scored joints."""
    scored = np.arange(CMU_26.num_joints) != CMU_26.centre
    return np.asarray(scored / scored.sum())


def read_skeleton(path: Path) -> CmuSkeleton:
    """The skeleton file. Raises InputError when it is not that of the benchmark's 38 joints."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        found = CmuSkeleton(tuple(plain["parents"]), frozenset(plain["not_scored"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"this is no skeleton of the benchmark ({error})",
            file=path,
            hint='It needs "parents" and "not_scored"',
        ) from error
    scored = set(range(len(found.parents))) - found.not_scored
    if len(found.parents) != JOINTS or scored != set(_SOURCE) - {0}:
        raise InputError(
            f"{len(found.parents)} joints, {len(scored)} of them scored",
            file=path,
            hint=f"The benchmark has {JOINTS} joints and scores {len(_SOURCE) - 1}",
        )
    return found


def read_motion(path: Path) -> dict[str, Motion]:
    """All sequences by key, ``train/ACTION_N`` or ``test/ACTION_1``. Raises InputError."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            motion = {name: np.asarray(stored[name], np.float32) for name in stored.files}
    except (OSError, ValueError) as error:
        raise InputError(f"the motion cannot be read ({error})", file=path) from error
    for name, poses in motion.items():
        split, _, rest = name.partition("/")
        if split not in {TRAIN, TEST} or not rest.rpartition("_")[2].isdigit():
            raise InputError(
                f"there is a sequence {name}", file=path, hint="Expected: train/ACTION_NUMBER"
            )
        if poses.shape[1:] != (JOINTS, 3) or not np.isfinite(poses).all():
            raise InputError(
                f"{name} has shape {poses.shape} or gaps",
                file=path,
                hint=f"Expected: (frames, {JOINTS}, 3), all finite",
            )
    if not any(name.startswith(TRAIN) for name in motion):
        raise InputError("there is no training sequence", file=path)
    return motion


def action_of(name: str) -> str:
    """``train/running_2`` -> ``running``."""
    return name.partition("/")[2].rpartition("_")[0]


def window_starts(frames: int, config: CmuProtocolConfig) -> list[int]:
    """First frames of the benchmark's test windows in a sequence of so many frames.

    Raises InputError when it is no longer than a window.
    """
    spare = frames - config.history - config.future
    if spare < 1:
        raise InputError(f"{frames} frames are too few for a test window")
    draw = np.random.RandomState(config.seed)
    return [int(draw.randint(0, spare)) for _ in range(config.windows)]


def benchmark_windows(poses: Motion, config: CmuProtocolConfig) -> Motion:
    """The whole test windows of a sequence (T, 38, 3) -> (8, 75, 38, 3)."""
    length = config.history + config.future
    return np.stack([poses[i : i + length] for i in window_starts(len(poses), config)])


def scored_windows(
    motion: Mapping[str, Motion], config: CmuProtocolConfig
) -> dict[str, ForecastWindows]:
    """What is forecast from each test action, and the truth, joints of ``CMU_26``.

    Of the ``history`` frames that may be observed, the last 27 are.
    """
    found = {}
    for name, poses in motion.items():
        if not name.startswith(TEST):
            continue
        windows = benchmark_windows(poses, config)[:, :, _SOURCE]
        last = np.array(window_starts(len(poses), config)) + config.history - 1
        found[action_of(name)] = ForecastWindows(
            windows[:, config.history - OBSERVED : config.history],
            windows[:, config.history : config.history + FUTURE],
            np.zeros(len(windows), np.int64),
            last,
        )
    return found


def held_out_files(motion: Mapping[str, Motion]) -> frozenset[str]:
    """The last training sequence of every action that has more than one."""
    files: dict[str, list[str]] = defaultdict(list)
    for name in motion:
        if name.startswith(TRAIN):
            files[action_of(name)].append(name)
    last = {action: max(names, key=_number) for action, names in files.items()}
    return frozenset(name for action, name in last.items() if len(files[action]) > 1)


def _number(name: str) -> int:
    return int(name.rpartition("_")[2])


def training_runs(
    motion: Mapping[str, Motion], config: CmuProtocolConfig, *, every_file: bool
) -> list[PoseRun]:
    """Runs of split "train" and, from the held-out files, of split "val".

    With ``every_file`` the held-out files are trained on as well, so that split "val" only
    monitors. Actions differ in length twenty to one: long ones are cut, short ones repeated. The
    first frame of every file is a T-pose and left out.
    """
    held = held_out_files(motion)
    files: dict[str, list[str]] = defaultdict(list)
    for name in sorted(motion):
        if name.startswith(TRAIN) and (every_file or name not in held):
            files[action_of(name)].append(name)
    runs = [_run(name, motion[name][1:], "val") for name in sorted(held)]
    for names in files.values():
        total = sum(len(motion[name]) - 1 for name in names)
        repeats = max(1, round(config.frames_per_action / total))
        most = config.frames_per_action // len(names) if total > config.frames_per_action else total
        for variant in range(repeats):
            runs += [_run(n, motion[n][1 : 1 + most], "train", variant) for n in names]
    return runs


def _run(name: str, poses: Motion, split: str, variant: int = 0) -> PoseRun:
    """Poses (T, 38, 3) as the annotation and the estimate of one run of ``CMU_26``."""
    chosen = np.ascontiguousarray(poses[:, _SOURCE])
    frames, joints, axes = chosen.shape
    return PoseRun(
        clip=name,
        style=action_of(name),
        performer="",
        group=name,
        split=split,
        fold=0,
        run=0,
        variant=variant,
        width=0,
        height=0,
        frame=np.arange(1, frames + 1),
        time_s=np.arange(frames) / FORECAST_HZ,
        estimate=chosen,
        score=np.ones((frames, joints), np.float32),
        landmarks=np.zeros((frames, 0, axes + 1), np.float32),
        evidence=no_evidence(frames),
        annotation=chosen,
        visibility=np.full((frames, joints), 2, np.uint8),
    )


def missing_files(motion: Mapping[str, Motion], actions: Mapping[str, int]) -> Sequence[str]:
    """Names of the benchmark's files that are not there; ``actions`` has the training files."""
    wanted = [f"{TRAIN}/{a}_{i + 1}" for a, count in actions.items() for i in range(count)]
    wanted += [f"{TEST}/{action}_1" for action in actions]
    return [name for name in wanted if name not in motion]
