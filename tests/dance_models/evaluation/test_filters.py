"""Trivial recognition rows: calibration and smoothing filters."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evaluation_cases import figure, make_run, swaying
from numpy.typing import NDArray

from dance_models.evaluation.filters import (
    Poses,
    TunedFilter,
    flow,
    gaussian,
    raw,
    recognition_score,
    savgol,
    tune,
    tuned_filters,
)
from dance_models.evaluation.recursive_filters import kalman, one_euro

SMOOTHERS: dict[str, Callable[..., Poses]] = {
    "flow": flow,
    "gaussian": lambda runs: gaussian(runs, sigma_s=0.04),
    "savgol": lambda runs: savgol(runs, reach_s=0.17, order=2),
    "one_euro": lambda runs: one_euro(runs, min_cutoff=3.0, beta=1.0),
    "kalman": lambda runs: kalman(runs, acceleration=20.0),
}
each = pytest.mark.parametrize("name", SMOOTHERS)


def noisy(seed: int = 0, frames: int = 80, sigma: float = 3) -> NDArray[np.float64]:
    return swaying(frames) + np.random.default_rng(seed).normal(0, sigma, (frames, 14, 2))


@each
def test_a_still_dancer_is_unchanged(name: str) -> None:
    still = np.tile(figure(), (40, 1, 1))
    (seen,) = SMOOTHERS[name]([make_run(still)])
    assert seen.shape == (40, 14, 2) and seen.dtype == np.float32
    np.testing.assert_allclose(seen, still, atol=0.01)


@each
def test_jitter_gets_smaller(name: str) -> None:
    truth = np.tile(figure(), (80, 1, 1))
    seen = truth + np.random.default_rng(0).normal(0, 3, truth.shape)
    (smooth,) = SMOOTHERS[name]([make_run(truth, seen)])
    assert np.abs(smooth - truth).mean() < 0.85 * np.abs(seen - truth).mean()


@each
def test_runs_do_not_influence_each_other(name: str) -> None:
    short, long = make_run(noisy(1, 20)), make_run(noisy(2, 70))
    together = SMOOTHERS[name]([short, long])
    for run, both in zip((short, long), together, strict=True):
        np.testing.assert_allclose(SMOOTHERS[name]([run])[0], both, atol=1e-3)


@each
def test_missing_joints_and_frames_do_not_affect_others(name: str) -> None:
    estimate = noisy()
    estimate[30:33] = np.nan
    estimate[50, 6] = np.nan
    run = make_run(swaying(80), estimate)
    (smooth,) = SMOOTHERS[name]([run])
    known = np.isfinite(estimate).all(-1)
    assert np.isfinite(smooth[known]).all()
    assert np.abs(smooth[known] - estimate[known]).max() < 40


@each
def test_a_run_without_any_detection(name: str) -> None:
    (seen,) = SMOOTHERS[name]([make_run(swaying(12), np.full((12, 14, 2), np.nan))])
    assert np.isnan(seen).all()


@each
def test_one_frame_is_returned_as_it_is(name: str) -> None:
    run = make_run(figure()[None])
    np.testing.assert_allclose(SMOOTHERS[name]([run])[0], run.estimate, atol=1e-3)


def test_raw_is_a_copy_of_the_estimate() -> None:
    run = make_run(noisy())
    (seen,) = raw([run])
    np.testing.assert_array_equal(seen, run.estimate)
    assert seen is not run.estimate


def test_flow_is_the_mean_of_three_frames() -> None:
    poses = np.tile(figure(), (4, 1, 1))
    poses[:, :, 0] += np.array([0, 3, 9, 9])[:, None]
    (seen,) = flow([make_run(poses)])
    expected = np.array([(0 + 0 + 3) / 3, (0 + 3 + 9) / 3, (3 + 9 + 9) / 3, (9 + 9 + 9) / 3])
    np.testing.assert_allclose(seen[:, :, 0], expected[:, None] + figure()[:, 0], atol=1e-4)


def test_gaussian_weights_depend_on_time_and_not_on_frame_index() -> None:
    poses = np.tile(figure(), (3, 1, 1))
    poses[2, :, 0] += 10
    run = replace(make_run(poses), time_s=np.array([0.0, 0.04, 0.06]))
    (seen,) = gaussian([run], sigma_s=0.04)
    weights = np.exp(-0.5 * (np.array([-0.04, 0.0, 0.02]) / 0.04) ** 2)
    np.testing.assert_allclose(
        seen[1, :, 0], figure()[:, 0] + 10 * weights[2] / weights.sum(), rtol=1e-5
    )


@pytest.mark.parametrize("smooth", [SMOOTHERS["gaussian"], SMOOTHERS["savgol"]])
def test_two_frames_close_together_take_no_memory(smooth: Callable[..., Poses]) -> None:
    times = np.arange(200) / 30
    times[100] = times[99] + 1e-4
    run = replace(make_run(noisy(frames=200)), time_s=times)
    tracemalloc.start()
    try:
        smooth([run])
        assert tracemalloc.get_traced_memory()[1] < 30e6  # bytes; it was a hundred times that
    finally:
        tracemalloc.stop()


def test_gaussian_fills_a_short_gap_from_both_sides() -> None:
    poses = np.tile(figure(), (9, 1, 1))
    poses[:, :, 0] += np.arange(9)[:, None]
    estimate = poses.copy()
    estimate[4] = np.nan
    (seen,) = gaussian([make_run(poses, estimate)], sigma_s=0.04)
    np.testing.assert_allclose(seen[4], poses[4], atol=1e-3)


@pytest.mark.parametrize("order", [2, 3])
def test_savgol_keeps_polynomials_of_its_order_at_uneven_times(order: int) -> None:
    time = np.sort(np.random.default_rng(1).uniform(0, 2, 60))
    poses = np.tile(figure(), (60, 1, 1))
    poses[..., 1] += (20 * time - 30 * time**2 + (order == 3) * 15 * time**3)[:, None]
    run = replace(make_run(poses), time_s=time)
    (seen,) = savgol([run], reach_s=0.3, order=order)
    np.testing.assert_allclose(seen, poses, atol=0.02)


def test_one_euro_is_causal_and_kalman_is_not() -> None:
    past = noisy()
    future = past.copy()
    future[40:] += 50

    def change(name: str) -> float:
        """Largest change of the past, in pixels, when the future changes."""
        before, after = (SMOOTHERS[name]([make_run(poses)])[0] for poses in (past, future))
        return float(np.abs(before[:40] - after[:40]).max())

    assert change("one_euro") < 1e-3
    assert change("kalman") > 1


def test_one_euro_against_its_published_recursion() -> None:
    """Casiez et al. 2012, for one joint that moves along x, by plain loops."""
    x = 100 + np.array([0.0, 2, 1, 7, 20, 22])
    poses = np.tile(figure(), (6, 1, 1))
    poses[..., 0] += x[:, None]
    (seen,) = one_euro([make_run(poses, fps=10)], min_cutoff=1.5, beta=0.7, d_cutoff=1.0)

    def gain(cutoff: float) -> float:
        tau = 1 / (2 * np.pi * cutoff)
        return 1 / (1 + tau / 0.1)

    state, slope, expected = x[0] / 100, 0.0, [x[0] / 100]  # in torsos of 100 pixels
    for value in x[1:] / 100:
        slope += gain(1.0) * ((value - state) / 0.1 - slope)
        state += gain(1.5 + 0.7 * abs(slope)) * (value - state)
        expected.append(state)
    np.testing.assert_allclose(seen[:, 1, 0] - figure()[1, 0], np.array(expected) * 100, rtol=1e-5)


def test_one_euro_leaves_gaps_missing() -> None:
    estimate = noisy()
    estimate[10:14] = np.nan
    (seen,) = one_euro([make_run(swaying(80), estimate)], min_cutoff=3.0, beta=1.0)
    assert np.isnan(seen[10:14]).all() and np.isfinite(seen[14:]).all()


def test_kalman_fills_gaps_inside_and_not_outside() -> None:
    truth = np.tile(figure(), (60, 1, 1))
    truth[..., 0] += 2 * np.arange(60)[:, None]
    estimate = truth.copy()
    estimate[:5] = estimate[55:] = np.nan
    estimate[20:30] = np.nan
    (seen,) = kalman([make_run(truth, estimate)], acceleration=5.0)
    assert np.isnan(seen[:5]).all() and np.isnan(seen[55:]).all()
    np.testing.assert_allclose(seen[20:30], truth[20:30], atol=0.5)


def test_kalman_against_least_squares() -> None:
    """RTS smoothing minimises a quadratic; solve the same one for one coordinate directly."""
    rng = np.random.default_rng(5)
    frames, step, noise, acceleration = 12, 0.04, 0.03, 20.0
    measured = rng.normal(0, 0.05, frames)
    poses = np.tile(figure(), (frames, 1, 1))
    poses[:, 1, 1] += 0  # the neck keeps the torso at 100 pixels
    poses[:, 6, 0] += 100 * measured
    (seen,) = kalman([make_run(poses)], acceleration=acceleration, noise=noise)
    # Unknowns: position and velocity of every frame, and one acceleration a step.
    rows, values = [], []
    for t in range(frames):
        row = np.zeros(2 + frames - 1)
        row[:2] = 1, t * step  # start, velocity, then the accelerations before t
        for k in range(t):
            row[2 + k] = acceleration * (step**2 / 2 + step * step * (t - 1 - k))
        rows.append(row / noise)
        values.append(measured[t] / noise)
    rows += list(np.eye(2 + frames - 1)[2:])  # unit variance of the accelerations
    values += [0.0] * (frames - 1)
    prior = np.zeros((2, 2 + frames - 1))
    prior[0, 0], prior[1, 1] = 1.0, 0.1  # variance 1 around the first observation, 100 for velocity
    rows += list(prior)
    values += [measured[0], 0.0]
    solution = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]
    smooth = [np.array(r) @ solution * noise for r in rows[:frames]]
    np.testing.assert_allclose((seen[:, 6, 0] - figure()[6, 0]) / 100, smooth, atol=2e-4)


def test_tuning_takes_the_grid_point_that_validation_prefers() -> None:
    truth = np.tile(figure(), (80, 1, 1))
    jittery = make_run(truth, truth + np.random.default_rng(0).normal(0, 8, truth.shape))
    grid = [{"sigma_s": s} for s in (0.005, 0.04, 0.2)]
    assert tune("gaussian", gaussian, grid, [jittery]).parameters == {"sigma_s": 0.2}
    quick = make_run(swaying(80, amplitude=150, fps=10), fps=10)
    assert tune("gaussian", gaussian, grid, [quick]).parameters == {"sigma_s": 0.005}
    assert tune("gaussian", gaussian, grid, []).parameters == {"sigma_s": 0.005}


def test_the_score_is_the_mean_over_thresholds_and_joints() -> None:
    truth = np.tile(figure(), (10, 1, 1))
    seen = truth.copy()
    seen[:, 3, 0] += 15  # right only at 0.2
    seen[:, 4, 0] += 8  # right at 0.1 and 0.2
    score = recognition_score([make_run(truth)], [seen])
    assert score == pytest.approx((12 * 3 + 1 + 2) / 42)
    nothing = make_run(np.full((3, 14, 2), np.nan), truth[:3])
    assert np.isnan(recognition_score([nothing], raw([nothing])))


def test_tuning_is_deterministic_for_all_rows() -> None:
    runs = [make_run(swaying(60), noisy(frames=60))]
    names = [(f.name, f.parameters) for f in tuned_filters(runs)]
    assert names == [(f.name, f.parameters) for f in tuned_filters(runs)]
    assert [n for n, _ in names] == [
        "raw",
        "sides",
        "flow",
        "gaussian",
        "savgol",
        "one_euro",
        "kalman",
    ]
    assert all(isinstance(f, TunedFilter) and len(f(runs)) == 1 for f in tuned_filters([]))
