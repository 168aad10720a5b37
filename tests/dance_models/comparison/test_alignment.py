"""Mirror, offset and path, on rendered choreography with known lateness."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from danced import dance, filmed, late_by, performance
from numpy.typing import NDArray

from dance_models.comparison.align import Alignment, Turned, best_alignment
from dance_models.comparison.correlate import common_by_shift, correlation_by_shift, peak
from dance_models.comparison.offset import Offset
from dance_models.comparison.performance import Performance
from dance_models.comparison.smooth import rate_of_change, smoothed
from dance_models.comparison.warping import cheapest_path
from dance_models.config import ComparisonConfig
from dance_models.geometry import mirror_keypoints

CONFIG = ComparisonConfig()
SOUND = Offset(0.0, 1.0, "sound")  # what a recording with sound would give


@cache
def poses(seed: int = 0, style: str = "street") -> NDArray[np.float32]:
    return filmed(dance(10, seed, style))


def lateness(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Between 0 and 300 ms, changing within about two seconds."""
    return 0.15 - 0.15 * np.cos(2 * np.pi * times / 4.5)


def found(reference: Performance, practice: Performance, sound: Offset | None = SOUND) -> Alignment:
    alignment, _ = best_alignment(reference, practice, sound, CONFIG)
    assert alignment is not None
    return alignment


def errors(alignment: Alignment) -> NDArray[np.float64]:
    """Seconds; without the ends, where one of the videos ends within the smoothing."""
    wrong = (alignment.late_s - lateness(alignment.time_s))[25:-25]
    return np.abs(wrong[np.isfinite(wrong)])


@pytest.mark.parametrize(("seed", "style", "fps"), [(0, "street", 30), (2, "contemporary", 15)])
def test_lateness_is_found_within_20_ms(seed: int, style: str, fps: float) -> None:
    rng = np.random.default_rng(seed)
    times, late = late_by(poses(seed, style), lateness, fps)
    alignment = found(performance(poses(seed, style), rng=rng), performance(late, times, rng))
    assert errors(alignment).mean() < 0.020
    assert alignment.correlation > 0.85
    assert alignment.turned == Turned()


def test_without_sound_lateness_is_against_the_median() -> None:
    rng = np.random.default_rng(1)
    times, late = late_by(poses(), lambda t: lateness(t) + 0.4)
    alignment = found(performance(poses(), rng=rng), performance(late, times, rng), sound=None)
    known = alignment.late_s[np.isfinite(alignment.late_s)]
    assert np.median(known) == pytest.approx(0.0, abs=1e-6)
    truth = lateness(alignment.time_s)
    wrong = alignment.late_s - (truth - np.median(truth[np.isfinite(alignment.late_s)]))
    assert np.nanmean(np.abs(wrong[25:-25])) < 0.020
    assert alignment.offset.source == "poses"
    assert alignment.offset.seconds == pytest.approx(0.4 + np.median(truth), abs=0.03)


@pytest.mark.parametrize("gone", [slice(120, None), slice(0, 160), slice(60, 220)])
@pytest.mark.parametrize("who", [0, 1])
def test_nobody_is_late_where_nobody_is_seen(gone: slice, who: int) -> None:
    whole, part = poses(), poses().copy()
    part[gone] = np.nan
    pair = [performance(whole), performance(whole)]
    pair[who] = performance(part)
    alignment = found(*pair, sound=None)
    assert alignment.offset.seconds == pytest.approx(0.0, abs=0.01)
    frames = np.clip(np.rint(alignment.time_s * 30), 0, len(part) - 1).astype(int)
    unseen = np.isnan(part[frames]).all(axis=(1, 2))
    inner = unseen & np.roll(unseen, 2) & np.roll(unseen, -2)
    assert not np.isfinite(alignment.late_s[inner]).any()
    known = np.abs(alignment.late_s[np.isfinite(alignment.late_s)])
    assert np.mean(known > CONFIG.timing_floor_s) < 0.05


def test_a_mirrored_practice_is_told_and_its_lateness_found() -> None:
    rng = np.random.default_rng(2)
    times, late = late_by(poses(), lateness)
    practice = performance(mirror_keypoints(late, 640), times, rng)
    alignment = found(performance(poses(), rng=rng), practice)
    assert alignment.turned == Turned(mirrored=True)
    assert errors(alignment).mean() < 0.020


