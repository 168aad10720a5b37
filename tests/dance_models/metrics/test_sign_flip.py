"""The sign-flip test by hand, its floor and its false alarms; Holm's correction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dance_models.metrics.sign_flip import (
    DRAWN_PATTERNS,
    EXACT_TAKES,
    holm,
    sign_flip_p,
    smallest_p,
)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([1, 2, 3], 2 / 8),  # 6 only with all signs alike
        ([1, 2, -3], 1),  # the sum is 0
        ([1, 2, 3, -1], 6 / 16),  # |sum| >= 5: +-7, and +-5 by either of the ones
        ([1, 1, 1, 1, 1, 1], 2 / 64),
        ([2, 1, 0, 0], 2 / 4),  # takes that add nothing do not count
        ([0.1, 0.1, 0.1, -0.3], 1),  # 0 but for rounding
    ],
)
def test_p_values_by_hand(parts: list[float], expected: float) -> None:
    assert sign_flip_p(np.array(parts)[:, None]).tolist() == [expected]
    assert sign_flip_p(-np.array(parts)).item() == expected


def test_the_p_value_is_that_of_scipy() -> None:
    parts = np.random.default_rng(0).normal(0.4, 1, 9)
    scipys = stats.permutation_test(
        (parts,), np.sum, permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_p(parts).item() == pytest.approx(scipys.pvalue)


def test_drawn_patterns_come_close_to_all_of_them() -> None:
    """With one take more than is enumerated, the exact value is found another way."""
    takes = EXACT_TAKES + 1
    parts = np.random.default_rng(1).normal(0.3, 1, takes)
    sums = np.zeros(1)
    for part in parts:
        sums = np.concatenate([sums + part, sums - part])
    exact = (np.abs(sums) >= abs(parts.sum()) - 1e-9).mean()
    assert sign_flip_p(parts).item() == pytest.approx(exact, abs=0.02)
    assert sign_flip_p(parts, seed=0) == sign_flip_p(parts, seed=0)
    assert sign_flip_p(np.ones(takes)).item() == pytest.approx(1 / (DRAWN_PATTERNS + 1), rel=1.5)


def test_few_takes_cannot_give_a_small_p_value() -> None:
    assert smallest_p(np.array([2, 4, 5, 6, 16])).tolist() == [
        0.5, 0.125, 0.0625, 0.03125, 2.0**-15,
    ]  # fmt: skip
    for takes in (2, 4, 6):
        assert sign_flip_p(np.ones(takes)).item() == smallest_p(takes)
    assert smallest_p(25) == 1 / (DRAWN_PATTERNS + 1)
    assert np.isnan(smallest_p(1)) and np.isnan(sign_flip_p(np.ones((1, 2)))).all()
    # After Holm over three thresholds six takes are too few for 5 %.
    assert holm(np.full(3, smallest_p(6))).tolist() == [0.09375] * 3


@pytest.mark.parametrize("takes", [6, 10, 25])
def test_false_alarms_are_as_rare_as_promised(takes: int) -> None:
    parts = np.random.default_rng(takes).normal(0, 1, (takes, 4000))
    assert (sign_flip_p(parts) <= 0.05).mean() < 0.06


def test_unknown_parts_have_no_p_value() -> None:
    p = sign_flip_p(np.array([[1.0, np.nan], [1, np.nan]]))
    assert p[0] == 0.5 and np.isnan(p[1])


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
