"""The model card of a registered version, as Markdown."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from dance_models.evaluation.gate import CANDIDATE, MEASURES, Decision
from pipelines.tracking.lineage import Record

USE: Final = {
    "recognition": """Refines the 14 keypoints that an off-the-shelf estimator finds of one \
dancer in a clip. Not for identifying people, and not tried on clinical movement or children.""",
    "prediction": """Forecasts 14 keypoints of one dancer over the next 400 ms at 25 Hz from the \
last 1.08 s. Not for decisions about safety: the error grows with the horizon and with speed.""",
}
INPUT: Final = {
    "recognition": """`(B, T, W)` float32, T frames of one run in a row. Per frame 14 joints x 9 \
numbers: position x, y; keypoint flow x, y; velocity x, y; acceleration x, y; confidence; then x, \
y, visibility of each further landmark of the estimator. Coordinates are in torso lengths (median \
neck to mid-hip of the estimate) about the pelvis of the window's middle frame (a causal network: \
its last), y down; velocities in torso lengths per 1/25 s. \
`dance_models.inference.refine.refine_runs` packs them from pixels and averages overlapping \
windows. Output: 14 joints x 2 per frame in the same unit and origin.""",
    "prediction": """`(B, 27, 14, 2)` float32: 27 poses at 25 Hz, oldest first, no gaps. \
Coordinates are in torso lengths (median neck to mid-hip of the 27 poses) about the pelvis of the \
last pose, y down. Output `(B, 10, 14, 2)`: the next 10 poses, 40 ms apart, in the same unit and \
origin. `dance_models.inference.forecast.forecast` converts from and to pixels.""",
}
LIMITS: Final = """One dancer a clip, 14 joints in two dimensions, image coordinates. Trained on \
the styles and takes listed here alone; `dance evaluate` says what it does on others. Validation \
clips chose the epoch and let it pass the gate, so their scores flatter it; test clips did not."""
LICENCE: Final = """The code is Apache-2.0. The weights derive from the clips and annotations \
listed in `lineage.json`; their licences apply to what you may do with the weights."""


@dataclass(frozen=True)
class CardFacts:
    """What a card is written from."""

    task: str
    title: str
    tags: Mapping[str, str]  # of the MLflow run
    parameters: Mapping[str, str]
    record: Record
    corpus: str
    signature: str
    decision: Decision
    against: str
    validation: pl.DataFrame  # score table in which the version is called candidate
    test: pl.DataFrame | None  # long table of the report, None when it was not scored yet
    method: str


def render_card(facts: CardFacts) -> str:
    """The whole card."""
    parts = [
        f"# {facts.title}\n",
        f"## Decision\n\nCompared with: {facts.against}. All on the same validation clips.\n\n"
        + facts.decision.markdown(),
        f"## Intended use\n\n{USE[facts.task]}\n",
        f"## Input and output\n\n`{facts.signature}`\n\n{INPUT[facts.task]}\n",
        _scores_section(facts),
        _data_section(facts),
        f"## Limits\n\n{LIMITS}\n",
        f"## Licence\n\n{LICENCE}\n",
        _recipe_section(facts),  # the longest and last: a description may be cut
    ]
    return "\n".join(parts)


def _scores_section(facts: CardFacts) -> str:
    note = "In brackets 95 %, by resampling clips. PCK is a fraction, MPJPE in percent of torso."
    lines = ["## Scores\n", f"{note}\n"]
    rows = score_rows(facts.task, facts.validation, CANDIDATE)
    lines += _score_table(facts.task, "validation", rows)
    if facts.test is None:
        lines.append("Test: not scored yet.\n")
    else:
        rows = score_rows(facts.task, facts.test, facts.method)
        lines += _score_table(facts.task, "test, for the record", rows)
    return "\n".join(lines)


def score_rows(task: str, table: pl.DataFrame, method: str) -> list[dict[str, Any]]:
    """The headline rows of a method: all joints, its usual input; by style and cell."""
    measure = MEASURES[task]
    rows = table.filter(
        (pl.col("method") == method)
        & (pl.col("metric") == measure.metric)
        & (pl.col("input") == measure.given)
        & pl.col("value").is_not_null()
    )
    if "joint" in rows.columns:
        rows = rows.filter(pl.col("joint") == "all")
    return rows.with_columns(cell=pl.col(measure.column)).to_dicts()


def _score_table(task: str, title: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line a style, a column a threshold or horizon."""
    measure = MEASURES[task]
    cells = sorted({row["cell"] for row in rows})
    heads = " | ".join(measure.cell.format(cell) for cell in cells)
    lines = [f"| {title}: {measure.metric} | clips | {heads} |", "|---" * (2 + len(cells)) + "|"]
    for style in dict.fromkeys(row["style"] for row in rows):
        mine = {row["cell"]: row for row in rows if row["style"] == style}
        told = " | ".join(_told(mine[cell]) if cell in mine else "" for cell in cells)
        lines.append(f"| {style} | {max(row['n_clips'] for row in mine.values())} | {told} |")
    return [*lines, ""]


def _told(row: Mapping[str, Any]) -> str:
    if row["ci_low"] is None or row["ci_high"] is None:
        return f"{row['value']:.3f}"
    return f"{row['value']:.3f} ({row['ci_low']:.3f} to {row['ci_high']:.3f})"


def _data_section(facts: CardFacts) -> str:
    clips = facts.record["clips"].values()
    counts = Counter((clip["style"], clip["split"]) for clip in clips)
    lines = [f"## Data\n\nCorpus: {facts.corpus}.\n", "| style | train | val | test |"]
    lines.append("|---|---|---|---|")
    for style in sorted({clip["style"] for clip in clips}):
        cells = " | ".join(str(counts[style, split]) for split in ("train", "val", "test"))
        lines.append(f"| {style} | {cells} |")
    lines.append("\nClips of one take share a split. Data versions (sha256):\n")
    lines += [f"* {name}: `{digest}`" for name, digest in facts.record["tables"].items() if digest]
    lines.append(
        f"\nEvery clip and annotation file with its sha256: `lineage.json` of the run, or "
        f"`dance lineage`. Code: `{facts.tags.get('git_commit', 'unknown')}`, Dagster run "
        f"`{facts.tags.get('dagster/run_id', 'unknown')}`.\n"
    )
    return "\n".join(lines)


def _recipe_section(facts: CardFacts) -> str:
    told = ", ".join(f"{key} {value}" for key, value in sorted(facts.parameters.items()))
    return f"## Recipe\n\n{told}\n"
