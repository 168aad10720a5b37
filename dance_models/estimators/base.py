"""The estimator protocol, and the one place that turns a configuration into an estimator."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dance_models.config import EstimatorConfig
from dance_models.errors import InputError
from dance_models.tables import file_digest


@dataclass(frozen=True, eq=False)
class PoseEstimate:
    """One person in one image, in pixels of that image.

    ``keypoints`` is (14, 2) float32 in the order of ``skeleton.JOINTS``, NaN where a joint is
    missing; ``score`` is (14,) float32 in 0..1, 0 where missing; ``landmarks`` is (L, 3) float32
    with x, y, visibility (L = 33 for BlazePose, 0 for estimators that give no more than the 14).
    """

    keypoints: NDArray[np.float32]
    score: NDArray[np.float32]
    landmarks: NDArray[np.float32]


class PoseEstimator(Protocol):
    """Finds one person in the frames of a run, which come in ascending order."""

    name: str
    version: str  # changes whenever the same images would give other keypoints

    def start_run(self) -> None:
        """Forget what earlier frames told, so that a run's result depends on that run alone."""

    def estimate(self, image: NDArray[np.uint8], frame: int) -> PoseEstimate | None:
        """Return the pose in an RGB image (H, W, 3), or None when nobody is found.

        ``frame`` is the index in the source clip.
        """


def no_landmarks() -> NDArray[np.float32]:
    """(0, 3): the landmarks of an estimator that gives none."""
    return np.zeros((0, 3), dtype=np.float32)


def make_estimator(config: EstimatorConfig, weights: Path, clip: str) -> PoseEstimator:
    """Build the estimator that ``config`` names, for one clip.

    ``weights`` is the folder that :func:`weights.fetch_weights` filled. Raises InputError when
    a file the estimator needs is missing or unreadable.
    """
    if config.name == "blazepose":
        from dance_models.estimators.blazepose import BlazePose

        return BlazePose(
            weights,
            person=config.person,
            min_detection=config.min_detection,
            min_presence=config.min_presence,
            threads=config.threads,
        )
    if config.name == "precomputed":
        from dance_models.estimators.precomputed import PrecomputedPoses

        if config.precomputed_dir is None:
            raise InputError(
                "estimator 'precomputed' needs a folder of tracks",
                hint="Set precomputed_dir to the folder that holds one JSON a clip",
            )
        return PrecomputedPoses.for_clip(Path(config.precomputed_dir), clip, person=config.person)
    if config.name == "onnx":
        from dance_models.estimators.onnx_topdown import OnnxTopDown

        if config.onnx_description is None:
            raise InputError(
                "estimator 'onnx' needs a description of the model",
                hint="Set onnx_description to the JSON that describes it",
            )
        return OnnxTopDown(
            Path(config.onnx_description),
            weights,
            person=config.person,
            min_detection=config.min_detection,
            threads=config.threads,
        )
    raise InputError(
        f"unknown estimator {config.name!r}", hint="Use blazepose, precomputed or onnx"
    )


def estimator_fingerprint(config: EstimatorConfig, clip: str) -> str:
    """Digest of what the estimate of ``clip`` depends on besides its frames and ``config``.

    That is the BlazePose weights' version, the clip's precomputed track, or the description and
    the model. Needs no weights and loads no model. What is missing or unreadable counts as
    "absent" here; :func:`make_estimator` raises the error.
    """
    from dance_models.estimators.weights import BLAZEPOSE_VERSION

    try:
        if config.name == "precomputed" and config.precomputed_dir is not None:
            from dance_models.estimators.precomputed import content_digest, find_track

            return content_digest(find_track(Path(config.precomputed_dir), clip))
        if config.name == "onnx" and config.onnx_description is not None:
            from dance_models.estimators.onnx_description import read_description

            description = read_description(Path(config.onnx_description))
            parts = (file_digest(description.file), description.model_sha256, BLAZEPOSE_VERSION)
            return "+".join(parts)
    except (InputError, OSError):
        return "absent"
    return BLAZEPOSE_VERSION if config.name == "blazepose" else "absent"
