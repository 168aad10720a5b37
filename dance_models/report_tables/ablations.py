"""Ablations as differences from the whole network that was trained as they were."""

from typing import Any, Final

import polars as pl

from dance_models.report_tables.claims import limit_of, p_text, sign_shown
from dance_models.report_tables.table import NOT_MEASURED, Cell, Table
from dance_models.rows import SHORT, Task, row_of

# Task -> metric, column of its cells, input, factor, digits, how a cell and the unit are named
_MEASURES: Final[dict[Task, tuple[str, str, str, float, int, str, str]]] = {
    "recognition": ("pck_torso", "threshold", "raw", 100, 1, "PCK@{:g}", "points of PCK"),
    "prediction": ("mpjpe_torso", "horizon_ms", "annotated", 1, 2, "{:g} ms", "% of torso"),
}


def ablation_tables(scores: pl.DataFrame, paired: pl.DataFrame, task: Task) -> list[Table]:
    """One table, or none without ablations; score tables of one split.

    Seeds are pooled within each take. A difference is bold where its interval excludes zero and its
    corrected p-value is at most 0.05.
    """
    metric, column, given, factor, digits, cell, unit = _MEASURES[task]
    own = paired.filter(task=task, metric=metric, style="all", input=given).sort(column)
    rows = own.filter(pl.col("method").is_in(SHORT))
    if rows.is_empty():
        return []
    points = rows[column].unique().sort().to_list()
    whole = rows["other"][0]
    values = scores.filter(method=whole, metric=metric, style="all", input=given)
    if "joint" in values.columns:
        values = values.filter(joint="all")
    # The row over all seeds, where there is one, comes last and counts.
    by_point = dict(values.sort("seed", nulls_last=True).select(column, "value").iter_rows())
    table = [(Cell(whole), *(_value(by_point[p], factor, digits) for p in points))]
    for method in rows["method"].unique(maintain_order=True):
        found = rows.filter(method=method).iter_rows(named=True)
        table.append((Cell(method), *(_difference(row, factor, digits) for row in found)))
    seeds = row_of(whole).experiment.seeds
    trained = f"{seeds} seeds on each fold" if rows["split"][0] == "folds" else "one seed"
    notes = (
        f"Differences from {whole}, which was trained for as many steps ({trained}), with 95 % "
        "intervals (BCa bootstrap over takes; seeds are pooled within each take).",
        f"{limit_of(rows)}.",
    )
    header = ("row", *(cell.format(point) for point in points))
    return [Table(f"{task.capitalize()}: ablations, {unit}", header, tuple(table), notes)]


def _value(value: float | None, factor: float, digits: int) -> Cell:
    """``n/a`` where nothing was measured, as of clips that never show a torso."""
    return Cell(NOT_MEASURED if value is None else f"{factor * value:.{digits}f}")


def _difference(row: dict[str, Any], factor: float, digits: int) -> Cell:
    """``-2.1 [-2.9, -1.3], p 0.006``; without brackets or p where there are none."""
    if row["difference"] is None:
        return Cell(NOT_MEASURED)
    text = f"{factor * row['difference']:+.{digits}f}"
    if row["ci_low"] is not None and row["ci_high"] is not None:
        low, high = (f"{factor * row[end]:+.{digits}f}" for end in ("ci_low", "ci_high"))
        text += f" [{low}, {high}]"
    if row["p_holm"] is not None:
        text += f", {p_text(row['p_holm'])}"
    return Cell(text, sign_shown(row) != 0)
