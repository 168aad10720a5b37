"""From the joints of an estimator to those of a skeleton, by name.

Joints that the estimator lacks are derived from others as the skeleton's ``derivations`` say. In
the default skeleton these are ``neck``, the middle of the shoulders, and ``head_top``, extrapolated
from the neck through the middle of the ears (one ear or the nose where the ears are missing). A
derived joint has the lowest score of the joints it comes from, and is missing when they are.
"""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.annotations.canonical import canonical_joint
from dance_models.skeleton import DANCE_14, Derivation, Skeleton
from dance_models.skeletons.coco_17 import COCO_17

COCO17: Final[tuple[str, ...]] = COCO_17.names
_SIDES: Final = ("left", "right")
_FACE_AND_FOOT: Final = ("eye", "ear", "big_toe", "small_toe", "heel")
# Names of other tools, in letters alone, for joints outside of our skeleton.
_OTHER_NAMES: Final = {"nose": "nose", "midhip": "mid_hip", "pelvis": "mid_hip", "root": "mid_hip"}


def joint_name(name: str) -> str:
    """The name as estimators' joints have it here: ``left_ear`` for LEar, "ear_left", "Left Ear".

    Names that mean none of them are only made lower case.
    """
    known = canonical_joint(name)
    if known is not None:
        return known
    plain = re.sub(r"[^a-z]", "", name.lower())
    for part in _FACE_AND_FOOT:
        bare = part.replace("_", "")
        for side in _SIDES:
            if plain in {f"{side}{bare}", f"{side[0]}{bare}", f"{bare}{side}", f"{bare}{side[0]}"}:
                return f"{side}_{part}"
    return _OTHER_NAMES.get(plain, name.strip().lower())


Found = dict[str, tuple[NDArray[np.floating], float]]  # point and score of known joints


def to_skeleton(
    names: Sequence[str],
    points: NDArray[np.floating],
    score: NDArray[np.floating],
    skeleton: Skeleton = DANCE_14,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Map (N, D) points and (N,) scores of the joints ``names`` to (J, D) and (J,) of a skeleton.

    Points that are not finite count as missing: NaN with score 0, as do joints that the source
    neither has nor allows to derive. Names that the skeleton does not have are ignored.
    """
    found: Found = {
        name: (points[i], float(score[i]))
        for i, name in enumerate(names)
        if np.isfinite(points[i]).all()
    }
    for derivation in skeleton.derivations:
        if derivation.joint not in names:
            _derive(derivation, found)
    keypoints = np.full((skeleton.num_joints, skeleton.dimensions), np.nan, dtype=np.float32)
    confidence = np.zeros(skeleton.num_joints, dtype=np.float32)
    for i, joint in enumerate(skeleton.names):
        if joint in found:
            keypoints[i], confidence[i] = found[joint]
    return keypoints, confidence


def missing_joints(names: Sequence[str], skeleton: Skeleton = DANCE_14) -> list[str]:
    """Joints of the skeleton that can neither be read nor derived from joints of these names."""
    everywhere = np.zeros((len(names), skeleton.dimensions))
    keypoints, _ = to_skeleton(names, everywhere, np.ones(len(names)), skeleton)
    known = np.asarray(np.isfinite(keypoints).all(axis=-1))
    return [joint for joint, there in zip(skeleton.names, known, strict=True) if not there]


def _derive(derivation: Derivation, found: Found) -> None:
    """Add the joint to ``found`` when all that it needs is there."""
    groups = (group for group in derivation.sources if found.keys() >= set(group))
    group = next(groups, None)
    if group is None:
        return
    point: NDArray[np.floating] = np.mean([found[name][0] for name in group], axis=0)
    scores = [found[name][1] for name in group]
    if derivation.origin is not None:
        if derivation.origin not in found:
            return
        origin, score = found[derivation.origin]
        point = origin + derivation.reach * (point - origin)
        scores.append(score)
    found[derivation.joint] = (point, min(scores))
