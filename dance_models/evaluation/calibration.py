"""``calibrated``: a linear map from the estimator's joint definitions to the annotators'.

Estimators and annotators place joints such as "head top" or "hip" differently. The difference is
fixed in the body frame, so a linear map learns it from the training split in a second. A network
has to beat this row, and not only the raw estimate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.evaluation.filters import recognition_score
from dance_models.geometry import pelvis
from dance_models.metrics.torso import torso_scale, visible_annotation
from dance_models.skeleton import DANCE_14

STRENGTHS: Final = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)  # of the ridge, as a share of the frames
# Hops along the skeleton whose joints are features.
NEIGHBOURHOODS: Final = (0, 1, 2, DANCE_14.num_joints)
_OUTLIER: Final = 0.5  # torsos; pairs further apart are detection failures, not definitions


@dataclass(frozen=True, eq=False)
class BodyFrame:
    """Origin (T, 2) in pixels and axes (T, 2, 2) whose rows are right and down, in torsos.

    Down points from neck to mid-hip. The unit is the median torso of the run, so that errors are
    not exaggerated in foreshortened frames.
    """

    origin: NDArray[np.float64]
    axes: NDArray[np.float64]
    unit: float

    @classmethod
    def of(cls, estimate: NDArray[np.floating]) -> "BodyFrame":
        """Body frame of each frame of (T, J, 2) keypoints; NaN where neck or a hip is missing."""
        pose = estimate.astype(np.float64)
        down = pelvis(pose) - pose[:, DANCE_14.centre]
        length = np.linalg.norm(down, axis=-1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            down = np.where(length > 0, down / length, np.nan)
        right = np.stack([down[:, 1], -down[:, 0]], axis=-1)
        centre = np.asarray(pelvis(pose), np.float64)
        return cls(centre, np.stack([right, down], axis=1), torso_scale(pose))

    def inward(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Pixels (T, J, 2) to body coordinates in torsos."""
        offset = points.astype(np.float64) - self.origin[:, None]
        return np.asarray(np.einsum("tac,tjc->tja", self.axes, offset) / self.unit)

    def outward(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Body vectors (T, J, 2) in torsos to pixel offsets."""
        return np.asarray(np.einsum("tac,tja->tjc", self.axes, vectors) * self.unit)


@dataclass(frozen=True, eq=False)
class Calibration:
    """The fitted map: body coordinates of joints near j -> correction of joint j, in torsos."""

    weights: NDArray[np.float64]  # (J, 2 J + 1, 2): coordinates and a constant -> x, y
    hops: int
    strength: float

    def __call__(self, runs: Sequence[PoseRun]) -> list[NDArray[np.float32]]:
        """Calibrated keypoints, one (T, J, 2) array a run, pixels.

        Frames without neck or hips keep the raw estimate; a missing joint stays missing.
        """
        return [self._apply(run) for run in runs]

    def _apply(self, run: PoseRun) -> NDArray[np.float32]:
        frame = BodyFrame.of(run.estimate)
        correction = np.einsum("tf,jfc->tjc", _features(frame.inward(run.estimate)), self.weights)
        moved = run.estimate + frame.outward(correction)
        return np.where(np.isfinite(moved), moved, run.estimate).astype(np.float32)


def _features(body: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, J, 2) body coordinates -> (T, 2 J + 1); a missing joint is placed at the pelvis.

    Rows without a body frame stay NaN.
    """
    flat = body.reshape(len(body), -1)
    lost = np.asarray(np.isnan(flat).all(axis=1))
    flat = np.where(np.isnan(flat) & ~lost[:, None], 0, flat)
    return np.concatenate([flat, np.where(lost, np.nan, 1.0)[:, None]], axis=1)


def fit_calibration(train: Sequence[PoseRun], validation: Sequence[PoseRun]) -> Calibration:
    """Fit on the original training runs; neighbourhood and ridge strength chosen on validation.

    Every frame is used twice, as it is and mirrored, so that left and right are treated alike.
    Without validation data the strongest ridge on the joint itself is used. Raises InputError when
    no training frame has both an estimate with neck and hips and an annotation.
    """
    features, targets, masks = _pairs([run for run in train if run.variant == 0])
    candidates = [
        Calibration(_solve(features, targets, masks, hops, strength), hops, strength)
        for hops in NEIGHBOURHOODS
        for strength in sorted(STRENGTHS, reverse=True)
    ]
    if not any(run.annotated.any() for run in validation):
        return candidates[0]
    scores = [recognition_score(validation, candidate(validation)) for candidate in candidates]
    return candidates[int(np.argmax(scores))]


def _pairs(
    runs: Sequence[PoseRun],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Features (N, 2 J + 1), target corrections (N, J, 2) in torsos, and which are known (N, J)."""
    features, targets = [], []
    for run in runs:
        truth = visible_annotation(run)
        for estimate, annotation in (
            (run.estimate, truth),
            (_mirror(run.estimate), _mirror(truth)),
        ):
            frame = BodyFrame.of(estimate)
            body = frame.inward(estimate)
            features.append(_features(body))
            targets.append(frame.inward(annotation) - body)
    if not features:
        raise InputError("no training runs to calibrate the estimator on")
    all_features, all_targets = np.concatenate(features), np.concatenate(targets)
    with np.errstate(invalid="ignore"):
        close = np.linalg.norm(all_targets, axis=-1) < _OUTLIER
    usable = np.isfinite(all_features).all(axis=1) & close.any(axis=1)
    if not usable.any():
        raise InputError(
            "no training frame has both an estimated and an annotated pose",
            hint="Annotate frames in which the estimator finds neck and hips",
        )
    return all_features[usable], all_targets[usable], close[usable]


def _mirror(points: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(points[:, list(DANCE_14.mirror)] * np.array([-1.0, 1.0]))


def _solve(
    features: NDArray[np.float64],
    targets: NDArray[np.float64],
    masks: NDArray[np.bool_],
    hops: int,
    strength: float,
) -> NDArray[np.float64]:
    """Ridge regression of each joint on those within ``hops``; the constant is not penalised."""
    weights = np.zeros((DANCE_14.num_joints, features.shape[1], 2))
    near = DANCE_14.hop_distance() <= hops
    for joint in range(DANCE_14.num_joints):
        rows = masks[:, joint]
        if not rows.any():
            continue
        columns = np.append(np.flatnonzero(np.repeat(near[joint], 2)), features.shape[1] - 1)
        x, y = features[rows][:, columns], targets[rows, joint]
        penalty = np.full(len(columns), strength * len(x))
        penalty[-1] = 1e-9 * len(x)
        weights[joint][columns] = np.linalg.solve(x.T @ x + np.diag(penalty), x.T @ y)
    return weights
