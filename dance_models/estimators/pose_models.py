"""The orders in which estimators list their joints, and which of them a clip's files have.

Files of most estimators hold numbers without names. The count tells most orders apart. Where it
does not (BODY_25 and BODY_25B have 25 joints each), the order that gives shorter bones over the
whole clip is taken: a wrong order connects ankles with elbows. The measure does not change when a
dancer turns, bends or stands on the hands.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.errors import InputError
from dance_models.estimators.joints import COCO17
from dance_models.evidence import LANDMARKS

_SIDES: Final = ("left", "right")
_OPENPOSE_ARMS: Final = tuple(
    f"{side}_{part}" for side in ("right", "left") for part in ("shoulder", "elbow", "wrist")
)
_OPENPOSE_LEGS: Final = tuple(
    f"{side}_{part}" for side in ("right", "left") for part in ("hip", "knee", "ankle")
)
_OPENPOSE_FACE: Final = ("right_eye", "left_eye", "right_ear", "left_ear")
_FEET: Final = tuple(f"{s}_{p}" for s in _SIDES for p in ("big_toe", "small_toe", "heel"))
_HALPE_FEET: Final = tuple(f"{s}_{p}" for p in ("big_toe", "small_toe", "heel") for s in _SIDES)


def _others(count: int) -> tuple[str, ...]:
    """Joints of the face and the hands, which are not used."""
    return tuple(f"other_{i}" for i in range(count))


OPENPOSE_COCO18: Final = ("nose", "neck", *_OPENPOSE_ARMS, *_OPENPOSE_LEGS, *_OPENPOSE_FACE)
OPENPOSE_BODY25: Final = (
    *("nose", "neck", *_OPENPOSE_ARMS, "mid_hip", *_OPENPOSE_LEGS),
    *(*_OPENPOSE_FACE, *_FEET),
)
# Its "upper neck" and "head top" are MPII's, as ours are.
OPENPOSE_BODY25B: Final = (*COCO17, "neck", "head_top", *_FEET)
HALPE26: Final = (*COCO17, "head_top", "neck", "mid_hip", *_HALPE_FEET)

POSE_MODELS: Final[Mapping[str, tuple[str, ...]]] = {
    "coco_17": COCO17,
    "body_25": OPENPOSE_BODY25,
    "body_25b": OPENPOSE_BODY25B,
    "coco_18": OPENPOSE_COCO18,
    "body_19": OPENPOSE_BODY25[:19],
    "body_135": (*OPENPOSE_BODY25B, *_others(110)),
    "mpi_15": ("head_top", "neck", *_OPENPOSE_ARMS, *_OPENPOSE_LEGS, "chest"),
    "dwpose_134": (*OPENPOSE_COCO18, *_others(116)),
    "halpe_26": HALPE26,
    "halpe_68": (*HALPE26, *_others(42)),
    "halpe_136": (*HALPE26, *_others(110)),
    "wholebody_133": (*COCO17, *_FEET, *_others(110)),
    "mpii_16": (
        *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
        *("mid_hip", "thorax", "neck", "head_top"),
        *("right_wrist", "right_elbow", "right_shoulder"),
        *("left_shoulder", "left_elbow", "left_wrist"),
    ),
    "h36m_17": (
        *("mid_hip", "right_hip", "right_knee", "right_ankle"),
        *("left_hip", "left_knee", "left_ankle", "spine", "neck", "face", "head_top"),
        *("left_shoulder", "left_elbow", "left_wrist"),
        *("right_shoulder", "right_elbow", "right_wrist"),
    ),
    "crowdpose_14": (
        *(f"{s}_{p}" for p in ("shoulder", "elbow", "wrist") for s in _SIDES),
        *(f"{s}_{p}" for p in ("hip", "knee", "ankle") for s in _SIDES),
        *("head_top", "neck"),
    ),
    "blazepose_33": LANDMARKS,
}

_BONES: Final = (
    *((f"{s}_{a}", f"{s}_{b}") for s in _SIDES for a, b in (
        ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"),
        ("shoulder", "hip"), ("eye", "ear"), ("ankle", "heel"), ("ankle", "big_toe"),
    )),
    *((middle, f"{s}_{part}") for s in _SIDES for middle, part in (
        ("neck", "shoulder"), ("nose", "eye"), ("mid_hip", "hip"),
    )),
    *(("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"), ("neck", "head_top")),
)  # fmt: skip
# Mean bone over the joints' spread. Measured: 0.3 to 0.82 of right orders (median 0.5), 1.2 of
# drawn ones.
PLAUSIBLE: Final = 0.9
# The order that is listed first of a number of joints is the usual one. Another one is taken when
# it has at most this share of its bones. Measured: 0.3 to 0.4 (BODY_25 and BODY_25B).
_CLEARLY: Final = 0.75
_MOST_PEOPLE: Final = 400


def named_model(name: str) -> tuple[str, ...]:
    """The joints of a model in its order. Raises InputError on an unknown name."""
    if name not in POSE_MODELS:
        raise InputError(
            f"unknown pose model {name!r}", hint=f"Use one of {', '.join(POSE_MODELS)}"
        )
    return POSE_MODELS[name]


def models_of(count: int) -> list[str]:
    """The known models with so many joints."""
    return [name for name, joints in POSE_MODELS.items() if len(joints) == count]


def bone_length(joints: Sequence[str], points: NDArray[np.floating]) -> float:
    """Mean bone of people (P, J, 2) in units of the spread of their joints; NaN if unknown.

    The spread is the root mean square distance from the middle of the body's known joints. The
    median over the people is returned.
    """
    index = {name: i for i, name in enumerate(joints)}
    bones = [(index[a], index[b]) for a, b in _BONES if a in index and b in index]
    used = sorted({i for bone in bones for i in bone})
    if not bones or not len(points):
        return float("nan")
    every = np.asarray(points[:: max(1, len(points) // _MOST_PEOPLE)], dtype=np.float64)
    # People with the joints of half of the bones alone say something about the order.
    lengths = np.stack([np.linalg.norm(every[:, a] - every[:, b], axis=1) for a, b in bones], 1)
    told = np.isfinite(lengths).sum(axis=1) >= len(bones) / 2
    if not told.any():
        return float("nan")
    body = every[told][:, used]
    around = body - np.nanmean(body, axis=1, keepdims=True)
    spread = np.sqrt(np.nanmean((around**2).sum(axis=2), axis=1))
    mean = np.nanmean(lengths[told], axis=1)
    return float(np.median(mean / np.maximum(spread, 1e-9)))


def choose_model(points: NDArray[np.floating], named: str | None = None) -> tuple[str, str | None]:
    """The model whose order fits people (P, J, 2), and a warning where that is doubtful.

    A ``named`` model is taken however it fits. Raises InputError when no known model has J joints.
    """
    count = points.shape[1]
    names = [named] if named else models_of(count)
    if not names:
        raise InputError(
            f"{count} joints are of no known model",
            hint="Known are " + ", ".join(f"{k} ({len(v)})" for k, v in POSE_MODELS.items()),
        )
    bones = {name: bone_length(POSE_MODELS[name], points) for name in names}
    known = {name: value for name, value in bones.items() if np.isfinite(value)}
    if not known:
        if len(names) == 1:
            return names[0], None
        told = f"too little is visible to tell {' from '.join(names)}"
        return names[0], f"{told}; read as {names[0]}. --pose-model names the model"
    shortest = min(known, key=lambda name: known[name])
    usual = next(name for name in names if name in known)
    best = shortest if known[shortest] < _CLEARLY * known[usual] else usual
    if known[best] > PLAUSIBLE:
        what = named or f"every known model of {count} joints ({', '.join(names)})"
        return best, (
            f"the order of the joints is implausible for {what}; read as {best}. Look at the "
            "poses; --pose-model names the model"
        )
    if shortest != best:
        return best, (
            f"{best} and {shortest} fit almost equally well; read as {best}. "
            "--pose-model names the model"
        )
    return best, None
