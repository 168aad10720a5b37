"""Trivial prediction rows."""

import numpy as np
import pytest
from evaluation_cases import figure, make_run, swaying
from numpy.typing import NDArray

from dance_models.data.forecast_windows import FUTURE, OBSERVED, ForecastWindows, cut_windows
from dance_models.evaluation.forecasts import (
    GAMMAS,
    STRENGTHS,
    AutoregressionFit,
    DampedVelocity,
    DampedVelocityFit,
    KalmanForecast,
    WindowScale,
    constant_velocity,
    fit_autoregression,
    fit_damped_velocity,
    fit_kalman,
    fit_ridge,
    trivial_forecasters,
    window_error,
    zero_velocity,
)
from dance_models.evaluation.recursive_filters import kalman_state
from dance_models.geometry import pelvis


def windows(phases: list[float], frames: int = 120) -> ForecastWindows:
    poses = [swaying(frames, phase=p) for p in phases]
    runs = [make_run(p, clip=f"c{i}") for i, p in enumerate(poses)]
    return cut_windows(runs, poses, stride=2)


def line(step: float) -> NDArray[np.float64]:
    """One window in which everything moves ``step`` pixels a frame to the right, all 37 frames."""
    poses = np.tile(figure(), (OBSERVED + FUTURE, 1, 1))
    poses[..., 0] += step * np.arange(OBSERVED + FUTURE)[:, None]
    return poses


TRAIN, VALIDATION, TEST = windows([0.0, 1.0, 2.5, 4.0]), windows([0.5, 3.0]), windows([1.7, 5.0])
EMPTY = cut_windows([], [])


def test_zero_velocity_repeats_the_last_pose() -> None:
    forecast = zero_velocity(TEST.observed)
    assert forecast.shape == (len(TEST), FUTURE, 14, 2)
    np.testing.assert_array_equal(forecast, np.repeat(TEST.observed[:, -1:], FUTURE, axis=1))


def test_constant_velocity_continues_a_line() -> None:
    poses = line(2.0)
    np.testing.assert_allclose(constant_velocity(poses[None, :OBSERVED])[0], poses[OBSERVED:])


def test_damped_velocity_by_hand() -> None:
    poses = line(8.0)
    forecast = DampedVelocity(0.5)(poses[None, :OBSERVED])[0]
    travelled = forecast[:, 0, 0] - poses[OBSERVED - 1, 0, 0]
    np.testing.assert_allclose(travelled[:4], [4, 6, 7, 7.5])


def test_the_weights_of_the_kalman_filter_find_position_and_velocity_of_a_line() -> None:
    position, velocity = kalman_state(OBSERVED, 0.04, 50.0)
    time_s = 0.04 * np.arange(OBSERVED)
    found = [weights @ series for weights in (position, velocity) for series in (time_s**0, time_s)]
    np.testing.assert_allclose(found, [1, time_s[-1], 0, 1], atol=1e-3)
    assert position[-1] > 0.5  # the latest position counts most


def test_a_kalman_filter_continues_a_line_and_keeps_a_pose() -> None:
    for step in (0.0, 2.0):
        poses = line(step)
        forecast = KalmanForecast(50.0, 1.0)(poses[None, :OBSERVED])[0]
        np.testing.assert_allclose(forecast, poses[OBSERVED:], atol=0.2)


def test_a_kalman_filter_smooths_noise() -> None:
    noise = np.random.default_rng(0).normal(0, 3, (20, OBSERVED, 14, 2))
    observed, truth = figure() + noise, np.broadcast_to(figure(), (20, FUTURE, 14, 2))
    calm, nervous = (np.abs(KalmanForecast(a, 1.0)(observed) - truth).mean() for a in (5.0, 1e5))
    assert calm < 0.3 * nervous


def test_the_kalman_filter_is_tuned_on_validation() -> None:
    tuned = fit_kalman(VALIDATION)
    best = window_error(tuned, VALIDATION)
    assert best < window_error(zero_velocity, VALIDATION)
    for acceleration in (5.0, 500.0):
        for gamma in (0.3, 1.0):
            assert best <= window_error(KalmanForecast(acceleration, gamma), VALIDATION)


def test_damping_is_tuned_on_validation() -> None:
    straight = np.stack([line(s) for s in (1.0, 2.0, 3.0)]).astype(np.float32)
    index = np.zeros(3, np.int64)
    going_on = ForecastWindows(straight[:, :OBSERVED], straight[:, OBSERVED:], index, index)
    assert fit_damped_velocity(going_on).gamma == 1.0
    stopping = ForecastWindows(
        straight[:, :OBSERVED], zero_velocity(straight[:, :OBSERVED]), index, index
    )
    assert fit_damped_velocity(stopping).gamma == min(GAMMAS)


