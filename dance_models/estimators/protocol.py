"""What a pose estimator is, and what it returns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dance_models.evidence import NUM_EVIDENCE, no_evidence
from dance_models.skeleton import DANCE_14, Skeleton


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


def stacked(found: Sequence[PoseEstimate | None], skeleton: Skeleton = DANCE_14) -> PoseEstimate:
    """The estimates of T frames as arrays (T, ...); NaN and score 0 in frames without a person."""
    seen = [pose for pose in found if pose is not None]
    counts = {
        name: max((len(getattr(pose, name)) for pose in seen), default=0)
        for name in ("landmarks", "evidence")
    }
    joints, frames = (skeleton.num_joints, skeleton.dimensions), len(found)
    whole = PoseEstimate(
        np.full((frames, *joints), np.nan, np.float32),
        np.zeros((frames, joints[0]), np.float32),
        np.full((frames, counts["landmarks"], joints[1] + 1), np.nan, np.float32),
        np.full((frames, counts["evidence"], NUM_EVIDENCE), np.nan, np.float32),
    )
    for frame, pose in enumerate(found):
        if pose is not None:
            for into, values in zip(_arrays(whole), _arrays(pose), strict=True):
                into[frame] = values
    return whole


def _arrays(pose: PoseEstimate) -> tuple[NDArray[np.float32], ...]:
    return pose.keypoints, pose.score, pose.landmarks, pose.evidence


def no_landmarks() -> NDArray[np.float32]:
    """(0, 3): the landmarks of an estimator that gives none."""
    return np.zeros((0, 3), dtype=np.float32)
