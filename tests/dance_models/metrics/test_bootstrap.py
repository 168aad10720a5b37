"""Cluster bootstrap, paired p-values and Holm's correction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dance_models.metrics.bootstrap import (
    holm,
    interval,
    pooled_ratio,
    resample_weights,
    two_sided_p,
)


def test_every_resample_has_the_original_number_of_clips() -> None:
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
    low, high = interval(ratio, 2)
    assert low.shape == high.shape == (3, 4)


def test_interval_is_the_central_95_percent() -> None:
    samples = np.arange(1001.0)[:, None]
    low, high = interval(samples, 5)
    assert (low[0], high[0]) == pytest.approx((25, 975))


def test_interval_covers_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    weights = resample_weights(30, 400, seed=0)
    covered = 0
    for _ in range(300):
        clips = rng.normal(5, 1, (30, 1)) * 100
        low, high = interval(pooled_ratio(weights, clips, np.full((30, 1), 100.0)), 30)
        covered += bool(low[0] <= 5 <= high[0])
    assert 0.89 < covered / 300 < 0.98


def test_frames_of_one_clip_do_not_narrow_the_interval() -> None:
    """The same clips with a hundred times the frames give the same interval."""
    weights = resample_weights(6, 300, seed=0)
    hits = np.array([[3.0], [5], [8], [2], [9], [6]])
    few = interval(pooled_ratio(weights, hits, np.full((6, 1), 10.0)), 6)
    many = interval(pooled_ratio(weights, 100 * hits, np.full((6, 1), 1000.0)), 6)
    np.testing.assert_allclose(few, many)


def test_one_clip_has_no_interval() -> None:
    low, high = interval(np.ones((10, 2)), np.array([1, 2]))
    assert np.isnan([low[0], high[0]]).all() and (low[1], high[1]) == (1, 1)
    assert np.isnan(two_sided_p(np.ones((10, 1)), 1)).all()


def test_unknown_resamples_are_left_out() -> None:
    samples = np.concatenate([np.full((500, 1), np.nan), np.arange(1001.0)[:, None]])
    low, high = interval(samples, 3)
    assert (low[0], high[0]) == pytest.approx((25, 975))
    assert np.isnan(interval(np.full((4, 1), np.nan), 3)[0][0])


def test_p_values() -> None:
    differences = np.stack([np.ones(999), np.r_[np.ones(500), -np.ones(499)], np.zeros(999)], 1)
    p = two_sided_p(differences, 5)
    assert p[0] == pytest.approx(2 / 1000)
    assert p[1] == pytest.approx(1, abs=0.01)
    assert p[2] == 1


def test_holm_by_hand() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.5, 0.9])).tolist() == [1.0, 1.0]
    with_gap = holm(np.array([0.02, np.nan, 0.03]))
    assert with_gap[[0, 2]] == pytest.approx([0.04, 0.04]) and np.isnan(with_gap[1])
    assert holm(np.zeros(0)).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(values: list[float]) -> None:
    p = np.array(values)
    adjusted = holm(p)
    assert (adjusted >= p - 1e-12).all() and (adjusted <= 1).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()
    assert adjusted.min() <= p.min() * len(p) + 1e-12
