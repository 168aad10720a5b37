"""Whether a forecast is shown, by its errors on the video."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from dance_models.analysis.forecast_shown import FEWEST, FORECAST, ForecastCheck, check_forecasts
from dance_models.analysis.jitter import acceleration, jitter_of
from dance_models.analysis.video import Seen, VideoPoses
from dance_models.data.forecast_windows import FUTURE, GRID_S, OBSERVED, resample
from dance_models.skeleton import DANCE_14
from dance_models.training.synthetic import synthetic_runs

ANCHORS = np.arange(40, 240, 3)


def swinging(noise: float = 0.0) -> VideoPoses:
    """300 frames in two stretches, observed and forecast exactly up to ``noise`` pixels."""
    run = synthetic_runs(1, 300)[0]
    pose = run.annotation
    grid = run.time_s[ANCHORS][:, None] + GRID_S
    windows = resample(run.time_s, pose, grid)
    shaken = windows[:, OBSERVED:] + np.random.default_rng(0).normal(
        0, noise, (len(ANCHORS), FUTURE, *pose.shape[1:])
    )
    return VideoPoses(
        seen=Seen(run, np.array([150])),
        restored=run,
        refined=pose,
        stretches=((0, 150), (150, 300)),
        anchor=ANCHORS,
        observed=windows[:, :OBSERVED],
        forecast=shaken.astype(np.float32),
    )


def test_a_forecast_better_than_every_simple_rule_is_shown() -> None:
    check = check_forecasts(swinging())
    assert all(check.is_shown(ms) for ms in (80, 160, 320, 400))
    assert check.errors[FORECAST][160] == pytest.approx(0, abs=1e-3)
    assert 0 < check.errors["ar"][160] < check.errors["zero_velocity"][160]
    assert "is drawn" in check.sentence(160)


def test_one_that_is_no_better_than_any_of_them_is_not() -> None:
    exact, bad = check_forecasts(swinging()), check_forecasts(swinging(noise=30))
    assert not bad.is_shown(160)
    assert "not drawn" in bad.sentence(160)
    assert f"zero velocity {bad.errors['zero_velocity'][160]:.1f}" in bad.sentence(160)
    assert bad.errors["zero_velocity"] == exact.errors["zero_velocity"]


def test_no_truth_comes_from_behind_a_cut() -> None:
    poses = swinging()
    behind = poses.refined.copy()
    behind[150:] += 500
    moved = check_forecasts(replace(poses, refined=behind))
    after_s = poses.run.time_s[ANCHORS][:, None] + np.array([0.08, 0.16, 0.32, 0.4])
    end_s = np.where(ANCHORS < 150, poses.run.time_s[149], poses.run.time_s[299])
    inside = after_s <= end_s[:, None] + 1e-9
    assert list(moved.windows.values()) == inside.sum(axis=0).tolist()
    first = ANCHORS < 112  # their future lies in the first stretch
    assert not np.isnan(moved.errors[FORECAST][400])
    one_shot = replace(
        poses,
        anchor=ANCHORS[first],
        observed=poses.observed[first],
        forecast=poses.forecast[first],
    )
    assert check_forecasts(one_shot).errors[FORECAST][400] == pytest.approx(0, abs=1e-3)


def test_with_few_forecasts_nothing_is_claimed() -> None:
    poses = swinging()
    few = replace(
        poses,
        anchor=poses.anchor[: FEWEST - 1],
        observed=poses.observed[: FEWEST - 1],
        forecast=poses.forecast[: FEWEST - 1],
    )
    check = check_forecasts(few)
    assert not check.is_shown(80)
    assert f"only {FEWEST - 1} forecasts" in check.sentence(80)
    assert not ForecastCheck({}, {}).is_shown(80)


# --- jitter -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [15, 30, 120])
def test_acceleration_is_of_a_thirtieth_of_a_second_at_any_rate(rate: int) -> None:
    time_s = np.arange(rate) / rate
    fall = 0.5 * 900 * time_s**2  # 900 pixels a second squared: 1 a frame squared
    poses = np.zeros((rate, DANCE_14.num_joints, 2))
    poses[..., 1] = fall[:, None]
    found = acceleration(time_s, poses)
    assert np.isnan(found[[0, -1]]).all()
    np.testing.assert_allclose(found[1:-1], 1, atol=1e-6)


def test_jitter_is_that_of_the_noise_and_the_filter_lowers_it() -> None:
    poses = swinging()
    noise: NDArray[np.float32] = np.random.default_rng(0).normal(0, 1, poses.refined.shape)
    noisy = replace(poses.run, estimate=(poses.refined + noise).astype(np.float32))
    rows = jitter_of(replace(poses, restored=noisy))
    for part in ("at_rest", "in_motion"):
        assert rows["refined"][part] < rows["one_euro"][part] < rows["estimate"][part]
    # The second difference of white noise of 1 pixel in x and y: sqrt(6) in each, on 60 pixels.
    expected = 100 * np.sqrt(6) * np.sqrt(np.pi / 2) / 60
    assert rows["estimate"]["at_rest"] == pytest.approx(expected, rel=0.1)
