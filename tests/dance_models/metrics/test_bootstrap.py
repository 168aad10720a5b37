"""Resamples of takes, and BCa intervals against known ones."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from dance_models.metrics.bootstrap import (
    bca_interval,
    expanded_score,
    leave_one_out_weights,
    pooled_ratio,
    resample_weights,
)

Array = NDArray[np.float64]


def of_means(values: Array, samples: int = 400) -> tuple[Array, Array]:
    """Intervals of the means of takes (K, cells)."""
    counts = np.ones_like(values)
    return of_ratios(values, counts, samples)


def of_ratios(sums: Array, counts: Array, samples: int = 400) -> tuple[Array, Array]:
    takes = len(sums)
    weights = (np.ones((1, takes)), resample_weights(takes, samples, 0))
    value, drawn, left = (
        pooled_ratio(w, sums, counts) for w in (*weights, leave_one_out_weights(takes))
    )
    return bca_interval(value[0], drawn, left, takes)


def test_every_resample_has_the_original_number_of_takes() -> None:
    weights = resample_weights(7, 500, seed=0)
    assert weights.shape == (500, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert weights.mean(axis=0) == pytest.approx(1, abs=0.15)
    np.testing.assert_array_equal(weights, resample_weights(7, 500, seed=0))
    assert not np.array_equal(weights, resample_weights(7, 500, seed=1))


def test_pooling_weights_clips_by_their_frames() -> None:
    sums, counts = np.array([[10.0], [0.0]]), np.array([[10.0], [30.0]])
    weights = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]])
    assert pooled_ratio(weights, sums, counts)[:, 0].tolist() == [0.25, 1.0, 0.0]


def test_a_cell_without_counts_in_a_resample_is_unknown() -> None:
    ratio = pooled_ratio(
        np.array([[2.0, 0], [1, 1]]), np.array([[0.0], [3]]), np.array([[0.0], [4]])
    )
    assert np.isnan(ratio[0, 0]) and ratio[1, 0] == 0.75


def test_cells_keep_their_shape() -> None:
    sums = np.arange(24.0).reshape(2, 3, 4)
    ratio = pooled_ratio(np.ones((5, 2)), sums, np.ones_like(sums))
    np.testing.assert_allclose(ratio[0], sums.mean(axis=0))
    low, high = bca_interval(ratio[0], ratio, ratio, 2)
    assert low.shape == high.shape == (3, 4)


@pytest.mark.parametrize("takes", [2, 3, 4, 5, 6, 17, 30])
def test_the_score_of_few_takes_is_students(takes: int) -> None:
    expected = math.sqrt(takes / (takes - 1)) * stats.t.ppf(0.975, takes - 1)
    assert expanded_score(takes) == pytest.approx(expected)


def test_many_takes_have_the_score_of_a_normal_distribution() -> None:
    assert expanded_score(5000) == pytest.approx(1.96, abs=0.002)


@pytest.mark.parametrize("takes", [12, 18, 25])
def test_the_interval_is_that_of_scipy_at_the_expanded_level(takes: int) -> None:
    """On scipy's own resamples of skewed values, so that no chance is left."""
    values = np.random.default_rng(takes).exponential(size=takes)
    level = 2 * NormalDist().cdf(expanded_score(takes)) - 1
    scipys = stats.bootstrap(
        (values,), np.mean, n_resamples=999, confidence_level=level, rng=np.random.default_rng(0)
    )
    left_out = (values.sum() - values) / (takes - 1)
    drawn = scipys.bootstrap_distribution[:, None]
    low, high = bca_interval(np.array([values.mean()]), drawn, left_out[:, None], takes)
    expected = scipys.confidence_interval
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), rel=1e-6)


@pytest.mark.parametrize(("takes", "least"), [(6, 0.90), (25, 0.93)])
def test_the_interval_covers_the_truth_about_95_times_in_100(takes: int, least: float) -> None:
    """The percentile interval covers 86 % with six takes."""
    values = np.random.default_rng(0).normal(5, 1, (takes, 1000))
    low, high = of_means(values, samples=1000)
    assert least < ((low <= 5) & (high >= 5)).mean() < 0.97


def test_more_frames_in_every_take_do_not_narrow_the_interval() -> None:
    hits = np.array([[3.0], [5], [8], [2], [9], [6]])
    few = of_ratios(hits, np.full((6, 1), 10.0))
    many = of_ratios(100 * hits, np.full((6, 1), 1000.0))
    np.testing.assert_allclose(few, many)


def test_values_that_do_not_differ_have_an_interval_of_no_width() -> None:
    low, high = of_means(np.full((7, 1), 0.1))
    assert (low[0], high[0]) == (pytest.approx(0.1), pytest.approx(0.1))


def test_the_ends_stay_among_the_resamples_where_the_values_are_very_skewed() -> None:
    values = np.zeros((30, 2))
    values[0] = 1, -1
    low, high = of_means(values)
    assert (low <= 0).tolist() == [True, True] and (high >= 0).tolist() == [True, True]
    assert (low[0] == 0) and (high[1] == 0)
    assert (0 < high[0] < 0.5) and (-0.5 < low[1] < 0)


def test_one_take_has_no_interval() -> None:
    ones = np.ones((10, 2))
    low, high = bca_interval(ones[0], ones, ones, np.array([1, 2]))
    assert np.isnan([low[0], high[0]]).all() and (low[1], high[1]) == (1, 1)


def test_unknown_resamples_are_left_out() -> None:
    drawn = np.random.default_rng(0).normal(size=(999, 1))
    some = np.concatenate([np.full((500, 1), np.nan), drawn])
    value, left = np.zeros(1), np.array([[-0.1], [0.0], [0.1]])
    np.testing.assert_array_equal(
        bca_interval(value, some, left, 3), bca_interval(value, drawn, left, 3)
    )
    unknown = bca_interval(np.full(1, np.nan), np.full((4, 1), np.nan), left, 3)
    assert np.isnan(unknown).all()
