"""Augmentation of training runs: one geometric draw a run and variant, stored and audited.

The geometry (mirror, rotation, scale about the image centre) is drawn once for a whole run and
applied to all its frames, keypoints and landmarks alike; a draw a frame would destroy the motion.
A reflection swaps left and right. Noise and dropout touch the **estimate** alone: the annotation
stays the truth.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dance_models.config import AugmentConfig
from dance_models.data.pose_runs import PoseRun
from dance_models.data.refine_windows import BLAZEPOSE_MIRROR
from dance_models.errors import InputError
from dance_models.metrics.torso import median_torso
from dance_models.skeleton import MIRROR

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


def _geometry(draw: Draw) -> Any:  # albumentations.Compose; the package is not typed for us
    """Mirror, then rotation and scale about the image centre, with nothing left to chance."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network when imported
    import albumentations

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
    dummy = np.zeros((height, width, 1), np.uint8)  # albumentations insists on an image
    moved = _geometry(draw)(image=dummy, keypoints=flat)["keypoints"].astype(np.float32)
    stops = np.cumsum([p.size // 2 for p in points])[:-1]
    return [m.reshape(p.shape) for m, p in zip(np.split(moved, stops), points, strict=True)]


def augment_run(
    run: PoseRun, config: AugmentConfig, variant: int
) -> tuple[PoseRun, dict[str, float | int | bool]]:
    """Augmented copy of a run and what was drawn for it (the audit row).

    Everything follows from (seed, clip, run, variant). Annotated joints that leave the image
    become visibility 0 and NaN. Jitter is Gaussian with ``keypoint_jitter`` times the run's
    median torso; a dropped joint is NaN with score 0. Raises InputError for a split other than
    training, for variant 0 and for landmarks that are not BlazePose's.
    """
    if run.split != "train" or variant < 1:
        raise InputError(
            f"variant {variant} of a run in split {run.split!r} cannot be made",
            file=run.clip,
            hint="Only training runs are augmented, and variant 0 is the original",
        )
    draw = draw_geometry(run, config, variant)
    estimate, annotation, landmark_xy = _transform(
        [run.estimate, run.annotation, run.landmarks[..., :2]], run.width, run.height, draw
    )
    landmarks = np.concatenate([landmark_xy, run.landmarks[..., 2:]], axis=-1)
    score, visibility = run.score.copy(), run.visibility.copy()
    if draw["flip"]:
        swap = list(MIRROR)
        estimate, annotation = estimate[:, swap], annotation[:, swap]
        score, visibility = score[:, swap], visibility[:, swap]
        landmarks = _mirror_landmarks(landmarks, run.clip)
    inside = _inside(annotation, run.width, run.height)
    lost = (visibility > 0) & ~inside
    visibility[lost] = 0
    annotation[visibility == 0] = np.nan

    rng = _rng(config, run, variant, "estimate")
    jitter_px = config.keypoint_jitter * _unit(annotation, estimate)
    estimate = estimate + rng.normal(0, 1, estimate.shape).astype(np.float32) * np.float32(
        jitter_px
    )
    dropped = (rng.random(score.shape) < config.keypoint_dropout) & np.isfinite(estimate).all(-1)
    estimate[dropped], score[dropped] = np.nan, 0
    copy = replace(
        run,
        variant=variant,
        estimate=estimate,
        score=score,
        landmarks=landmarks.astype(np.float32),
        annotation=annotation,
        visibility=visibility,
    )
    audit = {
        "jitter_px": float(jitter_px),
        "dropped_joints": int(dropped.sum()),
        "joints_left_image": int(lost.sum()),
    }
    return copy, {**draw, **audit}


def _mirror_landmarks(landmarks: NDArray[np.float32], clip: str) -> NDArray[np.float32]:
    if landmarks.shape[1] == 0:
        return landmarks
    if landmarks.shape[1] != len(BLAZEPOSE_MIRROR):
        raise InputError(
            f"{landmarks.shape[1]} landmarks have no known left/right pairs",
            file=clip,
            hint="Leave them out of the table or set flip_probability to 0",
        )
    return landmarks[:, list(BLAZEPOSE_MIRROR)]


def _inside(points: NDArray[np.float32], width: int, height: int) -> NDArray[np.bool_]:
    """Whether (..., 2) points lie on the pixels of the image; pixel centres are integers."""
    x, y = points[..., 0], points[..., 1]
    return (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)


def _unit(annotation: NDArray[np.float32], estimate: NDArray[np.float32]) -> float:
    """Median torso in pixels, of the annotation or else the estimate; 0 when neither shows it."""
    known = [t for t in map(median_torso, (annotation, estimate)) if np.isfinite(t)]
    return known[0] if known else 0.0


def augment_images(
    images: NDArray[np.uint8], run: PoseRun, config: AugmentConfig, variant: int
) -> NDArray[np.uint8]:
    """The images (T, H, W, 3) of a run under the same geometry as :func:`augment_run`.

    Pixel noise (standard deviation ``pixel_noise`` grey levels) is drawn a frame, Gaussian blur
    with a kernel of up to ``blur_limit`` in half of the frames; neither moves anything. Regions
    from outside the image are black. Raises InputError when the images are not of the run's size.
    """
    if images.shape[1:] != (run.height, run.width, 3):
        raise InputError(
            f"images of shape {images.shape[1:]} do not match {run.height}x{run.width} frames",
            file=run.clip,
        )
    moved = _geometry(draw_geometry(run, config, variant))(images=images)["images"]
    import albumentations

    noise = config.pixel_noise / 255
    pixels = albumentations.Compose(
        [
            albumentations.GaussianBlur(blur_limit=(3, max(3, config.blur_limit)), p=0.5),
            albumentations.GaussNoise(std_range=(noise, noise), p=1 if noise > 0 else 0),
        ],
        seed=int(_rng(config, run, variant, "pixels").integers(2**31)),
    )
    if not len(moved):
        return images.copy()
    return np.stack([pixels(image=frame)["image"] for frame in moved])
