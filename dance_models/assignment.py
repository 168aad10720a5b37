"""Which of two sets belong together, by what each pair costs."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment


def matched(cost: NDArray[np.float64], most: float) -> dict[int, int]:
    """Row -> column of the cheapest assignment of costs (R, C), possible ones of at most ``most``.

    A row without a column costs ``most``. Otherwise as many as possible would get one: somebody
    who is hidden would take the place of her neighbour, and the neighbour that of a newcomer. A
    pair whose cost is NaN, as of coordinates without bounds, does not belong together.
    """
    cost = np.where(np.isnan(cost), np.inf, cost)
    rows, columns = linear_sum_assignment(np.minimum(cost, most))
    return {
        int(row): int(column)
        for row, column in zip(rows, columns, strict=True)
        if cost[row, column] <= most
    }