def test_a_practice_filmed_from_behind_is_told() -> None:
    rng = np.random.default_rng(6)
    joints = dance(10)
    reference, practice = (performance(filmed(joints, yaw), rng=rng) for yaw in (0, 180))
    assert found(reference, practice).turned == Turned(behind=True)
    image = performance(mirror_keypoints(practice.poses, 640))
    assert found(reference, image).turned == Turned(mirrored=True, behind=True)


def test_a_part_of_the_body_and_of_the_dance_is_enough() -> None:
    rng = np.random.default_rng(3)
    times, late = late_by(poses(), lateness)
    late[:, 10:] = np.nan  # knees and ankles are out of the picture
    late[60:75] = np.nan  # nobody for half a second
    part = slice(45, None)
    practice = performance(late[part], times[part], rng)
    alignment = found(performance(poses(), rng=rng), practice)
    assert np.isnan(alignment.practice_s[:50]).all()  # before its video begins
    assert errors(alignment).mean() < 0.025


def test_the_path_stays_within_the_limits_of_its_slope() -> None:
    alignment = found(performance(poses(0)), performance(poses(2)))
    pace = np.diff(alignment.practice_s[np.isfinite(alignment.practice_s)]) / CONFIG.grid_s
    assert pace.min() > CONFIG.slowest - 0.02
    assert pace.max() < CONFIG.fastest + 0.02


def test_too_little_in_common_is_no_alignment() -> None:
    short = performance(poses()[:30])
    assert best_alignment(performance(poses()), short, None, CONFIG) == (None, 0.0)
    loose = replace(CONFIG, least_overlap_s=0.5)
    assert best_alignment(performance(poses()), short, None, loose)[0] is not None


def test_a_few_frames_that_both_show_are_no_alignment() -> None:
    """Of a practice that is seen for a second, some second of the reference is always alike."""
    part = poses().copy()
    part[20:-20] = np.nan
    for pair in ((poses(), part), (part, poses())):
        assert best_alignment(*map(performance, pair), None, CONFIG) == (None, 0.0)
        assert best_alignment(*map(performance, pair), SOUND, CONFIG) == (None, 0.0)


def test_the_cheapest_path_obeys_its_steps() -> None:
    cost = np.ones((4, 5))
    cost[0, 3:], cost[1, 1] = 5.0, 0.5
    cost[[0, 2, 3], [1, 4, 4]] = 0.0  # a jump of three columns is not allowed
    steps = np.array([-1, 0, 1])
    path = cheapest_path(cost, steps, 0.01 * np.abs(steps))
    assert path.tolist() == [2, 3, 4, 4]
    assert cheapest_path(cost, np.array([0, 3]), np.array([0.0, 0.0])).tolist() == [1, 1, 4, 4]


def test_correlation_by_shift_is_that_of_the_overlap() -> None:
    rng = np.random.default_rng(5)
    whole = rng.normal(size=(90, 3))
    values, shifts = correlation_by_shift(whole[20:60], whole[:50], 20)
    shift, value = peak(values, shifts)
    assert (round(shift), round(value, 6)) == (20, 1.0)
    assert shifts.min() == -20
    at = int(np.flatnonzero(shifts == 5)[0])
    a, b = whole[20:60], whole[5:45]
    assert values[at] == pytest.approx((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))
    assert correlation_by_shift(whole, whole, 91)[0].size == 0
    masks = rng.random(30) < 0.5, rng.random(50) < 0.5
    common = common_by_shift(*masks, np.arange(-29, 50))
    assert common[29 + 5] == (masks[0] & masks[1][5:35]).sum()
    assert common[29 - 20] == (masks[0][20:] & masks[1][:10]).sum()


def test_smoothing_keeps_constants_and_what_is_missing() -> None:
    values = np.full((20, 2), 3.0)
    values[4:7, 0] = np.nan
    np.testing.assert_array_equal(np.isnan(smoothed(values, 2.0)), np.isnan(values))
    np.testing.assert_allclose(np.nan_to_num(smoothed(values, 2.0), nan=3.0), 3.0)
    slope = rate_of_change(0.5 * np.arange(10.0), 0.1)
    np.testing.assert_allclose(slope[1:-1], 5.0)
    assert np.isnan(slope[[0, -1]]).all()
