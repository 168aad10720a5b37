"""What a paired comparison supports: by its interval, its corrected p-value and its takes."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from dance_models.metrics.sign_flip import SIGNIFICANT, smallest_p


def sign_shown(row: Mapping[str, Any]) -> int:
    """The sign of a difference that is shown, 0 when none is; a row of PAIRED_SCORES.

    The 95 % interval excludes zero and the corrected p-value is at most 0.05. Where there are too
    few takes for such a p-value, or none was computed, nothing is shown.
    """
    low, high, p = row["ci_low"], row["ci_high"], row["p_holm"]
    if low is None or high is None or p is None or p > SIGNIFICANT or low <= 0 <= high:
        return 0
    return 1 if low > 0 else -1


def p_text(p: float) -> str:
    """``p 0.006``; ``p < 0.001`` where three digits would be zeros."""
    return "p < 0.001" if p < 0.0005 else f"p {p:.3f}"


def limit_of(paired: pl.DataFrame) -> str:
    """How small the p-values of these comparisons can get, in words."""
    if paired.is_empty():
        return ""
    takes = max(paired["n_takes"].to_list())
    counted = f"{takes} take{'' if takes == 1 else 's'}"
    known = paired["p_floor"].drop_nulls().to_list()
    if not known:
        return f"{counted}: values and intervals alone, nothing was tested"
    text = (
        f"{counted}: p cannot go below {float(smallest_p(takes)):.2g}, "
        f"{min(known):.2g} after Holm's correction"
    )
    return text if min(known) <= SIGNIFICANT else f"{text}, so nothing is claimed"
