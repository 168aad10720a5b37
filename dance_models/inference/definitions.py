"""What a joint is, kept apart from where it is wrong.

Annotators and estimators place joints differently: the annotators' neck is not the estimator's. A
network that was trained on annotations learns to move the joints to the annotators' definition
*and* to repair the estimator's errors. On a video of one's own only the repair is wanted: the
definition part is taken out of the correction.

A definition is fixed in the body. Of a joint's correction, the part that it explains is therefore a
sum of three directions of the body, each times one number for the whole run: from the hips to the
neck, from the right hip (or shoulder) to the left one, and along the bone that ends in the joint.
The numbers are fitted by ridge regression.

What is left of the correction is applied by a share (:data:`APPLIED`): a network is surer of itself
on pictures of another kind than it should be.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.data.refine_windows import frame_scales
from dance_models.geometry import middle, pelvis
from dance_models.skeleton import DANCE_14, Skeleton

Array = NDArray[np.floating]

# As a share of the frames, of squared torso lengths.
RIDGE: Final = 1e-3
# Torso lengths: a larger correction repairs an error, and tells less of the definition.
LARGEST: Final = 0.1
# Share of the repair that is applied. Chosen on rendered motion that the network never saw, with
# the consensus as truth: PCK of the limbs, mean of 0.05 and 0.1, is 54.9 for raw, 55.9 for
# the whole repair, 56.2 for three quarters and for a half. Of equals, the smaller change.
APPLIED: Final = 0.5


def repaired(
    estimate: Array, pose: Array, *, causal: bool = False, skeleton: Skeleton = DANCE_14
) -> NDArray[np.float32]:
    """A run's refined ``pose`` in the estimator's definition of the joints, (T, J, D) pixels.

    ``estimate`` is what was refined; where it is missing, the refined pose stays.
    """
    correction = np.asarray(pose, np.float64) - estimate
    part = definition_part(estimate, correction, causal=causal, skeleton=skeleton)
    moved = estimate + APPLIED * (correction - part)
    return np.where(np.isfinite(moved), moved, pose - part).astype(np.float32)


def definition_part(
    pose: Array, correction: Array, *, causal: bool = False, skeleton: Skeleton = DANCE_14
) -> NDArray[np.float32]:
    """The part of a run's correction that is a joint's definition, pixels.

    ``pose`` is the estimate and ``correction`` what is added to it, (T, J, D) each; NaN where
    missing. 0 where the body's directions are not known. With ``causal`` the numbers of a frame are
    fitted on the frames up to it.
    """
    scale = frame_scales(pose, causal=causal, skeleton=skeleton)[:, None, None]
    directions = np.nan_to_num(_directions(pose, skeleton) / scale[..., None])  # (T, J, 3, D)
    wanted = np.asarray(correction, np.float64) / scale
    length = np.linalg.norm(wanted, axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        wanted = np.nan_to_num(wanted * np.minimum(1, LARGEST / length))
    known = np.asarray(np.isfinite(correction).all(axis=-1))[..., None, None]
    given = np.where(known, directions, 0)
    gram = np.einsum("tjad,tjbd->tjab", given, given)
    moment = np.einsum("tjad,tjd->tja", given, wanted)
    frames = np.arange(1, len(pose) + 1)[:, None, None, None]
    if causal:
        gram, moment = gram.cumsum(axis=0), moment.cumsum(axis=0)
    else:
        gram, moment = gram.sum(axis=0, keepdims=True), moment.sum(axis=0, keepdims=True)
        frames = frames[-1:]
    weights = np.linalg.solve(gram + RIDGE * frames * np.eye(gram.shape[-1]), moment[..., None])
    each = np.broadcast_to(weights[..., 0], (*pose.shape[:2], weights.shape[2]))
    part = np.einsum("tjad,tja->tjd", directions, each)
    return np.asarray(part * scale, np.float32)


def _directions(pose: Array, skeleton: Skeleton) -> NDArray[np.float64]:
    """(T, J, D) -> (T, J, 3, D) in pixels: along the spine, across the body, along the bone."""
    pose = np.asarray(pose, np.float64)
    spine = middle(pose, skeleton.neck) - pelvis(pose, skeleton=skeleton)
    parts, bone = skeleton.parts, np.zeros_like(pose)
    across = np.zeros_like(pose)
    hips = pose[:, parts.left_leg[0]] - pose[:, parts.right_leg[0]]
    shoulders = pose[:, parts.left_arm[0]] - pose[:, parts.right_arm[0]]
    legs = {*parts.left_leg, *parts.right_leg}
    for parent, child in skeleton.edges:
        bone[:, child] = pose[:, child] - pose[:, parent]
    for joint in range(skeleton.num_joints):
        across[:, joint] = hips if joint in legs else shoulders
    along = np.broadcast_to(spine[:, None], pose.shape)
    return np.stack([along, across, bone], axis=2)
