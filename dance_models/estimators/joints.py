"""The joints of common estimators, in their order."""

import re
from typing import Final

from dance_models.annotations.canonical import canonical_joint
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
