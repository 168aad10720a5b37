"""Rules that choose among people, and their ties."""

import numpy as np
import pytest

from dance_models.errors import InputError
from dance_models.estimators.people.choose import choose, parse_rule
from dance_models.estimators.people.tracks import People, Track

WIDTH, HEIGHT = 300, 200


def track(number: int, centres, *, height: float = 90.0, swing: float = 0.0) -> Track:
    """A person whose wrists swing by ``swing`` pixels from look to look."""
    at = np.array(centres, float)
    half = np.array([height / 6, height / 2])
    box = np.concatenate([at - half, at + half], axis=1)
    keypoints = np.repeat(at[:, None], 14, axis=1).astype(np.float32)
    keypoints[:, 1] -= (0, height / 3)  # the neck, a torso above the hips
    keypoints[::2, [4, 7]] += (swing, 0)
    frame = 3 * np.arange(len(at))
    return Track(number, frame, box, np.ones(len(at)), keypoints, bridge=30, step=3)


def people(*tracks: Track, present: int | None = None) -> People:
    count = len(tracks) if present is None else present
    return People(tracks, count, np.arange(0, 60, 3), WIDTH, HEIGHT)


LEFT = track(1, [(40, 100)] * 20, height=120)
MIDDLE = track(2, [(150, 100)] * 20)
RIGHT = track(3, [(250, 100)] * 20, swing=8)


@pytest.mark.parametrize(
    ("rule", "numbers"),
    [("largest", [1]), ("centre", [2]), ("moving", [3]), ("all", [1, 2, 3]), (2, [2])],
)
def test_rules(rule, numbers: list[int]) -> None:
    chosen = choose(people(LEFT, MIDDLE, RIGHT), rule)
    assert [track.number for track in chosen] == numbers


def test_movement_counts_in_torso_lengths() -> None:
    near = track(1, [(60, 100)] * 20, height=180, swing=10)
    far = track(2, [(200, 100)] * 20, height=60, swing=8)
    assert choose(people(near, far), "moving")[0].number == 2


def test_movement_without_keypoints_is_that_of_the_box() -> None:
    still, walks = track(1, [(60, 100)] * 20), track(2, [(100 + 4 * i, 100) for i in range(20)])
    for person in (still, walks):
        person.keypoints[:] = np.nan
    assert choose(people(still, walks), "moving")[0].number == 2


def test_a_return_is_no_movement() -> None:
    away = track(1, [(20, 100)] * 10 + [(280, 100)] * 10)
    away.frame[10:] += 300
    walks = track(2, [(100 + i, 100) for i in range(20)])
    assert choose(people(away, walks), "moving")[0].number == 2


@pytest.mark.parametrize("rule", ["largest", "centre", "moving"])
def test_of_equals_the_lower_number(rule) -> None:
    twins = track(1, [(100, 100)] * 20), track(2, [(199, 99)] * 20)
    assert choose(people(*twins), rule)[0].number == 1


def test_who_passes_counts_only_by_number() -> None:
    passing = track(4, [(150, 100)] * 2, height=190)
    group = people(LEFT, MIDDLE, RIGHT, passing, present=3)
    assert choose(group, "largest")[0].number == 1
    assert [t.number for t in choose(group, "all")] == [1, 2, 3]
    assert choose(group, 4) == (passing,)


def test_a_number_that_nobody_has() -> None:
    with pytest.raises(InputError, match=r"no person 4: 3 were found.*from the left"):
        choose(people(LEFT, MIDDLE, RIGHT), 4)
    with pytest.raises(InputError, match="no person was found"):
        choose(people(), "largest")


@pytest.mark.parametrize(("text", "rule"), [("Largest", "largest"), (" all ", "all"), ("12", 12)])
def test_rules_are_read(text: str, rule) -> None:
    assert parse_rule(text) == rule


@pytest.mark.parametrize("text", ["0", "-1", "biggest", "", "1.5", "²"])
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(InputError, match=r"is no rule.*largest, centre, moving, all or a number"):
        parse_rule(text)
