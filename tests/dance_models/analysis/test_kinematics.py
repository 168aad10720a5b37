"""Speeds, accelerations, jitter, ranges and moments of motion whose figures are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dance_models.analysis.kinematics import (
    APART_S,
    MOST,
    accelerations,
    jitter,
    lag_frames,
    moments,
    ranges,
    rest_and_motion,
    speeds,
)
from dance_models.data.exchanged_sides import Span
from dance_models.skeleton import DANCE_14

Array = NDArray[np.float64]
TORSO = 100.0
J = DANCE_14.num_joints
RATES = [15.0, 25.0, 30.0, 60.0, 120.0]


def clock(rate: float, seconds: float = 4.0) -> Array:
    return np.arange(round(rate * seconds)) / rate


def moved(x: Array) -> Array:
    """All joints at the same x (T,), y 0."""
    return np.repeat(np.stack([x, np.zeros_like(x)], axis=1)[:, None], J, axis=1)


@pytest.mark.parametrize(("rate", "frames"), [(15, 1), (25, 1), (30, 1), (50, 2), (120, 5)])
def test_frames_nearest_to_a_twenty_fifth(rate: float, frames: int) -> None:
    assert lag_frames(clock(rate)) == frames


@pytest.mark.parametrize("rate", RATES)
def test_a_steady_joint_has_its_speed_at_every_rate(rate: float) -> None:
    time_s = clock(rate)
    np.testing.assert_allclose(speeds(moved(250 * time_s), time_s, TORSO), 2.5)


@pytest.mark.parametrize("rate", RATES)
def test_a_constant_acceleration_is_the_same_at_every_rate(rate: float) -> None:
    """x = a t^2 / 2 with a = 625 pixels/s^2 is 1 pixel a frame squared at 25 frames/s."""
    time_s = clock(rate)
    found = accelerations(moved(625 * time_s**2 / 2), time_s, TORSO)
    lag = lag_frames(time_s)
    np.testing.assert_allclose(found[lag:-lag], 1.0)
    assert np.isnan(found[:lag]).all()
    assert np.isnan(found[-lag:]).all()


def test_uneven_frames_make_no_acceleration() -> None:
    time_s = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.06, 80))
    found = accelerations(moved(200 * time_s), time_s, TORSO)
    assert np.nanmax(found) == pytest.approx(0, abs=1e-8)


def test_two_frames_close_together_are_no_moment() -> None:
    """The estimator's jitter of a pixel, over the ten microseconds between two time stamps."""
    time_s = clock(30)
    time_s[[1, 61]] = time_s[[0, 60]] + 1e-5
    poses = moved(np.arange(len(time_s)) % 2.0)
    assert np.nanmax(speeds(poses, time_s, TORSO)) < 3
    assert np.nanmax(accelerations(poses, time_s, TORSO)) < 30


def test_a_missing_joint_is_unknown_where_it_is_used() -> None:
    time_s = clock(25)
    poses = moved(time_s)
    poses[40, 3] = np.nan
    assert np.flatnonzero(np.isnan(accelerations(poses, time_s, TORSO)[1:-1, 3])).tolist() == [
        38, 39, 40,
    ]  # fmt: skip
    assert np.flatnonzero(np.isnan(speeds(poses, time_s, TORSO)[:, 3])).tolist() == [39, 41]
    assert np.isfinite(speeds(poses, time_s, TORSO)[:, 4]).all()


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_short_videos_have_no_acceleration(frames: int) -> None:
    time_s = clock(25)[:frames]
    assert accelerations(moved(time_s), time_s, TORSO).shape == (frames, J)
    assert not np.isfinite(accelerations(moved(time_s), time_s, TORSO)).any()
    assert speeds(moved(time_s), time_s, TORSO).shape == (frames, J)


def test_jitter_is_told_at_rest_and_in_motion() -> None:
    """The first half stands, the second moves by 2 torsos/s; noise of 1 pixel throughout."""
    rng, time_s = np.random.default_rng(1), clock(25, 40)
    truth = moved(np.maximum(time_s - 20, 0) * 200)
    rest, moving = rest_and_motion(truth, time_s, TORSO)
    assert rest[:495].all()
    assert not rest[505:].any()
    noise = rng.normal(0, 1, truth.shape)
    both = jitter({"noisy": truth + noise, "clean": truth}, time_s, TORSO, (rest, moving))
    found = both["noisy"]
    # Second differences have the variance 1 + 4 + 1; the median of a Rayleigh is 1.1774 sigma.
    assert found.rest == pytest.approx(np.sqrt(6) * 1.1774, rel=0.05)
    assert found.motion == pytest.approx(found.rest, rel=0.05)
    assert found.rest_samples + found.motion_samples == (len(time_s) - 2) * J
    assert both["clean"].rest == 0
    first = rest[:400], moving[:400]
    quiet = jitter({"x": truth[:400]}, time_s[:400], TORSO, first)["x"]
    assert quiet.rest == 0
    assert np.isnan(quiet.motion)


def test_jitter_is_compared_on_the_same_joints_and_frames() -> None:
    rng, time_s = np.random.default_rng(3), clock(25)
    poses = rng.normal(0, 1, (len(time_s), J, 2))
    gaps = poses.copy()
    gaps[50:] = np.nan
    rest = np.ones(poses.shape[:2], bool)
    found = jitter({"a": poses, "b": gaps}, time_s, TORSO, (rest, ~rest))
    assert found["a"] == found["b"]
    assert found["a"].rest_samples == 48 * J


