"""Who is who: crossings, people who leave and return, people who are overlooked."""

import numpy as np
import pytest
from sightings import FPS, STEP, Actor, ScriptedFinder, line

from dance_models.estimators.people import identities
from dance_models.estimators.people.appearance import unlike, unlikes
from dance_models.estimators.people.finder import Sighting
from dance_models.estimators.people.identities import _costs_of_return, _joined
from dance_models.estimators.people.search import find_people
from dance_models.estimators.people.strands import MeanAppearance, Strand
from dance_models.estimators.people.tracks import People

RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)
LOOKS = 31


def found(actors: list[Actor], *, keypoints: bool = True) -> People:
    finder = ScriptedFinder(actors, keypoints=keypoints)
    return find_people(finder.frames(), finder, fps=FPS)


def followed(people: People, actor: Actor) -> list[int]:
    """Numbers of the tracks that have the actor's boxes, in order of time."""
    numbers = []
    for look in range(len(actor.place)):
        box = actor.box(look)
        for track in people.tracks:
            at = np.flatnonzero(track.frame == STEP * look)
            if box is not None and len(at) and np.allclose(track.box[at[0]], box):
                numbers.append(track.number)
    return numbers


@pytest.mark.parametrize("keypoints", [True, False])
@pytest.mark.parametrize("clothes", [(RED, BLUE), (RED, RED)])
def test_a_crossing(clothes, keypoints: bool) -> None:
    actors = [
        Actor(clothes[0], line(60, 260, LOOKS)),
        Actor(clothes[1], line(260, 60, LOOKS, 128)),
    ]
    people = found(actors, keypoints=keypoints)
    assert people.present == len(people.tracks) == 2
    assert followed(people, actors[0]) == [1] * LOOKS
    assert followed(people, actors[1]) == [2] * LOOKS


@pytest.mark.parametrize("clothes", [(RED, BLUE), (RED, RED)])
def test_the_one_behind_is_not_seen_while_they_cross(clothes) -> None:
    hidden = frozenset(range(13, 18))
    actors = [
        Actor(clothes[0], line(60, 260, LOOKS), overlooked=hidden),
        Actor(clothes[1], line(260, 60, LOOKS, 128)),
    ]
    people = found(actors)
    assert followed(people, actors[0]) == [1] * (LOOKS - len(hidden))
    assert followed(people, actors[1]) == [2] * LOOKS
    between = people.tracks[0].at(15 * STEP)
    assert between is not None
    assert between.box[0] == pytest.approx(actors[0].box(15)[0], abs=1)


def test_two_who_meet_and_turn_back_are_told_apart_by_their_colours() -> None:
    """Going on in a line would be likelier, so places alone mix them up."""
    there = line(60, 155, 15)
    away = line(260, 165, 15)
    both = frozenset(range(13, 17))
    actors = [
        Actor(RED, there + there[::-1], overlooked=both),
        Actor(BLUE, away + away[::-1], overlooked=both),
    ]
    people = found(actors)
    assert set(followed(people, actors[0])) == {1}
    assert set(followed(people, actors[1])) == {2}


def test_sightings_that_were_mixed_up_are_exchanged_back() -> None:
    """They jump to each other's place while they overlap; the colours tell afterwards."""
    red = line(60, 150, 15) + line(170, 260, 15)
    blue = line(260, 170, 15) + line(150, 60, 15)
    back_red, back_blue = red[:15] + red[:15][::-1], blue[:15] + blue[:15][::-1]
    for first, second in ((red, blue), (back_red, back_blue)):
        actors = [Actor(RED, first), Actor(BLUE, second)]
        people = found(actors)
        after = [followed(people, actor)[-10:] for actor in actors]
        assert after == [[1] * 10, [2] * 10]


def test_a_newcomer_beside_one_who_stays_while_another_is_hidden_changes_nobody() -> None:
    """The hidden one could only be where the other stands, and that one where the newcomer is."""
    hidden = frozenset(range(10, 13))
    actors = [
        Actor(RED, line(105, 105, 30), overlooked=hidden),
        Actor(GREEN, [*[None] * 10, *line(185, 185, 20)]),
        Actor(BLUE, line(140, 140, 30)),
    ]
    people = found(actors)
    assert [followed(people, actor) for actor in actors] == [[1] * 27, [3] * 20, [2] * 30]


def test_who_returns_is_whom_she_looks_like_most() -> None:
    """Both who left could be among the two who come, at a stretch; one of them surely is."""
    left, gone = _strand(0.5, 0, 10), _strand(0.03, 0, 10)
    back, new = _strand(0.45, 20, 40), _strand(0.97, 25, 40)
    costs = _costs_of_return([left, gone, back, new])
    sure, *at_a_stretch, never = costs[:2, 2:].ravel().tolist()
    assert sure < 0.1
    assert all(0.35 < cost < 0.45 for cost in at_a_stretch)
    assert never > 1
    people = _joined([left, gone, back, new])
    assert sorted([s.first for s in people]) == [0, 0, 25]
    assert left.last == 40


