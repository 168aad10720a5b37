"""The model card of a registered version, as Markdown."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from dance_models.evaluation.gate import CANDIDATE, MEASURES, Decision
from dance_models.skeleton import DANCE_14
from dance_models.text import markdown_code, markdown_text
from pipelines.tracking.lineage_record import Record
from pipelines.tracking.pixel_models import PIXEL_MODEL_TAG
from pipelines.tracking.registry import PROFILE_TAG
from pipelines.tracking.tracker import EXAMPLE

INTENDED_USE: Final = "Intended use"
USE: Final = {
    "recognition": """Refines the 14 keypoints that an off-the-shelf estimator finds of one \
dancer in a clip. Not for identifying people. Not tested on clinical movement or on children.""",
    "prediction": """Forecasts 14 keypoints of one dancer over the next 400 ms at 25 Hz from the \
last 1.08 s. Not for decisions about safety: the error grows with the horizon and with speed.""",
}
INPUT: Final = {
    "recognition": """`(B, T, W)` float32: T consecutive frames of one run. Each frame has 14 \
joints x 9 numbers: position x, y; keypoint flow x, y; velocity x, y; acceleration x, y; \
confidence. Then x, y, visibility of each further landmark of the estimator; then, for a network \
that reads it, the evidence of each joint (`dance_models.evidence.JOINT_EVIDENCE`). Coordinates \
are in torso lengths (median neck to mid-hip distance of the estimate), y down, relative to the \
pelvis in the window's middle frame (in the last frame for a causal network). Velocities are in \
torso lengths per 1/25 s. `dance_models.inference.refine.refine_runs` computes this input from \
pixels and averages overlapping windows. Output: 14 joints x 2 per frame in the same unit and \
origin.""",
    "prediction": """`(B, 27, 14, 2)` float32: 27 poses at 25 Hz, oldest first, without gaps. \
Coordinates are in torso lengths (median neck to mid-hip distance of the 27 poses), y down, \
relative to the pelvis of the last pose. Output `(B, 10, 14, 2)`: the next 10 poses, 40 ms apart, \
in the same unit and origin. `dance_models.inference.forecast.forecast` converts from and to \
pixels.""",
}
JOINTS: Final = f"""Joints, in this order, left and right being the dancer's: \
{", ".join(f"{number} {name}" for number, name in enumerate(DANCE_14.names))}."""
_COLUMNS: Final = """A request is a table with a row for each frame, and the columns `time_s` \
(seconds, growing), `JOINT_x` and `JOINT_y` (pixels, y down; null where missing) for each joint \
above and, for all of them or none, `JOINT_score` (0..1)."""
PIXELS: Final = {
    "recognition": f"""{_COLUMNS} The answer has the same columns without scores, refined; null \
where nobody was seen for half a second. The parameter `joints` is `estimator` (errors are \
repaired, joints stay as the estimator defines them) or `annotation`.""",
    "prediction": f"""{_COLUMNS} The answer has ten rows: `ahead_ms` (40 to 400, after the last \
row with a joint), `JOINT_x` and `JOINT_y`. It needs 1.04 s without a gap. Poses are forecast as \
they are given: refine them first.""",
}
MISSING: Final = {
    "recognition": """A joint that was not found in a frame has the position it had in the frame \
before (before it was first found: the one it had then; never found: the pelvis), with \
confidence, velocity and acceleration 0. A landmark that was not found lies on the pelvis with \
visibility 0. NaN is not accepted. The output has no gaps.""",
    "prediction": """A joint that was not found in a pose has the position it had in the pose \
before (before it was first found: the one it had then). A window in which a joint was never \
found cannot be forecast. NaN gives NaN. The output has no gaps.""",
}
EXAMPLE_PARTS: Final = frozenset({"input", "output", "frames", "clip", "split", "joints"})
LIMITS: Final = """One dancer per clip, 14 joints in two dimensions, image coordinates. Trained \
only on the styles and takes listed here; `dance evaluate` scores it on other clips. Validation \
clips were used to select the epoch and to pass the gate, so scores on them are optimistic. Test \
clips were used for neither."""
LICENCE: Final = """The code is Apache-2.0. The weights derive from the clips and annotations \
listed in `lineage.json`; the licences of these apply to the use of the weights."""


@dataclass(frozen=True)
class CardFacts:
    """The facts for a model card."""

    task: str
    title: str
    tags: Mapping[str, str]  # of the MLflow run
    parameters: Mapping[str, str]
    record: Record
    corpus: str
    signature: str
    decision: Decision
    compared_with: str
    validation: pl.DataFrame  # score table in which the version is called candidate
    test: pl.DataFrame | None  # the checkpoint's rows of the report, None when not scored yet
    method: str
    # EXAMPLE of the run, None without one; parts of it lack where it is damaged.
    example: Mapping[str, Any] | None = None


def render_card(facts: CardFacts) -> str:
    """The whole card."""
    parts = [
        f"# {markdown_text(facts.title)}\n\n"
        f"Trained under profile {markdown_code(_profile(facts))}.\n",
        f"## Decision\n\nCompared with: {markdown_text(facts.compared_with)}. All scores are on "
        f"the same validation clips.\n\n{facts.decision.markdown()}",
        f"## {INTENDED_USE}\n\n{USE[facts.task]}\n",
        f"## Input and output\n\n{markdown_code(facts.signature)}\n\n{INPUT[facts.task]}\n\n"
        f"{JOINTS}\n\n{MISSING[facts.task]}\n",
        _example_section(facts),
        _pixels_section(facts),
        _scores_section(facts),
        _data_section(facts),
        f"## Limits\n\n{LIMITS}\n",
        f"## Licence\n\n{LICENCE}\n",
        _recipe_section(facts),  # last because it is the longest: a description may be cut
    ]
    return "\n".join(parts)


