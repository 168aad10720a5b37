"""Which pairs belong together, also where a cost is none."""

import numpy as np

from dance_models.assignment import matched


def test_a_pair_whose_cost_is_no_number_does_not_belong_together() -> None:
    """SciPy refuses a matrix with one."""
    cost = np.array([[np.nan, 1.0], [0.5, np.inf]])
    assert matched(cost, 2.0) == {0: 1, 1: 0}
    assert matched(np.full((2, 2), np.nan), 2.0) == {}