def test_fitted_rows_beat_zero_velocity_on_regular_motion() -> None:
    still = window_error(zero_velocity, TEST)
    for name, forecaster in trivial_forecasters(TRAIN, VALIDATION):
        error = window_error(forecaster, TEST)
        if name in ("ar", "ridge"):
            assert error < 0.2 * still, name
        if name == "damped_velocity":
            assert error < still


def test_autoregression_recovers_a_linear_recursion() -> None:
    """A sinusoid obeys x_{t+1} = 2 cos(w) x_t - x_{t-1}: nine steps forecast it exactly."""
    forecast = fit_autoregression(TRAIN)(TEST.observed)
    np.testing.assert_allclose(forecast, TEST.future, atol=2.0)
    assert np.abs(zero_velocity(TEST.observed) - TEST.future).max() > 30


def test_windows_may_be_given_in_parts() -> None:
    regression, damped = AutoregressionFit(), DampedVelocityFit()
    future = TRAIN.future.copy()
    future[::2, :, 6] = np.nan
    for first in range(0, len(TRAIN), 9):
        arrays = (TRAIN.observed, future, TRAIN.run, TRAIN.anchor)
        part = ForecastWindows(*(array[first : first + 9] for array in arrays))
        regression.add(part)
        damped.add(part)
    whole = ForecastWindows(TRAIN.observed, future, TRAIN.run, TRAIN.anchor)
    assert damped.fitted() == fit_damped_velocity(whole)
    np.testing.assert_allclose(
        regression.fitted()(TEST.observed), fit_autoregression(whole)(TEST.observed), atol=1e-2
    )


@pytest.mark.parametrize("name", ["constant_velocity", "damped_velocity", "ar", "ridge"])
def test_scale_and_position_in_the_image_do_not_matter(name: str) -> None:
    forecaster = dict(trivial_forecasters(TRAIN, VALIDATION))[name]
    moved = TEST.observed * np.float32(2) + np.float32(31)
    np.testing.assert_allclose(forecaster(moved), forecaster(TEST.observed) * 2 + 31, atol=0.05)


def test_each_row_depends_only_on_its_own_window() -> None:
    for name, forecaster in trivial_forecasters(TRAIN, VALIDATION):
        together = forecaster(TEST.observed)
        alone = np.concatenate([forecaster(TEST.observed[i : i + 1]) for i in range(3)])
        np.testing.assert_allclose(together[:3], alone, atol=1e-2, err_msg=name)


def test_unknown_future_joints_are_left_out() -> None:
    future = TRAIN.future.copy()
    future[::2, :, 6] = np.nan
    future[:, 5:, 3] = np.nan
    partly = ForecastWindows(TRAIN.observed, future, TRAIN.run, TRAIN.anchor)
    for fitted in (fit_autoregression(partly), fit_ridge(partly, VALIDATION)):
        assert np.isfinite(fitted(TEST.observed)).all()
        assert window_error(fitted, TEST) < 0.5 * window_error(zero_velocity, TEST)
    assert np.isfinite(window_error(zero_velocity, partly))


def test_ridge_strength_is_chosen_on_validation() -> None:
    halting = ForecastWindows(
        VALIDATION.observed, zero_velocity(VALIDATION.observed), VALIDATION.run, VALIDATION.anchor
    )
    assert fit_ridge(TRAIN, VALIDATION).strength == min(STRENGTHS)
    assert fit_ridge(TRAIN, halting).strength == max(STRENGTHS)
    assert fit_ridge(TRAIN, EMPTY).strength == max(STRENGTHS)


def test_without_training_windows_the_fitted_rows_equal_zero_velocity() -> None:
    for name, forecaster in trivial_forecasters(EMPTY, EMPTY):
        forecast = forecaster(TEST.observed)
        assert forecast.shape == (len(TEST), FUTURE, 14, 2)
        if name in ("ar", "ridge", "zero_velocity"):
            np.testing.assert_allclose(forecast, zero_velocity(TEST.observed), atol=1e-3)
        assert forecaster(EMPTY.observed).shape == (0, FUTURE, 14, 2)
    assert np.isnan(window_error(zero_velocity, EMPTY))


def test_scale_is_the_last_pelvis_and_the_median_torso_observed() -> None:
    scale = WindowScale.of(TEST.observed)
    np.testing.assert_allclose(scale.centre, pelvis(TEST.observed[:, -1]), rtol=1e-6)
    np.testing.assert_allclose(scale.torso, 100, rtol=1e-5)
    inward = scale.inward(TEST.observed)
    np.testing.assert_allclose(pelvis(inward[:, -1]), 0, atol=1e-6)
    np.testing.assert_allclose(scale.outward(inward), TEST.observed, atol=1e-3)
