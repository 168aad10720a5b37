"""Pose runs: contiguous frames of one clip as arrays, and their one-file ``.npz`` form.

Training and evaluation read nothing else, and need numpy alone for it. So the networks train on a
bare GPU host from one exported file.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.errors import InputError
from dance_models.skeleton import Skeleton

_NOT_GIVEN: Final[NDArray[np.float32]] = np.zeros(0, np.float32)


@dataclass(frozen=True, eq=False)
class PoseRun:
    """Contiguous real frames of one clip. T frames, J joints, D dimensions; pixels in 2-D.

    Missing coordinates are NaN, missing scores 0. ``annotation`` is NaN and ``visibility`` 0
    wherever there is no annotation. ``landmarks`` is (T, L, D + 1): coordinates, then visibility;
    L is 0 when the estimator reports none.

    ``consensus`` is the truth in the estimator's own definition of each joint, where it is known:
    rendered motion alone has it (:mod:`dance_models.rendered.consensus`). Without it, all NaN.
    """

    clip: str
    style: str
    performer: str
    group: str
    split: str
    fold: int
    run: int
    variant: int  # 0 is the original, 1.. are augmented copies (training split only)
    width: int
    height: int
    frame: NDArray[np.int64]  # (T,) index in the source clip
    time_s: NDArray[np.float64]  # (T,)
    estimate: NDArray[np.float32]  # (T, J, D)
    score: NDArray[np.float32]  # (T, J)
    landmarks: NDArray[np.float32]  # (T, L, D + 1)
    annotation: NDArray[np.float32]  # (T, J, D)
    visibility: NDArray[np.uint8]  # (T, J) 0 absent, 1 occluded, 2 visible
    consensus: NDArray[np.float32] = field(default_factory=lambda: _NOT_GIVEN)  # (T, J, D)

    def __post_init__(self) -> None:
        if self.consensus is _NOT_GIVEN:
            object.__setattr__(self, "consensus", np.full_like(self.annotation, np.nan))

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def annotated(self) -> NDArray[np.bool_]:
        """(T,) whether the frame has at least one annotated joint."""
        return np.asarray((self.visibility > 0).any(axis=1))


ARRAYS = ("frame", "time_s", "estimate", "score", "landmarks", "annotation", "visibility")
_OPTIONAL = ("consensus",)  # absent from files that were written before there was one
_SCALARS = tuple(f.name for f in fields(PoseRun) if f.name not in (*ARRAYS, *_OPTIONAL))


def frames_of(run: PoseRun, kept: slice | NDArray[np.integer]) -> PoseRun:
    """The run with these of its T frames alone."""
    return replace(run, **{name: getattr(run, name)[kept] for name in (*ARRAYS, *_OPTIONAL)})


def check_skeleton(runs: Sequence[PoseRun], skeleton: Skeleton) -> None:
    """Raise InputError when the poses of a run are not of this skeleton's joints and dimensions."""
    expected = (skeleton.num_joints, skeleton.dimensions)
    for run in runs:
        joints, dimensions = run.estimate.shape[1:]
        if (joints, dimensions) != expected:
            raise InputError(
                f"poses of {joints} joints in {dimensions}-D, but the skeleton {skeleton.id} has "
                f"{expected[0]} in {expected[1]}-D",
                file=run.clip,
            )


def save_pose_runs(runs: Sequence[PoseRun], path: Path) -> None:
    """Write all runs to one uncompressed ``.npz`` (no pickle). Raises ValueError on no runs."""
    if not runs:
        raise ValueError("no pose runs to save")
    lengths = np.array([len(r) for r in runs], dtype=np.int64)
    arrays: dict[str, NDArray[np.generic]] = {"length": lengths}
    given = [name for name in _OPTIONAL if any(_known(getattr(r, name)) for r in runs)]
    for name in (*ARRAYS, *given):
        arrays[name] = np.concatenate([getattr(r, name) for r in runs])
    for name in _SCALARS:
        arrays[name] = np.array([getattr(r, name) for r in runs])
    part = path.with_name(f".{path.stem}.part.npz")
    np.savez(part, **arrays)  # type: ignore[arg-type]
    part.replace(path)


def _known(array: NDArray[np.floating]) -> bool:
    return bool(np.isfinite(array).any())


def load_pose_runs(path: Path) -> list[PoseRun]:
    """Read what :func:`save_pose_runs` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        data = {name: stored[name] for name in stored.files}
    arrays = [name for name in (*ARRAYS, *_OPTIONAL) if name in data]
    stops = np.cumsum(data["length"])
    return [
        PoseRun(
            **{name: data[name][i].item() for name in _SCALARS},
            **{name: data[name][start:stop] for name in arrays},
        )
        for i, (start, stop) in enumerate(zip(stops - data["length"], stops, strict=True))
    ]
