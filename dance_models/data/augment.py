"""Augmentation of training runs: one geometric draw per run and variant, stored and audited.

The geometry (mirror, rotation, scale about the image centre) is drawn once for a whole run and
applied to all its frames, keypoints and landmarks alike; a draw per frame would destroy the motion.
A reflection swaps left and right. Noise and dropout change the **estimate** only: the annotation
stays the ground truth.
"""

import hashlib
import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dance_models.config import AugmentConfig
from dance_models.data.pose_runs import PoseRun, check_skeleton
from dance_models.errors import InputError
from dance_models.evidence import MIRRORED_XY, turned
from dance_models.metrics.torso import median_torso
from dance_models.skeleton import DANCE_14, Skeleton

Draw = Mapping[str, float | int | bool]


def _rng(config: AugmentConfig, run: PoseRun, variant: int, purpose: str) -> np.random.Generator:
    key = f"{purpose}:{config.seed}:{run.clip}:{run.run}:{variant}"
    return np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big"))


def draw_geometry(run: PoseRun, config: AugmentConfig, variant: int) -> dict[str, float | bool]:
    """The draw of a run and variant: flip, rotation_deg (clockwise on screen), scale."""
    rng = _rng(config, run, variant, "geometry")
    return {
        "flip": bool(rng.random() < config.flip_probability),
        "rotation_deg": float(rng.uniform(-config.rotation_deg, config.rotation_deg)),
        "scale": float(rng.uniform(*config.scale)),
    }


def _albumentations() -> ModuleType:
    """The package, imported without the request for its newest version that it makes on import.

    Its own switch is an environment variable of the whole process, which is not ours to set. So
    the module that makes the request is replaced by an empty one during the import.
    """
    request = "albumentations.check_version"
    if "albumentations" not in sys.modules:
        sys.modules[request] = _NoRequest(request)
        try:
            importlib.import_module("albumentations")
        finally:
            del sys.modules[request]
    return importlib.import_module("albumentations")


class _NoRequest(ModuleType):
    @staticmethod
    def check_for_updates() -> None:
        """Request nothing."""


def _geometry(draw: Draw) -> Any:  # albumentations.Compose, which has no types
    """Mirror, then rotation and scale about the image centre, all as drawn."""
    albumentations = _albumentations()
    angle, scale = -float(draw["rotation_deg"]), float(draw["scale"])
    steps = [albumentations.HorizontalFlip(p=1)] if draw["flip"] else []
    if angle != 0 or scale != 1:
        steps.append(
            albumentations.Affine(rotate=(angle, angle), scale=(scale, scale), keep_ratio=True, p=1)
        )
    # remove_invisible=False keeps all rows: joints outside the image, and NaN ones, stay in place
    keypoints = albumentations.KeypointParams(format="xy", remove_invisible=False)
    return albumentations.Compose(steps or [albumentations.NoOp()], keypoint_params=keypoints)


