"""What the comparisons show and what they do not, in sentences made from the paired table."""

from collections.abc import Mapping
from typing import Final, TypeVar

import polars as pl

from dance_models.evaluation.scores import over_seeds
from dance_models.metrics.sign_flip import SIGNIFICANT
from dance_models.report_tables.claims import limit_of, sign_shown

HEADLINES: Final = (
    ("recognition", "mkff_st_gcn", "pck_torso", "threshold", (0.05, 0.1, 0.2), "raw"),
    ("prediction", "stga_net", "mpjpe_torso", "horizon_ms", (80, 160, 320, 400), "annotated"),
)


def summary(paired: pl.DataFrame, split: str) -> list[str]:
    """One sentence for each outcome, with all rows that share it; PAIRED_SCORES of one split."""
    sentences: list[str] = []
    for task, method, metric, column, points, given in HEADLINES:
        own = paired.filter(task=task, metric=metric, style="all", split=split, input=given).filter(
            (pl.col("method") == method) | (pl.col("other") == method)
        )
        if own.is_empty():
            continue
        if not _testable(own):
            sentences.append(f"{method}: {limit_of(own)}.")
            continue
        sentences += _sentences(own.filter(pl.col(column).is_in(points)), method, metric, column)
    return sentences


def _testable(paired: pl.DataFrame) -> bool:
    """Whether any of these comparisons has enough takes for a p-value that shows something."""
    return bool((paired["p_floor"] <= SIGNIFICANT).any())


def _sentences(own: pl.DataFrame, method: str, metric: str, column: str) -> list[str]:
    """A row compared with all others, from its paired rows of one input; a sentence an outcome."""
    verdicts: dict[str, dict[str, list[str]]] = {}
    for row in own.iter_rows(named=True):
        other = row["other"] if row["method"] == method else row["method"]
        verdict = _verdict(row, method, metric)
        verdicts.setdefault(other, {}).setdefault(verdict, []).append(f"{row[column]:g}")
    return [
        _sentence(method, others, by_verdict, column) for others, by_verdict in _alike(verdicts)
    ]


Outcome = TypeVar("Outcome")


def _alike(outcomes: Mapping[str, Outcome]) -> list[tuple[list[str], Outcome]]:
    """Rows grouped by equal outcome, in the order of the first of each group."""
    groups: list[tuple[list[str], Outcome]] = []
    for name, outcome in outcomes.items():
        for names, same in groups:
            if same == outcome:
                names.append(name)
                break
        else:
            groups.append(([name], outcome))
    return groups


def _verdict(row: dict[str, object], method: str, metric: str) -> str:
    """ "better", "worse" or "open", by both the interval and the corrected p-value."""
    shown = sign_shown(row)
    if not shown:
        return "open"
    positive = shown > 0
    more_is_better = metric.startswith("pck")
    own_minus_other = row["method"] == method
    return "better" if positive == (more_is_better == own_minus_other) else "worse"


def _sentence(method: str, others: list[str], points: dict[str, list[str]], column: str) -> str:
    at, unit = _at(column), _unit(column)
    words = {"better": "is better than", "worse": "is worse than", "open": "cannot be told from"}
    parts: list[str] = []
    for verdict in ("better", "open", "worse"):
        if verdict not in points:
            continue
        named = ", ".join(others) if not parts else others[0] if len(others) == 1 else "them"
        parts.append(f"{words[verdict]} {named} {at}{', '.join(points[verdict])}{unit}")
    return f"{method} {'; it '.join(parts)}."


def _at(column: str) -> str:
    """What stands before thresholds or horizons."""
    return "at " if column == "horizon_ms" else "at threshold "


def _unit(column: str) -> str:
    """What stands after them."""
    return " ms" if column == "horizon_ms" else ""


def gains(recognition: pl.DataFrame, prediction: pl.DataFrame, split: str) -> list[str]:
    """By how many percent the headline networks reduce the error of the trivial rows, or raise it.

    RECOGNITION_SCORES and PREDICTION_SCORES; the error of PCK is one minus it.
    """
    sentences = []
    for scores, (_, method, metric, column, points, given), other, what in zip(
        (recognition, prediction),
        HEADLINES,
        ("raw", "zero_velocity"),
        ("the misses of raw", "the error of zero_velocity"),
        strict=True,
    ):
        rows = over_seeds(
            scores.filter(metric=metric, style="all", joint="all", split=split)
            if "joint" in scores.columns
            else scores.filter(metric=metric, style="all", split=split)
        )
        less: list[str] = []
        more: list[str] = []
        for point in points:
            at = rows.filter(pl.col(column).cast(pl.Float64).is_close(point))
            own, trivial = (_error(at, name, given, metric) for name in (method, other))
            if own is not None and trivial:
                gain = round(100 * (1 - own / trivial), 1)
                (more if gain < 0 else less).append(f"{abs(gain):.1f} % at {point:g}")
        unit = _unit(column)
        if less:
            sentences.append(f"{method} takes away {', '.join(less)}{unit} of {what}.")
        if more:
            sentences.append(f"{method} adds {', '.join(more)}{unit} to {what}.")
    return sentences


def _error(rows: pl.DataFrame, method: str, given: str, metric: str) -> float | None:
    """The error of a row in one cell; that of PCK is one minus it."""
    found = rows.filter(pl.col("method") == method)
    if not metric.startswith("pck"):
        found = found.filter(pl.col("input") == given)
    if found.is_empty() or found["value"][0] is None:
        return None
    value = float(found["value"][0])
    return 1 - value if metric.startswith("pck") else value


def by_input(paired: pl.DataFrame, split: str) -> list[str]:
    """Forecasts from poses without annotation: the headline network compared with all rows."""
    _, method, metric, column, points, _ = HEADLINES[1]
    sentences = []
    for given in ("refined", "raw"):
        own = paired.filter(
            pl.col(column).is_in(points),
            pl.col("p_floor") <= SIGNIFICANT,
            (pl.col("method") == method) | (pl.col("other") == method),
            task="prediction",
            metric=metric,
            split=split,
            input=given,
            style="all",
        ).sort(column, maintain_order=True)
        sentences += [
            f"From {given} poses {sentence}" for sentence in _sentences(own, method, metric, column)
        ]
    return sentences


def losses_by_style(paired: pl.DataFrame, split: str) -> list[str]:
    """Style x horizon (or threshold) cells in which a headline network is significantly worse."""
    found: list[str] = []
    for task, method, metric, column, _, given in HEADLINES:
        own = paired.filter(task=task, metric=metric, split=split, input=given).filter(
            pl.col("style") != "all",
            (pl.col("method") == method) | (pl.col("other") == method),
        )
        for row in own.iter_rows(named=True):
            if _verdict(row, method, metric) == "worse":
                other = row["other"] if row["method"] == method else row["method"]
                where = f"in {row['style']} {_at(column)}{row[column]:g}{_unit(column)}"
                found.append(f"{method} is worse than {other} {where}.")
    return found
