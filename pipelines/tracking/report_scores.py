"""Test scores of a report on the MLflow run of the checkpoint that was scored.

Two tags of the run say what was scored: the digest of the checkpoint, and that of the report's
table. Reading the scores back compares both, so a report of another training is never taken for
the scores of a checkpoint. Runs that were scored before these tags existed count as not scored;
making the report again adds them. The gate decides on validation alone, so that changes no
decision.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from dance_models.tables import read_table
from pipelines.storage.store import Store
from pipelines.tracking.tracker import Tracker

SCORED_CHECKPOINT_TAG: Final = "scored_checkpoint/"  # + report: sha256 of the checkpoint
SCORED_TABLE_TAG: Final = "scored_table/"  # + report: sha256 of the report's table


@dataclass(frozen=True)
class ReportScores:
    """The scores of one checkpoint in a report."""

    report: str  # its asset, for example "prediction_report"
    table_sha256: str  # the report's long table
    checkpoint_sha256: str
    metrics: Mapping[str, float]
    markdown: str  # the whole report


def log_scores(tracker: Tracker, run_id: str, scores: ReportScores) -> None:
    """Log the scores of a checkpoint to the run that trained it; the tags come last."""
    client, report = tracker.client, scores.report
    tracker.log_metrics(run_id, scores.metrics)
    client.log_text(run_id, scores.markdown, f"{report}.md")
    client.set_tag(run_id, SCORED_TABLE_TAG + report, scores.table_sha256)
    client.set_tag(run_id, SCORED_CHECKPOINT_TAG + report, scores.checkpoint_sha256)


def read_scores(
    store: Store, report: str, method: str, tags: Mapping[str, str], checkpoint_sha256: str
) -> pl.DataFrame | None:
    """A checkpoint's rows of the report on the test split, None unless it scored this checkpoint.

    ``tags`` are those of the run that trained the checkpoint. Where the report has other seeds of
    the method too, their rows and the rows over all seeds are left out.
    """
    scored = (tags.get(SCORED_CHECKPOINT_TAG + report), tags.get(SCORED_TABLE_TAG + report))
    if scored != (checkpoint_sha256, store.digest(report)):
        return None
    table = read_table(store.output(report))
    rows = table.filter(pl.col("split") == "test", pl.col("method") == method)
    # The method's own checkpoint is the first seed; without further seeds the column is null.
    return rows.filter(pl.col("seed").eq_missing(pl.lit(rows["seed"].min(), pl.Int64)))
