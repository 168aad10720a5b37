"""Which annotated people of several frames are the same, where files do not say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, sqrt
from typing import Final

import numpy as np

from dance_models.annotations.parsed_file import RawPose
from dance_models.assignment import matched

_FARTHEST: Final = 1.0  # that a joint moves to the next annotated frame, in sizes of the person
# Of a crowd the largest, and the people seen last: a file may have thousands in a frame.
_MOST_PEOPLE: Final = 50


@dataclass(eq=False)
class _Person:
    last: RawPose
    total: float = 0.0  # area over all frames so far, square pixels


def with_people_weighed(poses: Sequence[RawPose]) -> list[RawPose]:
    """The poses in their order, each with the area of its person over all frames as ``weight``.

    People are told apart by where they are: from frame to frame those are one whose joints are
    nearest, in the assignment with the least sum. Where no frame has several, nothing is changed.
    """
    by_frame: dict[int, list[int]] = {}
    for index, pose in enumerate(poses):
        by_frame.setdefault(pose.frame, []).append(index)
    if all(len(people) == 1 for people in by_frame.values()):
        return list(poses)
    person_of: dict[int, _Person] = {}
    known: list[_Person] = []  # who was seen last stands last
    for _, people in sorted(by_frame.items()):
        people.sort(key=lambda index: -area_of(poses[index]))
        seen = _same_as([poses[index] for index in people[:_MOST_PEOPLE]], known)
        person_of |= zip(people, seen, strict=False)
        known = [*(one for one in known if one not in seen), *seen][-_MOST_PEOPLE:]
    return [
        replace(pose, weight=person_of[index].total) if index in person_of else pose
        for index, pose in enumerate(poses)
    ]


def area_of(pose: RawPose) -> float:
    """The area of the box about a pose's joints, square pixels."""
    x = [p[0] for p in pose.joints.values()]
    y = [p[1] for p in pose.joints.values()]
    return (max(x) - min(x)) * (max(y) - min(y))


def _same_as(people: Sequence[RawPose], known: Sequence[_Person]) -> list[_Person]:
    """The known person that each pose of a frame is of, or a new one."""
    cost = np.array([[_distance(one.last, pose) for one in known] for pose in people])
    of = matched(cost, _FARTHEST) if known else {}
    seen = [known[of[row]] if row in of else _Person(pose) for row, pose in enumerate(people)]
    for person, pose in zip(seen, people, strict=True):
        person.last = pose
        person.total += area_of(pose)
    return seen


def _distance(before: RawPose, after: RawPose) -> float:
    """Mean distance of the joints that both have, in sizes of the larger."""
    joints = before.joints.keys() & after.joints.keys()
    size = sqrt(max(area_of(before), area_of(after)))
    if not joints or not size:
        return inf
    apart = [np.subtract(after.joints[j][:2], before.joints[j][:2]) for j in sorted(joints)]
    return float(np.linalg.norm(apart, axis=1).mean() / size)
