"""Whether a forecast is shown, by its errors on the video."""

from dataclasses import replace

import numpy as np
import pytest
from video_poses import ANCHORS, swinging

from dance_models.analysis import forecast_shown
from dance_models.analysis.forecast_shown import FEWEST, FORECAST, ForecastCheck, check_forecasts


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
    assert f"off by {bad.errors['forecast'][160]:.1f} %" in bad.sentence(160)
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
        forecast=poses.forecast[first],
    )
    assert check_forecasts(one_shot).errors[FORECAST][400] == pytest.approx(0, abs=1e-3)


def test_with_few_forecasts_nothing_is_claimed() -> None:
    poses = swinging()
    few = replace(
        poses,
        anchor=poses.anchor[: FEWEST - 1],
        forecast=poses.forecast[: FEWEST - 1],
    )
    check = check_forecasts(few)
    assert not check.is_shown(80)
    assert f"only {FEWEST - 1} forecasts" in check.sentence(80)
    assert not ForecastCheck({}, {}).is_shown(80)


def test_the_check_does_not_depend_on_how_many_forecasts_are_checked_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poses = swinging(noise=3)
    whole = check_forecasts(poses)
    monkeypatch.setattr(forecast_shown, "_AT_ONCE", 13)
    parts = check_forecasts(poses)
    assert parts.windows == whole.windows
    for name, row in whole.errors.items():
        assert parts.errors[name] == pytest.approx(row, rel=1e-5)
