"""People as coloured rectangles that move by a script, and what a finder sees of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.estimators.people.finder import Sighting
from dance_models.skeleton import DANCE_14

FPS, STEP = 30, 3
SIZE = (320, 240)  # width, height
# Where joints are in a box, 0..1: a person who stands with the arms down.
_STANCE = {
    "neck": (0.5, 0.15),
    "shoulder": (0.25, 0.2),
    "elbow": (0.15, 0.35),
    "wrist": (0.12, 0.5),
    "hip": (0.35, 0.55),
    "knee": (0.35, 0.75),
    "ankle": (0.35, 0.97),
    "head_top": (0.5, 0.0),
}


@dataclass(frozen=True)
class Actor:
    """Stands at ``place[look]``, centre x, y, or is not there (None); in clothes of one colour."""

    colour: tuple[int, int, int]
    place: list[tuple[float, float] | None]
    height: float = 120.0
    overlooked: frozenset[int] = frozenset()  # looks in which the finder does not see the actor

    def box(self, look: int) -> NDArray[np.float64] | None:
        """x0, y0, x1, y1 in a look."""
        at = self.place[look]
        if at is None:
            return None
        half = np.array([self.height / 6, self.height / 2])
        return np.concatenate([at - half, at + half])


class ScriptedFinder:
    """Sees the actors, nearest (last) first; whom the script says it overlooks, it does not see."""

    name, version = "scripted", "1"

    def __init__(self, actors: list[Actor], *, keypoints: bool = True) -> None:
        self._actors, self._keypoints, self._look = actors, keypoints, -1

    def find(self, image: NDArray[np.uint8]) -> list[Sighting]:
        self._look += 1
        found = []
        for actor in reversed(self._actors):
            box = actor.box(self._look)
            if box is not None and self._look not in actor.overlooked:
                found.append(_sighting(box, self._keypoints))
        return found

    def frames(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Index and picture of every look; later actors stand in front."""
        for look in range(len(self._actors[0].place)):
            image = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
            for actor in self._actors:
                box = actor.box(look)
                if box is not None:
                    x0, y0, x1, y1 = (round(float(v)) for v in box)
                    cv2.rectangle(image, (x0, y0), (x1, y1), actor.colour, -1)
            yield STEP * look, image


def line(start: float, end: float, looks: int, y: float = 120.0) -> list[tuple[float, float]]:
    """Places on the way from x ``start`` to x ``end``."""
    return [(float(x), y) for x in np.linspace(start, end, looks)]


def _sighting(box: NDArray[np.float64], keypoints: bool) -> Sighting:
    joints = np.full((DANCE_14.num_joints, 2), np.nan, np.float32)
    if keypoints:
        for i, name in enumerate(DANCE_14.names):
            x, y = _STANCE[name.removeprefix("left_").removeprefix("right_")]
            x = 1 - x if name.startswith("left_") else x
            joints[i] = box[:2] + (box[2:] - box[:2]) * (x, y)
    known = np.isfinite(joints).all(axis=1)
    return Sighting(box, 0.8, joints, known.astype(np.float32))
