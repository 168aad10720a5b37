"""Choosing the main person of a track: the one who is visible longest and largest."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dance_models.estimators.follow import PATIENCE, PersonFollower
from dance_models.estimators.pose_track import People, Person
from dance_models.skeleton import DANCE_14, Skeleton


@dataclass(eq=False)
class _Track:
    """One person from frame to frame, for as long as the person can be followed."""

    follower: PersonFollower = field(default_factory=lambda: PersonFollower(None))
    seen: dict[int, Person] = field(default_factory=dict)

    def add(self, frame: int, person: Person) -> None:
        self.seen[frame] = person
        self.follower.seen(person.box)

    def presence(self) -> float:
        """Frames times size: the sum of the longer sides of the boxes, in pixels."""
        return float(sum((p.box[2:] - p.box[:2]).max() for p in self.seen.values()))


def main_person(people: People, skeleton: Skeleton = DANCE_14) -> NDArray[np.float32]:
    """(T, J, 2) keypoints of the person with the most presence; NaN where the person is missing.

    The result goes from the first frame with that person to the last; T is 0 when there are no
    people. A person who is lost for more than half a second (at 30 frames/s) counts as another
    one afterwards: captured clips have cuts.
    """
    tracks: list[_Track] = []
    active: list[_Track] = []  # those that can still be followed: of a long track with gaps, few
    before = 0
    for frame in sorted(people):
        for _ in range(min(frame - before - 1, PATIENCE + 1)):  # frames without people
            _extend(active, frame, [])
        started = _extend(active, frame, list(people[frame]))
        tracks += started
        active = [t for t in (*active, *started) if t.follower.following]
        before = frame
    if not tracks:
        return np.empty((0, skeleton.num_joints, 2), np.float32)
    best = max(tracks, key=_Track.presence)
    return _keypoints(best.seen, skeleton)


def _extend(active: list[_Track], frame: int, people: list[Person]) -> list[_Track]:
    """Give each active track its nearest person, longest tracks first; the new tracks of others."""
    left = people
    for track in sorted(active, key=lambda t: -len(t.seen)):
        if not track.follower.following:
            continue
        boxes = np.array([person.box for person in left]).reshape(-1, 4)
        chosen = track.follower.choose(boxes)
        if not chosen:
            track.follower.missed()
            continue
        track.add(frame, left[chosen[0]])
        left = [person for i, person in enumerate(left) if i != chosen[0]]
    started = [_Track() for _ in left]
    for track, person in zip(started, left, strict=True):
        track.add(frame, person)
    return started


def _keypoints(seen: Mapping[int, Person], skeleton: Skeleton) -> NDArray[np.float32]:
    first, last = min(seen), max(seen)
    keypoints = np.full((last - first + 1, skeleton.num_joints, 2), np.nan, np.float32)
    for frame, person in seen.items():
        keypoints[frame - first] = person.keypoints
    return keypoints