def _example_section(facts: CardFacts) -> str:
    """A real request: where it is, what it is of, and one pose of it."""
    example = facts.example
    if example is None:
        return "## Example\n\nNone: an earlier version logged this model.\n"
    if not example.keys() >= EXAMPLE_PARTS:
        return f"## Example\n\nNone: `{EXAMPLE}` of the run is damaged.\n"
    shapes = " -> ".join(
        "(B, " + ", ".join(map(str, example[end])) + ")" for end in ("input", "output")
    )
    first, last = example["frames"]
    clip, split = (markdown_text(example[name]) for name in ("clip", "split"))
    current = {"recognition": "the middle frame (the last, if causal)", "prediction": "the last"}
    lines = [
        f"## Example\n\n`serving_input_example.json` in the model's folder is a request of two "
        f"windows, {shapes}: the first is of clip {clip} ({split}), frames "
        f"{first} to {last}. Send it with `curl -H 'Content-Type: application/json' -d "
        f"@serving_input_example.json http://HOST:PORT/invocations`. Its joints in "
        f"{current[facts.task]}, in torso lengths:\n",
        "| joint | x | y |\n|---|---|---|",
    ]
    lines += [
        f"| {row['joint']} | {' | '.join(f'{x:.3f}' for x in row['position'])} |"
        for row in example["joints"]
    ]
    return "\n".join([*lines, ""])


def _pixels_section(facts: CardFacts) -> str:
    """How to serve the network so that it takes tracks in pixels."""
    model = facts.tags.get(PIXEL_MODEL_TAG)
    if model is None:
        return "## In pixels\n\nNone: an earlier version logged this model.\n"
    command = f"mlflow models serve -m models:/{model} --env-manager local -p PORT"
    return (
        f"## In pixels\n\nThe same weights as a model that takes a track of any length: "
        f"{markdown_code(command)} with `MLFLOW_TRACKING_URI` as that of this registry. "
        f"{PIXELS[facts.task]} `serving_input_example.json` in that model's folder is a request, "
        f"sent as above.\n"
    )


def _scores_section(facts: CardFacts) -> str:
    note = (
        "In brackets: 95 % intervals, from resampling takes. PCK is a fraction, MPJPE is in "
        "percent of the torso length."
    )
    lines = ["## Scores\n", f"{note}\n"]
    rows = score_rows(facts.task, facts.validation, CANDIDATE)
    lines += _score_table(facts.task, "validation", rows)
    if facts.test is None:
        lines.append("Test: this checkpoint was not scored yet.\n")
    else:
        rows = score_rows(facts.task, facts.test, facts.method)
        lines += _score_table(facts.task, "test, not used by the gate", rows)
    return "\n".join(lines)


def score_rows(task: str, table: pl.DataFrame, method: str) -> list[dict[str, Any]]:
    """A method's rows of the task's main metric, over all joints, by style and cell.

    A cell is a PCK threshold or a horizon.
    """
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
    """One line per style, one column per threshold or horizon."""
    measure = MEASURES[task]
    if not rows:  # nobody is annotated in these clips, or there are none
        return [f"{title[0].upper()}{title[1:]}: no clip could be scored.", ""]
    cells = sorted({row["cell"] for row in rows})
    heads = " | ".join(measure.cell.format(cell) for cell in cells)
    lines = [f"| {title}: {measure.metric} | clips | {heads} |", "|---" * (2 + len(cells)) + "|"]
    for style in dict.fromkeys(row["style"] for row in rows):
        by_cell = {row["cell"]: row for row in rows if row["style"] == style}
        values = " | ".join(_value(by_cell[c]) if c in by_cell else "" for c in cells)
        clips = max(row["n_clips"] for row in by_cell.values())
        lines.append(f"| {markdown_text(style)} | {clips} | {values} |")
    return [*lines, ""]


def _value(row: Mapping[str, Any]) -> str:
    if row["ci_low"] is None or row["ci_high"] is None:
        return f"{row['value']:.3f}"
    return f"{row['value']:.3f} ({row['ci_low']:.3f} to {row['ci_high']:.3f})"


def _data_section(facts: CardFacts) -> str:
    clips = facts.record["clips"].values()
    counts = Counter((clip["style"], clip["split"]) for clip in clips)
    lines = [
        f"## Data\n\nCorpus: {markdown_text(facts.corpus)}.\n",
        "| style | train | val | test |",
    ]
    lines.append("|---|---|---|---|")
    for style in sorted({clip["style"] for clip in clips}):
        cells = " | ".join(str(counts[style, split]) for split in ("train", "val", "test"))
        lines.append(f"| {markdown_text(style)} | {cells} |")
    lines.append("\nClips of one take are in the same split. Data versions (sha256):\n")
    lines += [f"* {name}: `{digest}`" for name, digest in facts.record["tables"].items() if digest]
    lines.append(
        f"\nEvery clip and annotation file with its sha256: see `lineage.json` of the run, or "
        f"`dance lineage`. Code: {markdown_code(facts.tags.get('git_commit', 'unknown'))}, Dagster "
        f"run {markdown_code(facts.tags.get('dagster/run_id', 'unknown'))}.\n"
    )
    return "\n".join(lines)


def _recipe_section(facts: CardFacts) -> str:
    recipe = ", ".join(
        markdown_text(f"{key} {value}") for key, value in sorted(facts.parameters.items())
    )
    return f"## Recipe\n\n{recipe}\n"


def _profile(facts: CardFacts) -> str:
    return facts.tags.get(PROFILE_TAG, "unknown")
