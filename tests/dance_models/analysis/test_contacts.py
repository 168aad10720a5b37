"""Contacts of feet that walk, jump, slide and turn, on times that are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dance_models.analysis.contacts import SIDES, Contacts, Side, foot_contacts
from dance_models.evidence import LANDMARKS
from dance_models.skeleton import DANCE_14

Array = NDArray[np.float64]
FLOOR = 500.0
TORSO = 100.0
AT = {"left": 340.0, "right": 300.0}


def video(seconds: float = 4.0, rate: float = 25.0) -> tuple[Array, Array, Array]:
    """A dancer who stands with both feet flat."""
    time_s = np.arange(round(seconds * rate)) / rate
    poses = np.zeros((len(time_s), 14, 2))
    poses[:, DANCE_14.index["neck"]] = 320, 200
    for side, x in AT.items():
        poses[:, DANCE_14.index[f"{side}_hip"]] = x, 300
    marks = np.full((len(time_s), len(LANDMARKS), 3), np.nan)
    for side in SIDES:
        shift(poses, marks, side, np.zeros((len(time_s), 2)))
    return poses, marks, time_s


def shift(poses: Array, marks: Array, side: Side, by: Array) -> None:
    """Place a foot, moved by (T, 2) pixels."""
    x = AT[side]
    poses[:, DANCE_14.index[f"{side}_ankle"]] = np.array([x, FLOOR - 12]) + by
    marks[:, LANDMARKS.index(f"{side}_heel"), :2] = np.array([x - 5, FLOOR]) + by
    marks[:, LANDMARKS.index(f"{side}_foot_index"), :2] = np.array([x + 25, FLOOR]) + by


def of(found: Contacts, side: Side) -> list[tuple[int, int]]:
    return [(c.start, c.stop) for c in found.contacts if c.side == side]


def bump(time_s: Array, start: float, stop: float) -> Array:
    """0, up to 1 and back between two times."""
    return np.sin(np.pi * np.clip((time_s - start) / (stop - start), 0, 1)) ** 2


@pytest.mark.parametrize("rate", [15.0, 25.0, 60.0])
def test_feet_that_stand_are_down_throughout(rate: float) -> None:
    poses, marks, time_s = video(rate=rate)
    found = foot_contacts(poses, marks, time_s)
    assert [(c.side, c.start, c.stop, c.slide) for c in found.contacts] == [
        ("left", 0, len(time_s), 0.0), ("right", 0, len(time_s), 0.0),
    ]  # fmt: skip
    assert found.contacts[0].stop_s == time_s[-1]


@pytest.mark.parametrize("rate", [15.0, 25.0, 60.0])
def test_a_step_lifts_one_foot(rate: float) -> None:
    poses, marks, time_s = video(rate=rate)
    up = bump(time_s, 1.0, 2.0)
    shift(
        poses,
        marks,
        "left",
        np.stack([100 * (time_s > 1) * np.minimum(time_s - 1, 1), -60 * up], 1),
    )
    found = foot_contacts(poses, marks, time_s)
    assert of(found, "right") == [(0, len(time_s))]
    (first, second) = (c for c in found.contacts if c.side == "left")
    assert first.stop_s == pytest.approx(1.1, abs=0.15)
    assert second.start_s == pytest.approx(1.9, abs=0.15)
    assert not found.down["left"][np.abs(time_s - 1.5) < 0.2].any()


def test_a_foot_that_is_held_high_is_not_down() -> None:
    """Slow alone is not enough: a leg in the air may stand still for seconds."""
    poses, marks, time_s = video()
    held = np.clip((time_s - 1) / 0.3, 0, 1)
    shift(poses, marks, "right", np.stack([0 * held, -120 * held], 1))
    found = foot_contacts(poses, marks, time_s)
    assert not found.down["right"][time_s > 1.4].any()
    assert found.down["left"].all()


def test_in_a_jump_neither_foot_is_down() -> None:
    poses, marks, time_s = video()
    up = np.clip(1 - ((time_s - 2) / 0.3) ** 2, 0, None)  # 0.6 s in the air
    for side in SIDES:
        shift(poses, marks, side, np.stack([0 * up, -80 * up], 1))
    found = foot_contacts(poses, marks, time_s)
    air = np.abs(time_s - 2) < 0.2
    for side in SIDES:
        assert not found.down[side][air].any()
        assert len(of(found, side)) == 2


def test_a_slow_slide_is_a_contact_with_its_length() -> None:
    poses, marks, time_s = video()
    along = np.clip(time_s - 1, 0, 2) * 40  # 0.4 torsos a second for two seconds
    shift(poses, marks, "left", np.stack([along, 0 * along], 1))
    found = foot_contacts(poses, marks, time_s)
    assert of(found, "left") == [(0, len(time_s))]
    assert found.contacts[0].slide == pytest.approx(0.8)
    assert found.contacts[1].slide == 0


def test_a_foot_that_turns_on_its_ball_does_not_slide() -> None:
    poses, marks, time_s = video()
    heel = LANDMARKS.index("left_heel")
    ball = marks[0, LANDMARKS.index("left_foot_index"), :2]
    turn = 2 * np.pi * time_s / 4
    marks[:, heel, :2] = ball + 30 * np.stack([-np.cos(turn), 0.2 * np.sin(turn)], 1)
    found = foot_contacts(poses, marks, time_s)
    assert found.down["left"].all()
    assert found.contacts[0].slide == 0


def test_noise_neither_cuts_a_contact_nor_slides_far() -> None:
    rng = np.random.default_rng(5)
    poses, marks, time_s = video(20.0)
    for side in SIDES:
        shift(poses, marks, side, rng.normal(0, 1.5, (len(time_s), 2)))
    found = foot_contacts(poses, marks, time_s)
    assert [(c.start, c.stop) for c in found.contacts] == [(0, len(time_s))] * 2
    assert max(c.slide for c in found.contacts) < 0.06


def test_no_contact_goes_across_a_cut() -> None:
    """The second shot shows the dancer higher in the picture, as if both feet were in the air."""
    poses, marks, time_s = video()
    poses[60:, :, 1] -= 200
    marks[60:, :, 1] -= 200
    found = foot_contacts(poses, marks, time_s, [60])
    for side in SIDES:
        assert of(found, side) == [(0, 60), (60, 100)]
    assert {c.slide for c in found.contacts} == {0.0}
    assert found.contacts[-1].start_s == time_s[60]


def test_ankles_alone_and_missing_feet() -> None:
    poses, marks, time_s = video()
    ankle = DANCE_14.index["left_ankle"]
    poses[30:70, ankle] = np.nan
    found = foot_contacts(poses, marks[:, :0], time_s)
    assert of(found, "right") == [(0, 100)]
    assert of(found, "left") == [(0, 28), (72, 100)]  # a speed needs both frames


def test_nobody_and_no_torso() -> None:
    poses, marks, time_s = video()
    for missing in (poses * np.nan, poses[:0], poses[:1]):
        frames = len(missing)
        found = foot_contacts(missing, marks[:frames], time_s[:frames])
        assert found.contacts == ()
        assert all(state.shape == (frames,) and not state.any() for state in found.down.values())
