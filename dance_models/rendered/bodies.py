"""Sixteen and more bodies: the stored four, then shapes between and beyond them."""

from functools import lru_cache
from typing import Final

import numpy as np

from dance_models.demo.body import Body, Shape
from dance_models.demo.decimate import BODIES
from dance_models.errors import InputError

_SEED: Final = 1400  # of the shapes: a body's name stands for the same shape in every data set
_BEYOND: Final = 1.3  # 1: between the stored bodies; above, beyond them
_ARM: Final = ("Arm", "ForeArm")
_LEG: Final = ("UpLeg", "Leg")
_TRUNK: Final = ("Hips", "LowerBack", "Spine", "Spine1")


def body_names(count: int) -> tuple[str, ...]:
    """The names of the first ``count`` bodies. Raises InputError on fewer than one."""
    if count < 1:
        raise InputError("there must be a body")
    made = tuple(f"shape_{i:02d}" for i in range(len(BODIES) + 1, count + 1))
    return (*BODIES, *made)[:count]


@lru_cache(maxsize=32)
def make_body(name: str) -> Body:
    """The body of that name, the same every time."""
    if name in BODIES:
        return Body(name)
    return Body(drawn_shape(np.random.default_rng([_SEED, int(name.removeprefix("shape_"))])))


def drawn_shape(rng: np.random.Generator) -> Shape:
    """A mixture of the stored bodies with limbs, trunk and head of other proportions."""
    even = 1 / len(BODIES)
    weights = even + _BEYOND * (rng.dirichlet([0.6] * len(BODIES)) - even)
    arm, leg, shoulder, head = (rng.uniform(1 - r, 1 + r) for r in (0.08, 0.08, 0.08, 0.06))
    limb_girth, trunk_girth = rng.uniform(0.88, 1.3), rng.uniform(0.9, 1.3)
    length: dict[str, float] = {}
    girth: dict[str, float] = {}
    for side in ("Left", "Right"):
        for bones, factor in ((_ARM, arm), (_LEG, leg), (("Shoulder",), shoulder)):
            length |= {side + bone: factor for bone in bones}
        girth |= {side + bone: limb_girth for bone in (*_ARM, *_LEG)}
    girth |= dict.fromkeys(_TRUNK, trunk_girth)
    girth["Head"] = length["Head"] = head
    return Shape(dict(zip(BODIES, weights.tolist(), strict=True)), length, girth)