def _strand(share: float, first: int, last: int) -> Strand:
    """Somebody in one place whose clothes have so much of a colour, and the rest of another."""
    looks = MeanAppearance(np.array([[share, 1 - share]] * 2, np.float32), 1)
    joints = np.full((14, 2), np.nan, np.float32)
    box = np.array([0.0, 0.0, 40.0, 120.0])
    sighting = Sighting(box, 0.8, joints, np.zeros(14, np.float32))
    return Strand([(frame, sighting) for frame in (first, last)], looks)


def test_somebody_who_leaves_and_returns_elsewhere_keeps_the_number() -> None:
    absent: list[tuple[float, float] | None] = [None] * 40
    stays = Actor(BLUE, line(160, 160, 80))
    leaves = Actor(RED, [*line(60, 20, 20), *absent, *line(300, 250, 20)])
    people = found([stays, leaves])
    assert [track.number for track in people.tracks] == [1, 2]
    assert followed(people, leaves) == [1] * 40
    assert people.tracks[0].at(40 * STEP) is None
    assert people.tracks[0].at(19 * STEP + 1) is not None  # until the next look


def test_somebody_else_who_comes_later_is_somebody_else() -> None:
    absent: list[tuple[float, float] | None] = [None] * 40
    first = Actor(RED, [*line(60, 20, 20), *absent])
    second = Actor(BLUE, [*absent, *line(20, 60, 20)])
    people = found([first, second])
    assert len(people.tracks) == 2
    assert len(set(followed(people, first) + followed(people, second))) == 2


def test_who_passes_is_numbered_after_those_who_stay() -> None:
    stays = Actor(BLUE, line(160, 160, LOOKS))
    passes: list[tuple[float, float] | None] = [*line(20, 50, 4), *[None] * (LOOKS - 4)]
    people = found([stays, Actor(RED, passes)])
    assert people.present == 1
    assert followed(people, stays) == [1] * LOOKS
    assert [len(track.frame) for track in people.tracks] == [LOOKS, 4]


def test_the_same_frames_give_the_same_people() -> None:
    actors = [Actor(RED, line(60, 260, LOOKS)), Actor(RED, line(260, 60, LOOKS, 128))]
    one, two = found(actors), found(actors)
    for a, b in zip(one.tracks, two.tracks, strict=True):
        np.testing.assert_array_equal(a.box, b.box)
        np.testing.assert_array_equal(a.frame, b.frame)


def test_nobody() -> None:
    people = found([Actor(RED, [None] * 5)])
    assert people.tracks == ()
    assert people.present == 0
    assert people.looked.tolist() == [0, 3, 6, 9, 12]


def test_a_distance_to_each_of_several_is_that_of_the_two() -> None:
    drawn = np.random.default_rng(0).random((5, 2, 192)).astype(np.float32)
    worn = np.asarray(drawn / drawn.sum(axis=-1, keepdims=True), np.float32)
    worn[1, 0] = worn[2] = 0  # no torso, nothing
    for one in worn:
        np.testing.assert_array_equal(unlikes(one, worn), [unlike(one, other) for other in worn])
    shared = np.sqrt(worn[0] * worn[3]).sum(axis=1)
    assert unlike(worn[0], worn[3]) == float(np.sqrt(1 - shared).mean())
    assert unlike(worn[0], worn[1]) == float(np.sqrt(1 - np.sqrt(worn[0] * worn[1]).sum(axis=1))[1])
    assert np.isnan(unlike(worn[0], worn[2]))


def test_of_a_crowd_those_seen_most_are_joined_and_the_others_stay_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A long video of a crowd has many thousands, and the costs grow with more than the square."""
    compared = []

    def matched(cost: np.ndarray, most: float) -> dict[int, int]:
        compared.append(cost.shape)
        return plain(cost, most)

    plain = identities.matched
    monkeypatch.setattr(identities, "matched", matched)
    monkeypatch.setattr(identities, "_MOST_COMPARED", 4)
    two = [_strand(0.5, first, first + 10) for first in (0, 500)]
    for strand in two:
        strand.seen += [(strand.last + 1, strand.sighting)]
    passing = [_strand(0.5, first, first + 1) for first in range(20, 400, 20)]
    people = _joined([*passing, *two])
    assert compared == [(4, 4)]
    firsts = [strand.first for strand in people]
    assert firsts == sorted(firsts)
    assert sum(len(person.seen) for person in people) == 2 * len(passing) + 6
    assert people[0] is two[0]
    assert people[0].last == 511
    assert {strand.first for strand in passing[2:]} <= set(firsts)
