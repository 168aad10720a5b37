"""Tables by joint and by speed."""

import polars as pl

from dance_models.metrics.horizon import HORIZONS_MS, SPEED_CLASSES
from dance_models.report_tables.table import NOT_MEASURED, Table
from dance_models.skeleton import DANCE_14


def _cell(rows: pl.DataFrame, factor: float = 1) -> str:
    if rows.height != 1 or rows["value"][0] is None:
        return NOT_MEASURED
    return f"{factor * rows['value'][0]:.1f}"


def joint_table(scores: pl.DataFrame, threshold: float) -> Table:
    """PCK_torso of every joint; RECOGNITION_SCORES of one split."""
    own = scores.filter(metric="pck_torso", threshold=threshold, style="all")
    rows = tuple(
        (method, *(_cell(own.filter(method=method, joint=joint), 100) for joint in DANCE_14.names))
        for method in own["method"].unique(maintain_order=True)
    )
    title = f"By joint: PCK_torso@{threshold:g}, all styles, %"
    return Table.of_text(
        title, ("method", *(joint.replace("_", " ") for joint in DANCE_14.names)), rows
    )


def joint_error_table(scores: pl.DataFrame, horizon_ms: int) -> Table:
    """Error of every joint at one horizon, annotated input; PREDICTION_SCORES of one split."""
    own = scores.filter(style="all", input="annotated", horizon_ms=horizon_ms)
    rows = tuple(
        (
            method,
            *(
                _cell(own.filter(method=method, metric=f"mpjpe_torso.{joint}"))
                for joint in DANCE_14.names
            ),
        )
        for method in own["method"].unique(maintain_order=True)
    )
    title = f"By joint: mean error at {horizon_ms} ms, all styles, annotated input, % of torso"
    return Table.of_text(
        title, ("method", *(joint.replace("_", " ") for joint in DANCE_14.names)), rows
    )


def speed_class_table(scores: pl.DataFrame) -> Table:
    """Error in slow, medium and fast windows at every horizon, annotated input."""
    own = scores.filter(style="all", input="annotated")
    columns = [(speed, ms) for speed in SPEED_CLASSES for ms in HORIZONS_MS]
    rows = tuple(
        (
            method,
            *(
                _cell(own.filter(method=method, metric=f"mpjpe_torso.{speed}", horizon_ms=ms))
                for speed, ms in columns
            ),
        )
        for method in own["method"].unique(maintain_order=True)
    )
    note = "Thirds of the windows by the true speed of their future."
    header = ("method", *(f"{speed}, {ms} ms" for speed, ms in columns))
    return Table.of_text(
        "By speed: mean joint error, annotated input, % of torso", header, rows, (note,)
    )
