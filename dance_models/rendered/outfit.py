"""Costumes: colours of a body's faces, with stripes, checks, patches or plain cloth."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.demo.body import Body
from dance_models.demo.costume import (
    HAIR,
    SKIN,
    bottom_faces,
    cloth,
    face_centres,
    paint_head,
    shoe_faces,
    top_faces,
)

Array = NDArray[Any]

_SLEEVES: Final = (0.0, 0.3, 0.55, 0.95)  # share of the arm covered
_TROUSERS: Final = (0.0, 0.5, 0.9, 1.9)  # 1 is the knee, 2 the ankle
_PATTERNS: Final = ("plain", "plain", "stripes", "checks", "patches")
_DRAB: Final = 0.3  # share of costumes in greys, black and white
_ROUGHNESS: Final = 0.04


def draw_outfit(body: Body, rng: np.random.Generator) -> Array:
    """RGB of every face, (F, 3) float."""
    skin = np.array(SKIN[rng.integers(len(SKIN))], float) * rng.uniform(0.7, 1.1)
    hair = np.array(HAIR[rng.integers(len(HAIR))], float)
    colour = np.tile(skin, (len(body.faces), 1))
    if rng.random() < 0.6:
        colour[shoe_faces(body)] = rng.uniform(20, 235)
    top, bottom = _woven(body, rng), _woven(body, rng)
    if rng.random() < 0.2:  # a suit in one piece
        bottom = top
    below = bottom_faces(body, _TROUSERS[rng.integers(len(_TROUSERS))])
    above = top_faces(body, _SLEEVES[rng.integers(len(_SLEEVES))])
    colour[below], colour[above] = bottom[below], top[above]
    paint_head(body, colour, skin, hair)
    rough = 1 + _ROUGHNESS * rng.standard_normal((len(colour), 1))
    return np.asarray(np.clip(colour * rough, 0, 255))


def _woven(body: Body, rng: np.random.Generator) -> Array:
    """(F, 3) cloth in one pattern of two colours over the whole body."""
    first, second = _shade(rng), _shade(rng)
    centre = face_centres(body)
    pattern = _PATTERNS[rng.integers(len(_PATTERNS))]
    if pattern == "plain":
        return np.tile(first, (len(centre), 1))
    width = rng.uniform(0.035, 0.12)  # metres; faces are about 0.03 wide
    axis = rng.normal(size=(2, 3))
    place = centre @ (axis / np.linalg.norm(axis, axis=1, keepdims=True)).T / width
    if pattern == "stripes":
        chosen = np.floor(place[:, 0]) % 2 == 0
    elif pattern == "checks":
        chosen = np.floor(place).sum(axis=1) % 2 == 0
    else:
        waves = np.sin(centre @ rng.normal(0, 1 / width, (3, 6)) + rng.uniform(0, 6.3, 6))
        chosen = waves.sum(axis=1) > 0
    return np.where(chosen[:, None], first, second)


def _shade(rng: np.random.Generator) -> Array:
    return np.full(3, rng.uniform(15, 240)) if rng.random() < _DRAB else cloth(rng)
