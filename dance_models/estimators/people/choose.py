"""Which of the people in a video: by a rule that needs no screen."""

from typing import Final, Literal

import numpy as np

from dance_models.errors import InputError
from dance_models.estimators.boxes import area, centre, longest
from dance_models.estimators.people.tracks import People, Track
from dance_models.metrics.torso import TORSOS_TALL, median_torso

Rule = Literal["largest", "centre", "moving", "all"] | int

RULES: Final[tuple[Literal["largest", "centre", "moving", "all"], ...]] = (
    "largest",
    "centre",
    "moving",
    "all",
)
MEANING: Final = (
    "largest: the largest box (median); centre: nearest to the middle of the picture over time; "
    "moving: whose joints move most, in torso lengths; N: the N-th from the left, from 1, by where "
    "each is first seen; all: everybody"
)


def parse_rule(text: str) -> Rule:
    """The rule that ``text`` names, or the number of a person. Raises InputError for others."""
    word = text.strip().lower()
    for rule in RULES:
        if word == rule:
            return rule
    if word.isascii() and word.isdigit() and int(word) > 0:
        return int(word)
    raise InputError(
        f"--person {text!r} is no rule",
        hint=f"Use {', '.join(RULES)} or a number: 1 is the leftmost, where each is first seen",
    )


def choose(people: People, rule: Rule) -> tuple[Track, ...]:
    """The people that ``rule`` means, in the order of their numbers: one, or all.

    Who passes (:class:`People`) counts only when asked for by number. Of equals, the one with the
    lower number. Raises InputError when nobody was found or nobody has the number.
    """
    if not people.tracks:
        raise InputError("no person was found", hint="The whole dancer must be visible")
    if isinstance(rule, int):
        return (_numbered(people, rule),)
    there = people.tracks[: people.present]
    if rule == "all":
        return there
    value = {"largest": _size, "centre": _nearness, "moving": _movement}[rule]
    return (max(there, key=lambda track: (value(track, people), -track.number)),)


def _numbered(people: People, number: int) -> Track:
    for track in people.tracks:
        if track.number == number:
            return track
    count = len(people.tracks)
    raise InputError(
        f"there is no person {number}: {count} {'was' if count == 1 else 'were'} found",
        hint="People are counted from 1, from the left, by where each is first seen",
    )


def _size(track: Track, people: People) -> float:
    """Median area in square pixels."""
    return float(np.median(area(track.box)))


def _nearness(track: Track, people: People) -> float:
    """Minus the mean distance from the middle of the picture, in pixels."""
    middle = np.array([people.width - 1, people.height - 1]) / 2
    return -float(np.linalg.norm(centre(track.box) - middle, axis=1).mean())


def _movement(track: Track, people: People) -> float:
    """How far a joint moves in all, in torso lengths: the mean of the joints that are seen.

    Of a person without keypoints: how far the middle of the box moves.
    """
    near = np.diff(track.frame) <= track.bridge
    moved = np.linalg.norm(np.diff(track.keypoints, axis=0), axis=-1)  # (K - 1, 14)
    known = np.isfinite(moved) & near[:, None]
    torso = median_torso(track.keypoints)
    if not known.any() or not np.isfinite(torso):
        torso = float(np.median(longest(track.box))) / TORSOS_TALL
        moved = np.linalg.norm(np.diff(centre(track.box), axis=0), axis=-1)[:, None]
        known = near[:, None]
    seen = np.maximum(known.sum(axis=1), 1)
    return float((np.where(known, moved, 0).sum(axis=1) / seen).sum() / max(torso, 1.0))
