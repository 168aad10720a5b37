"""The table of estimators: how each is built, what its result depends on, what it needs.

To add an estimator, write it in a separate file, add an entry to ``ESTIMATORS``, and add its
name to ``EstimatorConfig.name``. The entries import their estimators when they are used, so that
this module stays light.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dance_models.config import EstimatorConfig
from dance_models.errors import InputError
from dance_models.estimators.protocol import PoseEstimator
from dance_models.tables import file_digest

ABSENT: Final = "absent"  # the fingerprint of an estimator whose files are missing or unreadable


@dataclass(frozen=True)
class EstimatorEntry:
    """One estimator."""

    # config, weights folder, clip, its number of frames where known
    build: Callable[[EstimatorConfig, Path, str, int | None], PoseEstimator]
    # config, clip, weights folder where known
    fingerprint: Callable[[EstimatorConfig, str, Path | None], str]
    files: Callable[[EstimatorConfig, str], list[Path]]  # those that the fingerprint is over
    needs_weights: bool  # whether the downloaded BlazePose weights must be there


def make_estimator(
    config: EstimatorConfig, weights: Path, clip: str, num_frames: int | None = None
) -> PoseEstimator:
    """Build the estimator that ``config`` names, for one clip.

    ``weights`` is the folder that :func:`weights.fetch_weights` filled. With the ``num_frames`` of
    the clip, precomputed tracks are found to count from 1. Raises InputError when a file the
    estimator needs is missing or unreadable.
    """
    return _entry(config).build(config, weights, clip, num_frames)


def estimator_fingerprint(config: EstimatorConfig, clip: str, weights: Path | None = None) -> str:
    """Digest of what the estimate of ``clip`` depends on besides its frames and ``config``.

    That is the BlazePose weights' version, the clip's precomputed track, or the description and
    the model, and whether the folder ``weights`` has those of the detector where that decides which
    box is used. Needs no weights and loads no model. What is missing or unreadable counts as
    "absent" here; :func:`make_estimator` raises the error.
    """
    try:
        return _entry(config).fingerprint(config, clip, weights)
    except (InputError, OSError):
        return ABSENT


def estimator_files(config: EstimatorConfig, clip: str) -> list[Path]:
    """The files that the fingerprint of ``clip`` is over; none when they are missing.

    Building the estimator reads all of them.
    """
    try:
        return _entry(config).files(config, clip)
    except (InputError, OSError):
        return []


def needs_weights(config: EstimatorConfig) -> bool:
    """Whether :func:`weights.fetch_weights` must run before the estimator is built."""
    return _entry(config).needs_weights


def _entry(config: EstimatorConfig) -> EstimatorEntry:
    if config.name not in ESTIMATORS:
        raise InputError(
            f"unknown estimator {config.name!r}", hint=f"Use one of {', '.join(ESTIMATORS)}"
        )
    return ESTIMATORS[config.name]


# --- BlazePose --------------------------------------------------------------------------------


def _blazepose(
    config: EstimatorConfig, weights: Path, clip: str, num_frames: int | None
) -> PoseEstimator:
    from dance_models.estimators.blazepose.tracker import BlazePose

    return BlazePose(
        weights,
        person=config.person,
        min_detection=config.min_detection,
        min_presence=config.min_presence,
        mirrored_pass=config.mirrored_pass,
        axis_check=config.axis_check,
        threads=config.threads,
    )


def _blazepose_fingerprint(config: EstimatorConfig, clip: str, weights: Path | None) -> str:
    from dance_models.estimators.weights import BLAZEPOSE_VERSION

    return BLAZEPOSE_VERSION


# --- precomputed tracks -----------------------------------------------------------------------


def _tracks_folder(config: EstimatorConfig) -> Path:
    if config.precomputed_dir is None:
        raise InputError(
            "estimator 'precomputed' needs a folder of tracks",
            hint="Set precomputed_dir to the folder that holds one file or folder a clip",
        )
    return Path(config.precomputed_dir)


def _precomputed(
    config: EstimatorConfig, weights: Path, clip: str, num_frames: int | None
) -> PoseEstimator:
    from dance_models.estimators.precomputed import PrecomputedPoses

    return PrecomputedPoses.for_clip(
        _tracks_folder(config),
        clip,
        person=config.person,
        pose_model=config.pose_model,
        num_frames=num_frames,
    )


def _precomputed_fingerprint(config: EstimatorConfig, clip: str, weights: Path | None) -> str:
    from dance_models.estimators.precomputed import content_digest
    from dance_models.estimators.track_folder import files_of_clip

    return content_digest(*files_of_clip(_tracks_folder(config), clip))


def _precomputed_files(config: EstimatorConfig, clip: str) -> list[Path]:
    from dance_models.estimators.track_folder import files_of_clip

    return files_of_clip(_tracks_folder(config), clip)[1]


# --- a model in ONNX --------------------------------------------------------------------------


def _description_file(config: EstimatorConfig) -> Path:
    if config.onnx_description is None:
        raise InputError(
            "estimator 'onnx' needs a description of the model",
            hint="Set onnx_description to the JSON that describes it",
        )
    return Path(config.onnx_description)


def _onnx(
    config: EstimatorConfig, weights: Path, clip: str, num_frames: int | None
) -> PoseEstimator:
    from dance_models.estimators.onnx_topdown import OnnxTopDown

    return OnnxTopDown(
        _description_file(config),
        weights,
        person=config.person,
        min_detection=config.min_detection,
        threads=config.threads,
    )


def _onnx_fingerprint(config: EstimatorConfig, clip: str, weights: Path | None) -> str:
    from dance_models.estimators.onnx_description import read_description
    from dance_models.estimators.weights import BLAZEPOSE_VERSION, missing_weights

    description = read_description(_description_file(config))
    parts = [file_digest(description.file), description.model_sha256, BLAZEPOSE_VERSION]
    if description.box == "auto" and weights is not None and missing_weights(weights):
        parts.append("image")  # else poses of both boxes would count as of one estimator
    return "+".join(parts)


def _onnx_files(config: EstimatorConfig, clip: str) -> list[Path]:
    from dance_models.estimators.onnx_description import read_description

    description = read_description(_description_file(config))
    return [description.file, description.model, *description.weights]


ESTIMATORS: Final = {
    "blazepose": EstimatorEntry(
        _blazepose, _blazepose_fingerprint, lambda config, clip: [], needs_weights=True
    ),
    "precomputed": EstimatorEntry(
        _precomputed, _precomputed_fingerprint, _precomputed_files, needs_weights=False
    ),
    # Its person boxes come from the BlazePose detector when the weights happen to be there.
    "onnx": EstimatorEntry(_onnx, _onnx_fingerprint, _onnx_files, needs_weights=False),
}
