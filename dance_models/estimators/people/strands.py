"""A stretch of sightings of one person, as it grows, and meetings of such stretches."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.estimators.boxes import centre, longest
from dance_models.estimators.people.appearance import Appearance
from dance_models.estimators.people.finder import Sighting

# The share of a new look in what somebody looks like: the light changes slowly.
_LEAST_WEIGHT: Final = 0.05
_NEW_VELOCITY: Final = 0.5  # share of the last step in the velocity
_COAST_S: Final = 0.5  # for so long somebody who is hidden is expected to move on


@dataclass
class MeanAppearance:
    """What somebody looked like in several looks."""

    value: Appearance | None = None
    count: int = 0

    def add(self, appearance: Appearance) -> None:
        """Count one more look."""
        self.count += 1
        weight = max(1 / self.count, _LEAST_WEIGHT)
        self.value = (
            appearance
            if self.value is None
            else np.asarray(self.value + (appearance - self.value) * np.float32(weight))
        )

    def merge(self, other: "MeanAppearance") -> None:
        """Count the looks of ``other`` too."""
        if other.value is None:
            return
        total = self.count + other.count
        if self.value is None:
            self.value = other.value
        else:
            share = np.float32(other.count / total)
            self.value = np.asarray(self.value + (other.value - self.value) * share)
        self.count = total


@dataclass(eq=False)
class Strand:
    """What was seen of somebody so far, in ascending order of frames."""

    seen: list[tuple[int, Sighting]] = field(default_factory=list)
    looks: MeanAppearance = field(default_factory=MeanAppearance)  # while nobody was near
    since: MeanAppearance = field(default_factory=MeanAppearance)  # the same, after a meeting
    velocity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))  # lengths a second

    @property
    def first(self) -> int:
        """The first frame."""
        return self.seen[0][0]

    @property
    def last(self) -> int:
        """The last frame."""
        return self.seen[-1][0]

    @property
    def sighting(self) -> Sighting:
        """The last one."""
        return self.seen[-1][1]

    def add(self, frame: int, sighting: Sighting, fps: float) -> None:
        """Continue in ``frame``."""
        if self.seen:
            moved = centre(sighting.box) - centre(self.sighting.box)
            length = max(float(longest(self.sighting.box)), 1.0)
            now = moved / length * fps / (frame - self.last)
            self.velocity = self.velocity + _NEW_VELOCITY * (now - self.velocity)
        self.seen.append((frame, sighting))

    def expected(self, frame: int, fps: float) -> NDArray[np.float64]:
        """By how many pixels (2,) she should have moved since she was last seen."""
        elapsed = min((frame - self.last) / fps, _COAST_S)
        return np.asarray(self.velocity * longest(self.sighting.box) * elapsed)


@dataclass(eq=False)
class Meeting:
    """Strands whose boxes overlap or did so a moment ago; who is who is decided afterwards."""

    members: list[Strand]
    frame: int = 0  # in which they were closest
    overlap: float = 0.0
    ended: int = 0  # the last frame in which they overlapped

    def exchange(self, order: list[int]) -> None:
        """Give member k what member ``order[k]`` was until they were closest."""
        heads = [[s for s in m.seen if s[0] <= self.frame] for m in self.members]
        tails = [[s for s in m.seen if s[0] > self.frame] for m in self.members]
        looks = [m.looks for m in self.members]
        for k, member in enumerate(self.members):
            member.seen = heads[order[k]] + tails[k]
            member.looks = looks[order[k]]
