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
from dance_models.evidence import no_evidence
from dance_models.files import archive_damage, replacing
from dance_models.skeleton import Skeleton

_NOT_GIVEN: Final[NDArray[np.float32]] = np.zeros(0, np.float32)
_NONE_DERIVED: Final[NDArray[np.bool_]] = np.zeros(0, np.bool_)


@dataclass(frozen=True, eq=False)
class PoseRun:
    """Contiguous real frames of one clip. T frames, J joints, D dimensions; pixels in 2-D.

    Missing coordinates are NaN, missing scores 0. ``annotation`` is NaN and ``visibility`` 0
    wherever there is no annotation. ``landmarks`` is (T, L, D + 1): coordinates, then visibility;
    L is 0 when the estimator reports none. ``evidence`` is (T, L, E), what
    :data:`dance_models.evidence.EVIDENCE` names of each landmark; NaN where it is not known, and
    (T, 0, E) when no frame has any.

    ``consensus`` is the truth in the estimator's own definition of each joint, where it is known:
    rendered motion alone has it (:mod:`dance_models.rendered.consensus`). Without it, all NaN.

    ``derived`` says which annotated joints were derived from others.
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
    evidence: NDArray[np.float32]  # (T, L, E) or (T, 0, E)
    annotation: NDArray[np.float32]  # (T, J, D)
    visibility: NDArray[np.uint8]  # (T, J) 0 absent, 1 occluded, 2 visible
    consensus: NDArray[np.float32] = field(default_factory=lambda: _NOT_GIVEN)  # (T, J, D)
    derived: NDArray[np.bool_] = field(default_factory=lambda: _NONE_DERIVED)  # (T, J)

    def __post_init__(self) -> None:
        if self.consensus is _NOT_GIVEN:
            object.__setattr__(self, "consensus", np.full_like(self.annotation, np.nan))
        if self.derived is _NONE_DERIVED:
            object.__setattr__(self, "derived", np.zeros_like(self.visibility, np.bool_))

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def annotated(self) -> NDArray[np.bool_]:
        """(T,) whether the frame has at least one annotated joint."""
        return np.asarray((self.visibility > 0).any(axis=1))


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


# The fields with an entry for each frame.
ARRAYS: Final = (
    "frame", "time_s", "estimate", "score", "landmarks", "evidence", "annotation", "visibility",
    "consensus", "derived",
)  # fmt: skip
# Absent from files that were written before there was one.
_OPTIONAL: Final = ("consensus", "derived")
_SCALARS: Final = tuple(f.name for f in fields(PoseRun) if f.name not in ARRAYS)


def frames_of(run: PoseRun, chosen: slice | NDArray[np.bool_] | NDArray[np.int64]) -> PoseRun:
    """The run with some of its frames alone, ``chosen`` as numpy indexes the first axis."""
    return replace(run, **{name: getattr(run, name)[chosen] for name in ARRAYS})


def save_pose_runs(runs: Sequence[PoseRun], path: Path) -> None:
    """Write all runs to one uncompressed ``.npz`` (no pickle). Raises ValueError on no runs."""
    if not runs:
        raise ValueError("no pose runs to save")
    lengths = np.array([len(r) for r in runs], dtype=np.int64)
    arrays: dict[str, NDArray[np.generic]] = {"length": lengths}
    absent = {name for name in _OPTIONAL if not any(_known(getattr(r, name)) for r in runs)}
    for name in (name for name in ARRAYS if name not in absent):
        arrays[name] = np.concatenate([getattr(r, name) for r in runs])
    for name in _SCALARS:
        arrays[name] = np.array([getattr(r, name) for r in runs])
    with replacing(path) as part, part.open("wb") as file:  # a file: numpy would add a suffix
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _known(array: NDArray[np.generic]) -> bool:
    return bool(array.any() if array.dtype == np.bool_ else np.isfinite(array).any())


def is_whole(path: Path) -> bool:
    """Whether the runs in a file can be read, and its checksums hold. Raises OSError.

    The checksums do not cover the names of what is in it, nor how much there is.
    """
    if archive_damage(path) is not None:
        return False
    try:
        load_pose_runs(path)
    except Exception:  # of any kind, as what a file lacks is missed in many places
        return False
    return True


def load_pose_runs(path: Path) -> list[PoseRun]:
    """Read what :func:`save_pose_runs` wrote; a file from before the evidence has none."""
    with np.load(path, allow_pickle=False) as stored:
        data = {name: stored[name] for name in stored.files}
    stops = np.cumsum(data["length"])
    data.setdefault("evidence", no_evidence(int(data["length"].sum())))
    arrays = [name for name in ARRAYS if name in data]
    return [
        PoseRun(
            **{name: data[name][i].item() for name in _SCALARS},
            **{name: data[name][start:stop] for name in arrays},
        )
        for i, (start, stop) in enumerate(zip(stops - data["length"], stops, strict=True))
    ]