def _transform(
    points: Sequence[NDArray[np.float32]], width: int, height: int, draw: Draw
) -> list[NDArray[np.float32]]:
    """Apply the draw to several (..., 2) arrays of pixel coordinates in one call."""
    flat = np.concatenate([p.reshape(-1, 2) for p in points]).astype(np.float32)
    if not len(flat):
        return [p.copy() for p in points]
    dummy = np.zeros((height, width, 1), np.uint8)  # albumentations requires an image
    moved = _geometry(draw)(image=dummy, keypoints=flat)["keypoints"].astype(np.float32)
    stops = np.cumsum([p.size // 2 for p in points])[:-1]
    return [m.reshape(p.shape) for m, p in zip(np.split(moved, stops), points, strict=True)]


def augment_run(
    run: PoseRun, config: AugmentConfig, variant: int, skeleton: Skeleton = DANCE_14
) -> tuple[PoseRun, dict[str, float | int | bool]]:
    """An augmented copy of a run, and what was drawn for it (the audit row).

    All draws follow from (seed, clip, run, variant). Annotated joints that leave the image
    get visibility 0 and NaN. Jitter is Gaussian with ``keypoint_jitter`` times the run's
    median torso; a dropped joint is NaN with score 0. Raises InputError for a split other than
    training, for variant 0, for poses that are not 2-D and for landmarks that the skeleton does
    not know how to mirror.
    """
    check_skeleton([run], skeleton)
    if skeleton.dimensions != 2:
        raise InputError("stored augmentation works in the image plane", file=run.clip)
    if run.split != "train" or variant < 1:
        raise InputError(
            f"variant {variant} of a run in split {run.split!r} cannot be made",
            file=run.clip,
            hint="Only training runs are augmented, and variant 0 is the original",
        )
    draw = draw_geometry(run, config, variant)
    moved = _moved(run, draw, skeleton)
    annotation, visibility = moved.annotation, moved.visibility
    lost = (visibility > 0) & ~_inside(annotation, run.width, run.height)
    visibility[lost] = 0
    annotation[visibility == 0] = np.nan

    jitter_px = config.keypoint_jitter * _unit(annotation, moved.estimate, skeleton)
    rng = _rng(config, run, variant, "estimate")
    estimate, dropped = _noisy(moved.estimate, jitter_px, config.keypoint_dropout, rng)
    moved.score[dropped] = 0
    audit = {
        "jitter_px": float(jitter_px),
        "dropped_joints": int(dropped.sum()),
        "joints_left_image": int(lost.sum()),
    }
    return replace(moved, variant=variant, estimate=estimate), {**draw, **audit}


def _moved(run: PoseRun, draw: Draw, skeleton: Skeleton) -> PoseRun:
    """A copy of the run under the drawn geometry, left and right swapped where it mirrors."""
    moving = [run.estimate, run.annotation, run.consensus]
    marks = [run.landmarks[..., :2], run.evidence[..., MIRRORED_XY]]
    estimate, annotation, consensus, landmark_xy, mirrored_xy = _transform(
        [*moving, *marks], run.width, run.height, draw
    )
    landmarks = np.concatenate([landmark_xy, run.landmarks[..., 2:]], axis=-1)
    evidence = turned(run.evidence, _turn(draw), float(draw["scale"]))
    evidence[..., MIRRORED_XY] = mirrored_xy
    score, visibility, derived = run.score.copy(), run.visibility.copy(), run.derived
    if draw["flip"]:
        swap = list(skeleton.mirror)
        estimate, annotation = estimate[:, swap], annotation[:, swap]
        consensus = consensus[:, swap]
        score, visibility, derived = score[:, swap], visibility[:, swap], derived[:, swap]
        landmarks = _mirror_landmarks(landmarks, run.clip, skeleton)
        evidence = _mirror_landmarks(evidence, run.clip, skeleton)
    return replace(
        run,
        estimate=estimate,
        score=score,
        landmarks=landmarks.astype(np.float32),
        evidence=evidence,
        annotation=annotation,
        visibility=visibility,
        consensus=consensus,
        derived=derived,
    )


def _turn(draw: Draw) -> NDArray[np.float64]:
    """(2, 2) the drawn rotation, clockwise on screen (y down), after the drawn reflection."""
    angle = np.radians(float(draw["rotation_deg"]))
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]]) * (-1 if draw["flip"] else 1, 1)


def _noisy(
    estimate: NDArray[np.float32], jitter_px: float, dropout: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Keypoints (T, J, 2) with jitter, NaN where dropped, and which are dropped (T, J)."""
    noise = rng.normal(0, 1, estimate.shape).astype(np.float32)
    moved = estimate + noise * np.float32(jitter_px)
    dropped = (rng.random(moved.shape[:-1]) < dropout) & np.isfinite(moved).all(-1)
    moved[dropped] = np.nan
    return moved, dropped


def _mirror_landmarks(
    landmarks: NDArray[np.float32], clip: str, skeleton: Skeleton
) -> NDArray[np.float32]:
    if landmarks.shape[1] == 0:
        return landmarks
    if landmarks.shape[1] != skeleton.num_landmarks:
        raise InputError(
            f"{landmarks.shape[1]} landmarks have no known left/right pairs",
            file=clip,
            hint="Leave them out of the table or set flip_probability to 0",
        )
    return landmarks[:, list(skeleton.landmark_mirror)]


def _inside(points: NDArray[np.float32], width: int, height: int) -> NDArray[np.bool_]:
    """Whether (..., 2) points lie on the pixels of the image; pixel centres are integers."""
    x, y = points[..., 0], points[..., 1]
    return (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)


def _unit(
    annotation: NDArray[np.float32], estimate: NDArray[np.float32], skeleton: Skeleton
) -> float:
    """Median torso in pixels, of the annotation, else of the estimate; 0 when neither shows it."""
    torsos = [median_torso(poses, skeleton=skeleton) for poses in (annotation, estimate)]
    known = [torso for torso in torsos if np.isfinite(torso)]
    return known[0] if known else 0.0
