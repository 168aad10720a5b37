"""Trembling goes, motion and its timing stay."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dance_models.analysis.steady import steadied
from dance_models.training.synthetic import synthetic_runs

RATE = 30


def moved(x: NDArray[np.floating]) -> NDArray[np.float32]:
    """The last joint of a still dancer at ``x`` (T,) pixels from its place."""
    run = synthetic_runs(1, len(x))[0]
    poses = np.repeat(run.annotation[:1], len(x), axis=0)
    poses[:, -1, 0] += x
    times = np.arange(len(x)) / RATE
    return steadied(replace(run, time_s=times), poses)[:, -1, 0] - poses[0, -1, 0] + x[0]


def test_noise_at_rest_is_a_third() -> None:
    noise = np.random.default_rng(0).normal(0, 1, 300)
    found = moved(noise)
    assert np.diff(found, 2).std() < np.diff(noise, 2).std() / 3


def test_a_fast_swing_keeps_its_size_and_its_time() -> None:
    swing = 90 * np.sin(2 * np.pi * 2 * np.arange(150) / RATE)  # 1.5 torsos, twice a second
    found = moved(swing)
    inner = slice(15, -15)
    assert np.ptp(found[inner]) > 0.95 * np.ptp(swing[inner])
    assert np.abs(found[inner] - swing[inner]).max() < 0.08 * 90


def test_what_is_missing_stays_missing() -> None:
    run = synthetic_runs(1, 60)[0]
    poses = run.annotation.copy()
    poses[10:20] = np.nan
    found = steadied(run, poses)
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(poses))
