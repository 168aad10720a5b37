"""Moves in random order, tempo, side and size, as smooth motion of a body."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.demo.body import Body, Posed, Trunk, about, unit
from dance_models.demo.moves import STANDING, STYLES, KeyPose, Value

LIMBS: Final = ("upper_arm", "forearm", "thigh", "shin", "foot")
SCALARS: Final = ("lean", "side", "twist", "turn", "jump", "nod")
LEGS: Final = ("thigh", "shin", "foot")


@dataclass(frozen=True, eq=False)
class Key:
    """A key pose at a time: unit direction of every limb, and the trunk's scalars."""

    time_s: float
    limbs: dict[str, NDArray[Any]]
    scalars: dict[str, float]
    travel: NDArray[Any]  # (2,) metres on the floor


def direction(value: Value, side: str) -> NDArray[Any]:
    """(raise, forward) of a limb as a unit vector; the dancer's left is +x, the front is -y."""
    assert isinstance(value, tuple)
    lift, forward = np.radians(value[0]), np.radians(value[1])
    across = 1.0 if side == "l_" else -1.0
    level = np.sin(lift)
    return np.array([across * level * np.cos(forward), -level * np.sin(forward), -np.cos(lift)])


def mirrored(pose: KeyPose) -> dict[str, Value]:
    """The key pose danced to the other side."""
    other: dict[str, Value] = {}
    for name, value in pose.items():
        if name[:2] in ("l_", "r_"):
            other[("r_" if name[0] == "l" else "l_") + name[2:]] = value
        elif name in ("side", "twist", "turn"):
            assert isinstance(value, float | int)
            other[name] = -value
        else:
            other[name] = value
    return other


class Choreography:
    """An endless phrase in one style, drawn from a seed."""

    def __init__(self, style: str, rng: np.random.Generator, *, tempo_bpm: float) -> None:
        self.moves = STYLES[style]
        self.rng = rng
        self.beat_s = 60 / tempo_bpm
        self.keys: list[Key] = []
        self.named: list[tuple[float, str]] = []  # when each move begins
        self._turned = 0.0
        self._place = np.zeros(2)
        self._append(0.0, STANDING, 1.0)

    def _append(self, time_s: float, pose: KeyPose, size: float) -> None:
        full = {**STANDING, **pose}
        limbs = {}
        for side in ("l_", "r_"):
            for limb in LIMBS:
                name = side + limb
                target = direction(full[name], side)
                # Arms and trunk grow and shrink with the size; legs must carry the body.
                if limb not in LEGS:
                    rest = direction(STANDING[name], side)
                    target = unit(rest + size * (target - rest))
                limbs[name] = target
        scalars = {}
        for name in SCALARS:
            value = full[name]
            assert isinstance(value, float | int)
            scalars[name] = float(value) if name in ("turn", "jump") else size * float(value)
        scalars["turn"] += self._turned
        self.keys.append(Key(time_s, limbs, scalars, self._place.copy()))

    def _extend(self) -> None:
        """Append one more move with a newly drawn side, size and speed."""
        names = sorted(self.moves)
        last = self.named[-1][1] if self.named else None
        name = str(self.rng.choice([n for n in names if n != last]))
        flip = bool(self.rng.random() < 0.5)
        size, speed = self.rng.uniform(0.8, 1.08), self.rng.uniform(0.85, 1.2)
        time = self.keys[-1].time_s
        self.named.append((time, name))
        facing = self.rng.uniform(-50, 50)
        for beats, key in self.moves[name]:
            time += beats * self.beat_s / speed
            self._append(time, mirrored(key) if flip else key, size)
        # Turning while stepping to the next place keeps the feet from sliding far in one pose.
        self._turned = self.keys[-1].scalars["turn"] + (
            facing - self._wrapped(self.keys[-1].scalars["turn"])
        )
        step = self.rng.uniform(-0.25, 0.25, 2)
        self._place = np.clip(self._place + step, -0.55, 0.55)
        self._append(time + self.beat_s / speed, {}, size)

    @staticmethod
    def _wrapped(degrees: float) -> float:
        return (degrees + 180) % 360 - 180

    def at(self, time_s: float) -> Key:
        """The motion at a time: eased between key poses, directions on the sphere."""
        while self.keys[-1].time_s <= time_s:
            self._extend()
        times = [key.time_s for key in self.keys]
        right = int(np.searchsorted(times, time_s, side="right"))
        before, after = self.keys[right - 1], self.keys[right]
        share = (time_s - before.time_s) / (after.time_s - before.time_s)
        eased = share * share * share * (10 - 15 * share + 6 * share * share)  # no jerk at the keys
        limbs = {
            name: unit(before.limbs[name] * (1 - eased) + after.limbs[name] * eased)
            for name in before.limbs
        }
        scalars = {
            name: before.scalars[name] * (1 - eased) + after.scalars[name] * eased
            for name in SCALARS
        }
        self._forget(right - 1)
        return Key(time_s, limbs, scalars, before.travel * (1 - eased) + after.travel * eased)

    def _forget(self, before: int) -> None:
        """Drop past keys, so that memory stays constant however long the clip is."""
        if before > 64:
            del self.keys[:before]


def perform(body: Body, key: Key) -> Posed:
    """Pose a body as in the key; its lowest point is on the floor unless it jumps."""
    whole = about("z", key.scalars["turn"])
    pelvis = whole @ about("y", key.scalars["side"] * 0.3) @ about("x", key.scalars["lean"] * 0.35)
    chest = (
        whole
        @ about("z", key.scalars["twist"])
        @ about("y", key.scalars["side"])
        @ about("x", key.scalars["lean"])
    )
    head = chest @ about("x", key.scalars["nod"] - 0.4 * key.scalars["lean"])
    limbs = {
        name: (whole if name[2:] in LEGS else chest) @ vector for name, vector in key.limbs.items()
    }
    place = np.array([*key.travel, 0.0])
    posed = body.pose(Trunk(pelvis, chest, head), limbs, place)
    lift = key.scalars["jump"] - posed.vertices[:, 2].min()
    rise = np.array([0.0, 0.0, lift])
    return Posed(posed.vertices + rise, posed.joints + rise, posed.frames)


def motion(
    body: Body, style: str, rng: np.random.Generator, frames: int, fps: float
) -> Iterator[Posed]:
    """``frames`` poses at ``fps``; the same generator state gives the same dance."""
    tempo = {"ballet": (70, 100), "contemporary": (65, 95), "street": (95, 125)}[style]
    dance = Choreography(style, rng, tempo_bpm=rng.uniform(*tempo))
    for frame in range(frames):
        yield perform(body, dance.at(frame / fps))