def test_a_joint_at_rest_beside_gaps_and_cuts_does_not_move() -> None:
    """Its acceleration is known nearer to them than its speed."""
    rng, time_s = np.random.default_rng(5), clock(25)
    poses = rng.normal(0, 0.5, (len(time_s), J, 2))
    poses[30:50] = np.nan
    cuts = [70, 80, 90]
    found = jitter({"x": poses}, time_s, TORSO, rest_and_motion(poses, time_s, TORSO, cuts), cuts)
    assert found["x"].motion_samples == 0
    assert found["x"].rest_samples > 40 * J


def test_nothing_is_measured_across_a_cut() -> None:
    time_s = clock(25)
    poses = moved(np.where(np.arange(len(time_s)) < 40, 0.0, 300.0))
    score = np.ones(poses.shape[:2])
    found = accelerations(poses, time_s, TORSO, [40])[1:-1, 0]
    assert np.flatnonzero(np.isnan(found)).tolist() == [38, 39]
    speed = speeds(poses, time_s, TORSO, cuts=[40])[:, 0]
    assert np.flatnonzero(np.isnan(speed)).tolist() == [39, 40]
    assert np.nanmax(speed) == 0
    assert [m.what for m in moments(poses, poses, score, time_s, TORSO)] == ["acceleration"]
    assert moments(poses, poses, score, time_s, TORSO, cuts=[40]) == []


def test_noise_of_two_percent_is_no_motion() -> None:
    rng, time_s = np.random.default_rng(2), clock(30)
    poses = moved(np.zeros(len(time_s))) + rng.normal(0, 1.0, (len(time_s), J, 2))
    assert rest_and_motion(poses, time_s, TORSO)[0].mean() > 0.95


def test_ranges_and_when() -> None:
    time_s = np.arange(101) / 10
    values = np.arange(101.0)
    values[50] = 300
    values[:3] = np.nan
    (found,) = ranges({"knee": values, "unknown": np.full(101, np.nan)}, time_s)
    assert (found.name, found.least, found.most) == ("knee", 3, 300)
    assert (found.least_at_s, found.most_at_s) == (0.3, 5.0)
    assert found.known == pytest.approx(98 / 101)
    known = values[3:]
    assert (found.p5, found.median, found.p95) == tuple(np.quantile(known, (0.05, 0.5, 0.95)))


def still(frames: int = 500) -> tuple[Array, Array, Array]:
    return clock(25, frames / 25), np.zeros((frames, J, 2)), np.ones((frames, J))


def test_a_quiet_video_has_no_moments() -> None:
    time_s, poses, score = still()
    assert moments(poses, poses, score, time_s, TORSO) == []
    empty = np.zeros((0, J, 2))
    assert moments(empty, empty, np.zeros((0, J)), np.zeros(0), TORSO) == []


def test_each_kind_of_moment_is_found_once() -> None:
    time_s, refined, score = still()
    estimate = refined.copy()
    estimate[50:60, DANCE_14.index["left_wrist"], 0] = np.linspace(10, 40, 10)
    refined[150:, DANCE_14.index["right_ankle"], 1] = 30
    estimate[150:] = refined[150:]
    score[300:310] = 0.3
    score[400:405] = 0
    found = moments(estimate, refined, score, time_s, TORSO, [Span("legs", 450, 453)])
    assert [(m.what, m.frame) for m in found] == [
        ("disagreement", 59), ("acceleration", 149), ("confidence", 300), ("nobody", 400),
        ("sides", 450),
    ]  # fmt: skip
    assert [m.time_s for m in found] == [time_s[m.frame] for m in found]
    assert found[0].value == pytest.approx(40)
    assert "left wrist" in found[0].words
    assert "right ankle" in found[1].words
    assert found[3].words == "nobody was found for 0.2 s"
    assert "of the legs had been mixed up for 0.1 s" in found[4].words


def test_what_is_too_short_for_tenths_of_a_second_is_said_in_frames() -> None:
    time_s, poses, score = still()
    score[100], score[400:402] = 0, 0
    found = [m.words for m in moments(poses, poses, score, time_s, TORSO, [Span("legs", 200, 201)])]
    assert found == [
        "nobody was found for 1 frame",
        "left and right of the legs had been mixed up for 1 frame; that was put right",
        "nobody was found for 2 frames",
    ]


def test_how_long_nobody_was_found_is_by_the_frames_own_times() -> None:
    """30 frames a second, then 5 in the dark: ten of these are two seconds."""
    time_s = np.concatenate([np.arange(90) / 30, 3 + np.arange(20) / 5])
    poses, score = np.zeros((110, J, 2)), np.ones((110, J))
    score[95:105], score[30:33], score[109] = 0, 0, 0
    found = [m for m in moments(poses, poses, score, time_s, TORSO) if m.what == "nobody"]
    assert [m.words.removeprefix("nobody was found for ") for m in found] == [
        "0.1 s", "2.0 s", "1 frame",
    ]  # fmt: skip
    assert [m.value for m in found[:2]] == pytest.approx([0.1, 2.0])


def test_moments_of_a_kind_are_few_and_apart() -> None:
    time_s, refined, score = still()
    rng = np.random.default_rng(4)
    estimate = refined + rng.normal(0, 20, refined.shape)
    spans = [Span("body", i, i + 5) for i in range(0, 400, 10)]
    found = moments(estimate, refined, score, time_s, TORSO, spans)
    for what in ("disagreement", "sides"):
        at = np.sort([m.time_s for m in found if m.what == what])
        assert len(at) == MOST
        assert (np.diff(at) >= APART_S).all()


def test_missing_poses_are_no_moments() -> None:
    time_s, refined, score = still()
    refined[100:200] = np.nan
    with np.errstate(all="raise"):
        assert moments(refined, refined, score, time_s, TORSO) == []
