"""Following one person among several."""

import numpy as np
import pytest

from dance_models.estimators.follow import PATIENCE, PersonFollower


def box(x: float, y: float, size: float) -> np.ndarray:
    return np.array([x - size / 2, y - size / 2, x + size / 2, y + size / 2])


SMALL_LEFT, LARGE_RIGHT = box(50, 100, 60), box(250, 100, 120)
BOTH = np.stack([SMALL_LEFT, LARGE_RIGHT])


def test_first_choice_is_the_largest_or_the_given_rank() -> None:
    assert PersonFollower(None).choose(BOTH)[0] == 1
    assert PersonFollower(0).choose(BOTH) == [1]
    assert PersonFollower(1).choose(BOTH) == [0]
    assert PersonFollower(2).choose(BOTH) == []


def test_stays_with_the_person_when_another_becomes_larger() -> None:
    follower = PersonFollower(None)
    follower.seen(SMALL_LEFT)
    moved = np.stack([box(250, 100, 300), box(58, 103, 60)])
    assert follower.choose(moved) == [1]


def test_no_person_is_preferred_to_a_different_person() -> None:
    follower = PersonFollower(None)
    follower.seen(SMALL_LEFT)
    assert follower.choose(LARGE_RIGHT[None]) == []


def test_selection_restarts_after_losing_the_person_for_long() -> None:
    follower = PersonFollower(None)
    follower.seen(SMALL_LEFT)
    for _ in range(PATIENCE):
        follower.missed()
        assert follower.choose(LARGE_RIGHT[None]) == []
    follower.missed()
    assert follower.choose(LARGE_RIGHT[None]) == [0]


def test_seeing_the_person_again_resets_the_lost_frame_count() -> None:
    follower = PersonFollower(None)
    for _ in range(3 * PATIENCE):
        follower.seen(SMALL_LEFT)
        follower.missed()
    assert follower.following


def test_a_jump_or_a_sudden_change_of_size_is_not_the_same_person() -> None:
    follower = PersonFollower(None)
    assert follower.moved_plausibly(LARGE_RIGHT)  # no person was seen yet
    follower.seen(box(100, 100, 80))
    assert follower.moved_plausibly(box(110, 95, 90))
    assert not follower.moved_plausibly(box(160, 100, 80))
    assert not follower.moved_plausibly(box(100, 100, 200))
    assert not follower.moved_plausibly(box(100, 100, 30))


def test_reset_forgets_the_person() -> None:
    follower = PersonFollower(None)
    follower.seen(SMALL_LEFT)
    follower.reset()
    assert not follower.following
    assert follower.choose(BOTH)[0] == 1


def test_no_boxes() -> None:
    assert PersonFollower(None).choose(np.zeros((0, 4))) == []


def test_negative_rank_is_refused() -> None:
    with pytest.raises(ValueError, match="rank"):
        PersonFollower(-1)
