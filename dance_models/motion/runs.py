"""From motion clips to the pose runs that networks are pre-trained on.

The motion is the annotation, with visibility 2 where it is known. The estimate is that motion with
simulated errors (:mod:`dance_models.motion.corrupt`), so that a recognition network can be
pre-trained to correct them. A prediction network reads the annotation alone.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.evidence import no_evidence
from dance_models.motion.clip import MotionClip
from dance_models.motion.corrupt import ErrorModel, corrupt
from dance_models.skeleton import DANCE_14, Skeleton

_VISIBLE: Final = 2


def motion_runs(
    clips: Sequence[MotionClip],
    *,
    val_share: float = 0.1,
    seed: int = 0,
    errors: ErrorModel | None = None,
    landmarks: int = 0,
    max_gap_s: float = 0.5,
    min_s: float = 1.0,
    skeleton: Skeleton = DANCE_14,
) -> list[PoseRun]:
    """Pose runs in the order of the clips, split "train" or "val".

    All clips of a source are in one split (:func:`source_splits`). A clip is cut where no joint is
    known for more than ``max_gap_s`` seconds, and pieces shorter than ``min_s`` are left out.
    ``landmarks`` is the number of (missing) landmarks of the runs: that of the runs they are to be
    trained with, since those are stored as one array. A clip's errors depend on ``seed`` and its
    name alone. Raises InputError on clips of the same name or a share outside of 0..1.
    """
    names = [clip.name for clip in clips]
    if len(set(names)) != len(names):
        raise InputError("two motion clips have the same name")
    splits = source_splits((clip.source for clip in clips), val_share=val_share, seed=seed)
    runs = []
    for clip in clips:
        pieces = [p for p in _pieces(clip, max_gap_s) if _seconds(clip, p) >= min_s]
        rng = np.random.default_rng(_hash(f"errors:{seed}:{clip.name}"))
        for number, piece in enumerate(pieces):
            run = _run(clip, piece, splits[clip.source], number, landmarks)
            runs.append(_estimated(run, rng, errors or ErrorModel(), skeleton))
    return runs


def source_splits(
    sources: Iterable[str], *, val_share: float = 0.1, seed: int = 0
) -> dict[str, str]:
    """Split "train" or "val" of every source, by a hash of its name.

    A source stays where it is when others come and go, but of two or more sources at least one is
    in each split, unless the share is 0 or 1. Raises InputError on a share outside of 0..1.
    """
    if not 0 <= val_share <= 1:
        raise InputError(f"{val_share} is no share to validate on", hint="Use 0 to 1")
    place = {source: _hash(f"split:{seed}:{source}") / 2**64 for source in sources}
    splits = {source: "val" if at < val_share else "train" for source, at in place.items()}
    if len(place) > 1 and 0 < val_share < 1:
        splits[min(place, key=lambda s: (place[s], s))] = "val"
        splits[max(place, key=lambda s: (place[s], s))] = "train"
    return splits


def _hash(text: str) -> int:
    """64 bits that do not change with the version of a library."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _pieces(clip: MotionClip, max_gap_s: float) -> Iterator[slice]:
    """Stretches that start and end with a known joint, with no longer gap than ``max_gap_s``."""
    known = np.flatnonzero(np.isfinite(clip.keypoints).all(axis=-1).any(axis=-1))
    if not known.size:
        return
    step = float(np.median(np.diff(clip.time_s))) if len(clip) > 1 else 0.0
    unknown_s = np.diff(clip.time_s[known]) - step
    cuts = np.flatnonzero(unknown_s > max_gap_s) + 1
    for part in np.split(known, cuts):
        yield slice(int(part[0]), int(part[-1]) + 1)


def _seconds(clip: MotionClip, piece: slice) -> float:
    return float(clip.time_s[piece.stop - 1] - clip.time_s[piece.start])


def _run(clip: MotionClip, piece: slice, split: str, number: int, landmarks: int) -> PoseRun:
    """The run whose estimate is still the truth."""
    keypoints = clip.keypoints[piece].copy()
    known = np.asarray(np.isfinite(keypoints).all(axis=-1))
    keypoints[~known] = np.nan
    return PoseRun(
        clip=clip.name,
        style=clip.kind,
        performer="",
        group=clip.source,
        split=split,
        fold=0,
        run=number,
        variant=0,
        width=clip.width,
        height=clip.height,
        frame=np.arange(piece.start, piece.stop, dtype=np.int64),
        time_s=clip.time_s[piece].copy(),
        estimate=keypoints,
        score=np.asarray(known, np.float32),
        landmarks=np.full((len(keypoints), landmarks, keypoints.shape[-1] + 1), np.nan, np.float32),
        evidence=no_evidence(len(keypoints)),
        annotation=keypoints,
        visibility=np.asarray(known * _VISIBLE, np.uint8),
    )


def _estimated(
    run: PoseRun, rng: np.random.Generator, errors: ErrorModel, skeleton: Skeleton
) -> PoseRun:
    estimate, score = corrupt(run.annotation, run.time_s, rng, errors, skeleton)
    return replace(run, estimate=estimate, score=score)
