"""The paper's tables II-VI, and ours in the same shape from the long score tables.

The paper's corpus is private and its tables contradict themselves in places. Its numbers are shown
beside ours for their format, and are never called a comparison.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from dance_models.report_tables.table import NOT_MEASURED, Table

Row = tuple[str, ...]

PAPER_II: Final[Mapping[str, Row]] = {
    "HBRNN": ("86.4", "82.9", "83.3", "88.1"),
    "HRNet": ("90.2", "88.3", "87.5", "91.1"),
    "MKFF-ST-GCN": ("93.5", "90.1", "90.7", "92.5"),
}
PAPER_III: Final[Mapping[str, Row]] = {
    "HBRNN": ("81.2", "79.6"),
    "HRNet": ("84.3", "81.1"),
    "MKFF-ST-GCN": ("86.2", "83.9"),
}
PAPER_HORIZONS: Final[Mapping[str, Mapping[str, Row]]] = {
    "ballet": {
        "DMGNN": (".88", "1.10", "1.39"),
        "T-GCN": (".45", ".62", ".88"),
        "STGA-Net": (".24", ".40", ".90"),
    },
    "contemporary": {
        "DMGNN": (".31", ".67", ".90"),
        "T-GCN": (".39", ".44", ".81"),
        "STGA-Net": (".19", ".36", ".58"),
    },
    "street": {
        "DMGNN": (".39", ".80", "1.32"),
        "T-GCN": (".41", ".76", "1.09"),
        "STGA-Net": (".22", ".60", ".92"),
    },
}
CONTRADICTIONS: Final = (
    "The paper gives no unit for its MAE; as an L2 norm over bone orientations in radians its "
    "values make sense, so that is what stands beside them here.",
    "For ballet at 320 ms the paper's T-GCN (0.88) is below its STGA-Net (0.90), although its text "
    "says that STGA-Net is always best.",
    "The PCK of its MKFF-ST-GCN falls by only 2.3 points from @0.1 to @0.05, and the error of its "
    "T-GCN on contemporary dance grows by a factor of only 1.13 from 80 to 160 ms; no real motion "
    "that we measured does either.",
    "It prints one run, no trivial rows and no intervals.",
)

PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "head": ("head_top",),
    "shoulder": ("left_shoulder", "right_shoulder"),
    "wrist": ("left_wrist", "right_wrist"),
    "knee": ("left_knee", "right_knee"),
}
HORIZONS: Final = (80, 160, 320)


def _rows(values: Mapping[str, Sequence[str]]) -> tuple[Row, ...]:
    return tuple((name, *cells) for name, cells in values.items())


def paper_tables() -> list[Table]:
    """Tables II-VI as printed."""
    tables = [
        Table.of_text("Paper, table II: PCK@0.2, ballet, %", ("method", *PARTS), _rows(PAPER_II)),
        Table.of_text(
            "Paper, table III: mean PCK, ballet, %", ("method", "@0.1", "@0.05"), _rows(PAPER_III)
        ),
    ]
    for number, (style, rows) in zip(("IV", "V", "VI"), PAPER_HORIZONS.items(), strict=True):
        header = ("method", *(f"{ms} ms" for ms in HORIZONS))
        tables.append(Table.of_text(f"Paper, table {number}: MAE, {style}", header, _rows(rows)))
    return tables


def our_part_table(scores: pl.DataFrame, style: str) -> Table:
    """Table II's shape: PCK_torso@0.2 of the parts, mean of left and right."""
    own = scores.filter(metric="pck_torso", threshold=0.2, style=style)
    rows = []
    for method in own["method"].unique(maintain_order=True):
        mine = own.filter(method=method)
        cells = (_mean(mine.filter(pl.col("joint").is_in(joints))) for joints in PARTS.values())
        rows.append((method, *cells))
    return Table.of_text(f"Ours: PCK_torso@0.2, {style}, %", ("method", *PARTS), rows)


def our_mean_table(scores: pl.DataFrame, style: str) -> Table:
    """Table III's shape: mean PCK_torso over all joints at 0.1 and 0.05."""
    own = scores.filter(metric="pck_torso", joint="all", style=style)
    rows = [
        (method, *(_mean(own.filter(method=method, threshold=t)) for t in (0.1, 0.05)))
        for method in own["method"].unique(maintain_order=True)
    ]
    return Table.of_text(f"Ours: mean PCK_torso, {style}, %", ("method", "@0.1", "@0.05"), rows)


def our_horizon_table(scores: pl.DataFrame, style: str) -> Table:
    """Tables IV-VI's shape: bone orientation error (rad) and joint error (% of torso)."""
    own = scores.filter(style=style, input="annotated")
    rows = []
    for method in own["method"].unique(maintain_order=True):
        mine = own.filter(method=method)
        angle = [_value(mine.filter(metric="bone_angle", horizon_ms=ms), 2) for ms in HORIZONS]
        torso = [_value(mine.filter(metric="mpjpe_torso", horizon_ms=ms), 1) for ms in HORIZONS]
        rows.append((method, *angle, *torso))
    header = (
        "method",
        *(f"{ms} ms, rad" for ms in HORIZONS),
        *(f"{ms} ms, % torso" for ms in HORIZONS),
    )
    title = f"Ours: bone orientation error and mean joint error at the horizon, {style}"
    return Table.of_text(title, header, rows)


def _mean(rows: pl.DataFrame) -> str:
    known = rows["value"].drop_nulls()
    return f"{100 * float(known.to_numpy().mean()):.1f}" if len(known) else NOT_MEASURED


def _value(rows: pl.DataFrame, digits: int) -> str:
    if rows.height != 1 or rows["value"][0] is None:
        return NOT_MEASURED
    return f"{rows['value'][0]:.{digits}f}"
