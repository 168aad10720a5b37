"""What a pose estimator is, and what it returns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from dance_models.evidence import NUM_EVIDENCE, no_evidence
from dance_models.skeleton import DANCE_14, Skeleton

_BLOCK: Final = 1000  # frames


@dataclass(frozen=True, eq=False)
class PoseEstimate:
    """One person in one image, in pixels of that image.

    ``keypoints`` is (J, 2) float32 in the order of ``DANCE_14.names``, NaN where a joint is
    missing; ``score`` is (J,) float32 in 0..1, 0 where missing; ``landmarks`` is (L, 3) float32
    with x, y, visibility (L = 33 for BlazePose, 0 for estimators that give no more than the J);
    ``evidence`` is (L, E) float32, what :data:`dance_models.evidence.EVIDENCE` names.
    """

    keypoints: NDArray[np.float32]
    score: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    evidence: NDArray[np.float32] = field(default_factory=no_evidence)


class PoseEstimator(Protocol):
    """Finds one person in the frames of a run, which come in ascending order."""

    name: str
    version: str  # changes whenever the same images would give other keypoints

    def start_run(self) -> None:
        """Forget the frames seen so far, so that a run's result depends on that run alone."""

    def estimate(self, image: NDArray[np.uint8], frame: int) -> PoseEstimate | None:
        """Return the pose in an RGB image (H, W, 3), or None when no person is found.

        ``frame`` is the index in the source clip.
        """


def notes_of(estimator: PoseEstimator) -> tuple[str, ...]:
    """What an estimator says about the files that it reads; most say nothing."""
    notes: tuple[str, ...] = getattr(estimator, "notes", ())
    return notes


def size_notes_of(estimator: PoseEstimator, size: tuple[int, int]) -> tuple[str, ...]:
    """What the width and height of the video say about those files; most say nothing."""
    notes: Callable[[tuple[int, int]], tuple[str, ...]] | None
    notes = getattr(estimator, "size_notes", None)
    return () if notes is None else notes(size)


def stacked(found: Sequence[PoseEstimate | None], skeleton: Skeleton = DANCE_14) -> PoseEstimate:
    """The estimates of T frames as arrays (T, ...); NaN and score 0 in frames without a person."""
    seen = [pose for pose in found if pose is not None]
    landmarks = max((len(pose.landmarks) for pose in seen), default=0)
    evidence = max((len(pose.evidence) for pose in seen), default=0)
    whole = _nobody(len(found), landmarks, evidence, skeleton)
    for frame, pose in enumerate(found):
        if pose is not None:
            for into, values in zip(_arrays(whole), _arrays(pose), strict=True):
                into[frame] = values
    return whole


class EstimateStack:
    """The estimates of a video as they come, as :func:`stacked` has them at the end.

    Arrays that grow in place: as objects, or joined at the end, they take twice the memory.
    """

    def __init__(self) -> None:
        self._whole = _nobody(0, 0, 0, DANCE_14)
        self._newest: list[PoseEstimate | None] = []

    def add(self, pose: PoseEstimate | None) -> None:
        """The next frame; None without a person."""
        self._newest.append(pose)
        if len(self._newest) == _BLOCK:
            self._close()

    def taken(self) -> PoseEstimate:
        """The arrays of all frames; nothing is added after that."""
        self._close()
        return self._whole

    def _close(self) -> None:
        block, self._newest = stacked(self._newest), []
        first = len(self._whole.keypoints)
        if not first:
            self._whole = block
            return
        if not self._whole.landmarks.shape[1] and block.landmarks.shape[1]:
            self._widen(block)
        for whole, values in zip(_arrays(self._whole), _arrays(block), strict=True):
            whole.resize((first + len(values), *whole.shape[1:]), refcheck=False)
            # A block without anybody has no landmarks.
            whole[first:] = values if values.shape[1] == whole.shape[1] else np.nan

    def _widen(self, block: PoseEstimate) -> None:
        """Nobody had landmarks before this block."""
        before = self._whole
        counts = block.landmarks.shape[1], block.evidence.shape[1]
        self._whole = _nobody(len(before.keypoints), *counts, DANCE_14)
        self._whole.keypoints[:], self._whole.score[:] = before.keypoints, before.score


def _nobody(frames: int, landmarks: int, evidence: int, skeleton: Skeleton) -> PoseEstimate:
    """Arrays (T, ...) of frames without a person."""
    joints = (skeleton.num_joints, skeleton.dimensions)
    return PoseEstimate(
        np.full((frames, *joints), np.nan, np.float32),
        np.zeros((frames, joints[0]), np.float32),
        np.full((frames, landmarks, joints[1] + 1), np.nan, np.float32),
        np.full((frames, evidence, NUM_EVIDENCE), np.nan, np.float32),
    )


def _arrays(pose: PoseEstimate) -> tuple[NDArray[np.float32], ...]:
    return pose.keypoints, pose.score, pose.landmarks, pose.evidence


def no_landmarks() -> NDArray[np.float32]:
    """(0, 3): the landmarks of an estimator that gives none."""
    return np.zeros((0, 3), dtype=np.float32)
