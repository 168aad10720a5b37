"""The result tables of recognition and prediction, from the long score tables.

To add a column, add it to the ``columns`` of :func:`recognition_table` or :func:`prediction_table`.

A value is marked as a win only where its paired interval against every other row of the same input
excludes zero and the corrected p-value is at most 0.05. A value that was not measured reads
``n/a``. Ablations are left out here: they are trained for fewer steps, and have a table of their
own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl

from dance_models.metrics.horizon import HORIZONS_MS
from dance_models.metrics.pck import THRESHOLDS
from dance_models.report_tables.ablations import ablation_tables
from dance_models.report_tables.claims import limit_of, sign_shown
from dance_models.report_tables.table import NOT_MEASURED, Cell, Table
from dance_models.rows import FRAME_SPLIT, SHORT
from dance_models.skeleton import DANCE_14

# Metrics for which less is better; all others are shares, for which more is better.
_ERRORS: Final = ("mpjpe", "mae", "bone_angle", "accel")

_ALL_JOINTS: Final = f"mean over {DANCE_14.num_joints} joints"
_TITLES: Final[Mapping[str, str]] = {
    "pck_torso": "PCK, % of joints within the threshold x torso (neck to mid-hip, median of the "
    f"clip's annotation), {_ALL_JOINTS}; higher is better",
    "pck_bbox": "PCK, % of joints within the threshold x longer side of the annotated person box, "
    f"{_ALL_JOINTS}; higher is better",
    "mpjpe_torso": "mean joint error at the horizon, % of torso (neck to mid-hip, median of the "
    "clip's annotation); lower is better",
    "mae_px": "mean absolute coordinate error at the horizon, pixels; lower is better",
    "bone_angle": f"L2 norm over {len(DANCE_14.edges)} bone orientation errors at the horizon, "
    "rad; lower is better",
    "skill": "1 - error / zero-velocity error at the horizon, %; higher is better",
}
_JOINT_TITLES: Final = {
    "all_but_head_top": f"mean over {DANCE_14.num_joints - 1} joints without head_top"
}


@dataclass(frozen=True)
class Provenance:
    """The data behind a table, for its footnote."""

    corpus: str  # such as "synthetic demo corpus"
    split_digest: str  # of the split manifest
    notes: tuple[str, ...] = ()  # such as "not pre-trained"


def recognition_tables(
    scores: pl.DataFrame, paired: pl.DataFrame, provenance: Provenance
) -> list[Table]:
    """Headline, ablations, without head_top, by person box, and the headline of every style."""
    return [
        recognition_table(scores, paired, provenance),
        *ablation_tables(scores, paired, "recognition"),
        recognition_table(scores, paired, provenance, joint="all_but_head_top"),
        recognition_table(scores, paired, provenance, metric="pck_bbox"),
        *(recognition_table(scores, paired, provenance, style=s) for s in _styles(scores)),
    ]


def prediction_tables(
    scores: pl.DataFrame, paired: pl.DataFrame, provenance: Provenance
) -> list[Table]:
    """Headline, ablations, the other metrics, and the headline of every style."""
    return [
        prediction_table(scores, paired, provenance),
        *ablation_tables(scores, paired, "prediction"),
        *(
            prediction_table(scores, paired, provenance, metric=metric)
            for metric in ("skill", "bone_angle", "mae_px")
        ),
        *(prediction_table(scores, paired, provenance, style=s) for s in _styles(scores)),
    ]


def _styles(scores: pl.DataFrame) -> list[str]:
    return sorted(set(scores["style"].to_list()) - {"all"})


def recognition_table(
    scores: pl.DataFrame,
    paired: pl.DataFrame,
    provenance: Provenance,
    *,
    style: str = "all",
    metric: str = "pck_torso",
    joint: str = "all",
) -> Table:
    """PCK of every method at the three thresholds; ``scores`` and ``paired`` are long tables.

    Wins are looked for in the mean over all joints, the only one that ``paired`` holds.
    """
    columns = [(f"{metric}@{t:g}", {"threshold": t}) for t in THRESHOLDS]
    own = scores.filter(style=style, metric=metric, joint=joint)
    compared = paired.filter(task="recognition", metric=metric, style=style)
    title = f"Recognition: {_describe(metric, joint)}"
    if joint != "all":
        compared = compared.clear()
    return _table(own, compared, columns, title, ("method",), "frames", style, provenance)


def leak_table(scores: pl.DataFrame, paired: pl.DataFrame, provenance: Provenance) -> Table:
    """PCK of one network trained with grouped splits and with a split of frames, same frames."""
    table = recognition_table(scores, paired.clear(), provenance)
    note = "No row is marked: this shows what a leak looks like, not a better network."
    pair = (FRAME_SPLIT.id, FRAME_SPLIT.network)
    differences = paired.filter(task="recognition", metric="pck_torso", style="all").filter(
        pl.col("method").is_in(pair), pl.col("other").is_in(pair)
    )
    for row in differences.sort("threshold").iter_rows(named=True):
        leaking_first = row["method"] == FRAME_SPLIT.id
        sign = 1 if leaking_first else -1
        if row["difference"] is None:
            continue
        added = f"{100 * sign * row['difference']:.1f} points"
        ends = [100 * sign * row[end] for end in ("ci_low", "ci_high") if row[end] is not None]
        if ends:
            added += f" [{min(ends):.1f}, {max(ends):.1f}]"
        note += f" At {row['threshold']:g} the leak adds {added}."
    title = (
        "What a leak looks like: the same network with and without the frames around the judged "
        "ones in training; PCK, % of joints within the threshold x torso"
    )
    return replace(table, title=title, footnotes=(table.footnotes[0], note))


def prediction_table(
    scores: pl.DataFrame,
    paired: pl.DataFrame,
    provenance: Provenance,
    *,
    style: str = "all",
    metric: str = "mpjpe_torso",
) -> Table:
    """Error of every method and input at 80, 160, 320 and 400 ms."""
    columns = [(f"{metric} {ms} ms", {"horizon_ms": ms}) for ms in HORIZONS_MS]
    own = scores.filter(style=style, metric=metric)
    compared = paired.filter(task="prediction", metric=metric, style=style)
    title = f"Prediction: {_describe(metric)}"
    return _table(own, compared, columns, title, ("method", "input"), "windows", style, provenance)


def _describe(metric: str, joint: str = "all") -> str:
    base, _, part = metric.partition(".")
    title = _TITLES.get(base, base)
    if joint != "all":
        title = title.replace(_ALL_JOINTS, _JOINT_TITLES.get(joint, joint.replace("_", " ")))
    return f"{title} ({part.replace('_', ' ')} only)" if part else title


def _table(
    scores: pl.DataFrame,
    paired: pl.DataFrame,
    columns: Sequence[tuple[str, Mapping[str, Any]]],
    title: str,
    labels: tuple[str, ...],
    counted: str,
    style: str,
    provenance: Provenance,
) -> Table:
    """Rows in the order of the long table, one for each seed when there are several."""
    scores, paired = without_ablations(scores, "method"), without_ablations(paired, "other")
    keys = [*labels, *(["seed"] if scores["seed"].n_unique() > 1 else [])]
    rows = []
    for key in scores.select(keys).unique(maintain_order=True).iter_rows(named=True):
        mine = scores.filter(*(pl.col(k).eq_missing(v) for k, v in key.items()))
        names = [str(key[label]) for label in labels]
        if "seed" in key:
            names[0] += "" if key["seed"] is None else f" (seed {key['seed']})"
        cells = [Cell(name) for name in names]
        for _, column in columns:
            text = _cell(mine.filter(**column), _is_share(mine))
            win = text != NOT_MEASURED and _wins(mine, scores, paired, column)
            cells.append(Cell(text, win))
        rows.append(tuple(cells))
    if not rows:
        rows = [tuple(Cell(NOT_MEASURED) for _ in (*labels, *columns))]
    scope = "all styles" if style == "all" else f"style {style}"
    header = (*labels, *(name for name, _ in columns))
    notes = _footnotes(scores, paired, counted, provenance)
    return Table(f"{title} ({scope})", header, tuple(rows), notes)


def _is_share(scores: pl.DataFrame) -> bool:
    """Whether values are fractions, printed as percent."""
    return not scores.is_empty() and not scores["metric"][0].startswith((*_ERRORS, "lag"))


def _cell(row: pl.DataFrame, share: bool) -> str:
    """``61.2 [58.0, 64.3]``, without brackets when there is no interval."""
    if row.height != 1 or row["value"][0] is None:
        return NOT_MEASURED
    factor = 100 if share else 1
    digits = 3 if row["metric"][0] == "bone_angle" else 1
    value, low, high = (row[name][0] for name in ("value", "ci_low", "ci_high"))
    text = f"{factor * value:.{digits}f}"
    if low is None or high is None:
        return text
    return f"{text} [{factor * low:.{digits}f}, {factor * high:.{digits}f}]"


def _wins(
    mine: pl.DataFrame, scores: pl.DataFrame, paired: pl.DataFrame, column: Mapping[str, Any]
) -> bool:
    """Whether every other method on the same input and split is significantly worse.

    ``paired`` pools seeds, so rows of single seeds among several never win.
    """
    if mine["seed"][0] is not None and scores["seed"].n_unique() > 1:
        return False
    method, given, split = mine["method"][0], mine["input"][0], mine["split"][0]
    others = set(
        scores.filter(input=given, split=split)
        .filter(pl.col("value").is_not_null(), pl.col("method") != method, **column)["method"]
        .to_list()
    )
    sign = -1 if mine["metric"][0].startswith(_ERRORS) else 1
    beaten = set()
    for row in paired.filter(input=given, split=split, **column).iter_rows(named=True):
        shown = sign * sign_shown(row)
        if row["method"] == method and shown > 0:
            beaten.add(row["other"])
        elif row["other"] == method and shown < 0:
            beaten.add(row["method"])
    return bool(others) and others <= beaten


def without_ablations(table: pl.DataFrame, column: str = "method") -> pl.DataFrame:
    """A long table without the ablations and the network that they are compared with."""
    return table.filter(~pl.col(column).is_in(SHORT))


def _footnotes(
    scores: pl.DataFrame, paired: pl.DataFrame, counted: str, provenance: Provenance
) -> tuple[str, ...]:
    measured = scores.filter(pl.col("value").is_not_null())
    if measured.is_empty():
        size = f"no annotated clips in this split or style: {NOT_MEASURED}"
    else:
        splits = ", ".join(sorted(measured["split"].unique()))
        clips, takes, counts = (
            _counted(measured[f"n_{what}"], what) for what in ("clips", "takes", counted)
        )
        size = f"{clips} of {takes}, {counts}, split: {splits}"
        if min(measured["n_takes"].to_list()) == 1:
            size += " (one take: no interval can be given)"
    limit = limit_of(paired)
    return (
        f"{size}, split manifest {provenance.split_digest[:12]}; {provenance.corpus}.",
        "In brackets: 95 % intervals (BCa bootstrap over takes). Marked: better than every other "
        "row of the same input, with a paired interval that excludes 0 and p at most 0.05 "
        "(sign-flip test over takes, after Holm).",
        *([f"{limit}."] if limit else []),
        *provenance.notes,
    )


def _counted(values: pl.Series, what: str) -> str:
    """The least and the largest of several counts of things, whose plural ends in s."""
    known = sorted(set(values.to_list()))
    if known == [1]:
        return f"1 {what.removesuffix('s')}"
    return f"{known[0]} {what}" if len(known) == 1 else f"{known[0]}-{known[-1]} {what}"
