"""The promotion gate: a candidate compared with the champion on the same validation clips.

Pure functions. They read a few measurements and score tables, in which the methods are called
``candidate``, ``champion`` and, for the trivial rows, by their own names. They return every
criterion with its numbers. Gains are positive when the candidate is better: points of PCK
(percent), or a smaller error in percent of the torso.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

from dance_models.config import GateConfig
from dance_models.text import markdown_text

CANDIDATE: Final = "candidate"
CHAMPION: Final = "champion"


@dataclass(frozen=True)
class Measure:
    """The one number that decides for a task, and where it is in the long tables."""

    metric: str
    column: str  # distinguishes its cells
    given: str  # the input whose rows count
    factor: float  # from a difference in the table to a gain in ``unit``
    unit: str
    cell: str  # format of a cell's name


MEASURES: Final = {
    "recognition": Measure("pck_torso", "threshold", "raw", 100.0, "points", "PCK@{:g}"),
    "prediction": Measure("mpjpe_torso", "horizon_ms", "annotated", -1.0, "% of torso", "{:g} ms"),
}


@dataclass(frozen=True, eq=False)
class Evidence:
    """Scores and measurements of a candidate, and of the champion if there is one."""

    task: str  # "recognition" or "prediction"
    scores: pl.DataFrame  # RECOGNITION_SCORES or PREDICTION_SCORES on validation
    paired: pl.DataFrame  # PAIRED_SCORES, candidate minus each of the others
    mirror_percent: float  # mean distance to the mirrored output, percent of torso; NaN unknown
    latency_ms: float  # 95th percentile of one window on one thread
    signature: str  # of the candidate's model: shapes and types of input and output
    champion_signature: str | None = None  # None: there is no champion
    unseen: int = 0  # validation clips that the champion was not trained on
    clips: int = 0  # all annotated validation clips
    takes: int = 0  # of the clips that are compared


@dataclass(frozen=True)
class Criterion:
    """One condition: the measured value, the required one, and whether it is met."""

    name: str
    measured: str
    required: str
    passed: bool

    @property
    def reason(self) -> str:
        """The criterion in a line."""
        return f"{self.name}: {self.measured} (required: {self.required})"


@dataclass(frozen=True)
class Decision:
    """All criteria of a candidate. It passes when all of them are met."""

    criteria: tuple[Criterion, ...]

    @property
    def passed(self) -> bool:
        """Whether the candidate may become champion."""
        return all(c.passed for c in self.criteria)

    @property
    def refusals(self) -> list[str]:
        """Why not: one line for each criterion that is not met."""
        return [c.reason for c in self.criteria if not c.passed]

    def markdown(self) -> str:
        """The criteria as a Markdown table."""
        lines = ["| criterion | measured | required | holds |", "|---|---|---|---|"]
        for c in self.criteria:
            verdict = "yes" if c.passed else "**no**"
            cells = " | ".join(map(markdown_text, (c.name, c.measured, c.required)))
            lines.append(f"| {cells} | {verdict} |")
        return "\n".join(lines) + "\n"


def decide(evidence: Evidence, config: GateConfig) -> Decision:
    """Evaluate a candidate; without a champion only by the criteria that need none."""
    criteria = [
        _enough_takes(evidence, config),
        *_floors(evidence, config),
        *_against_champion(evidence, config),
        _at_most(
            "mirror consistency", evidence.mirror_percent, config.mirror_percent, "% of torso"
        ),
        _at_most("latency (p95, 1 thread)", evidence.latency_ms, config.latency_ms, "ms a window"),
    ]
    if evidence.champion_signature is not None:
        criteria.append(
            Criterion(
                "same signature",
                evidence.signature,
                evidence.champion_signature,
                evidence.signature == evidence.champion_signature,
            )
        )
    return Decision(tuple(criteria))


# --- criteria ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gain:
    """How much better the candidate is than another row in one cell."""

    value: float
    low: float | None  # 95 % interval over takes; None with fewer than two takes
    high: float | None
    takes: int

    @property
    def surely(self) -> float:
        """The lower end of the interval; without one the gain itself."""
        return self.value if self.low is None else self.low

    def text(self, unit: str) -> str:
        """The gain with its interval and number of takes."""
        spread = (
            f", 95 % {self.low:+.2f} to {self.high:+.2f}"
            if self.low is not None and self.high is not None
            else ", no interval"
        )
        return (
            f"{self.value:+.2f} {unit}{spread}, {self.takes} take{'' if self.takes == 1 else 's'}"
        )


def _gain(evidence: Evidence, other: str, style: str, cell: float) -> Gain | None:
    """The gain over another row; None when nothing was compared in that cell."""
    measure = MEASURES[evidence.task]
    rows = evidence.paired.filter(
        (pl.col("method") == CANDIDATE)
        & (pl.col("other") == other)
        & (pl.col("input") == measure.given)
        & (pl.col("style") == style)
        & (pl.col("metric") == measure.metric)
        & (pl.col(measure.column).cast(pl.Float64) == cell)
    )
    if rows.height != 1 or rows["difference"][0] is None:
        return None
    row = rows.row(0, named=True)
    bounds: list[float | None] = [None, None]
    if row["ci_low"] is not None and row["ci_high"] is not None:
        bounds = sorted(measure.factor * row[name] for name in ("ci_low", "ci_high"))
    return Gain(measure.factor * row["difference"], bounds[0], bounds[1], row["n_takes"])


def _enough_takes(evidence: Evidence, config: GateConfig) -> Criterion:
    """Whether intervals over these takes can support a claim at all."""
    return Criterion(
        "takes to judge by",
        f"{evidence.takes} annotated validation takes",
        f"at least {config.fewest_takes}",
        evidence.takes >= config.fewest_takes,
    )


def _floors(evidence: Evidence, config: GateConfig) -> Iterator[Criterion]:
    """Better than each trivial row in every cell: the interval of the gain stays above zero."""
    measure = MEASURES[evidence.task]
    for other in config.floors:
        for cell in config.cells:
            gain = _gain(evidence, other, "all", cell)
            yield Criterion(
                f"better than {other}, {measure.cell.format(cell)}",
                gain.text(measure.unit) if gain else "no annotated validation clip",
                f"interval above {config.floor_gain:g} {measure.unit}",
                gain is not None and gain.surely > config.floor_gain,
            )


def _against_champion(evidence: Evidence, config: GateConfig) -> Iterator[Criterion]:
    if evidence.champion_signature is None:
        return
    measure = MEASURES[evidence.task]
    yield Criterion(
        "clips to compare on",
        f"{evidence.unseen} of {evidence.clips} validation clips new to the champion",
        "at least one",
        evidence.unseen > 0,
    )
    for cell in config.cells:
        yield _not_worse(evidence, config, cell)
    for style in sorted(set(evidence.paired["style"].to_list()) - {"all"}):
        for cell in config.cells:
            gain = _gain(evidence, CHAMPION, style, cell)
            if gain is None:  # no annotated clip of it
                continue
            yield Criterion(
                f"style {style}, {measure.cell.format(cell)}",
                gain.text(measure.unit),
                f"loss of at most {config.style_margin:g} {measure.unit}",
                gain.value >= -config.style_margin,
            )


def _not_worse(evidence: Evidence, config: GateConfig, cell: float) -> Criterion:
    """Non-inferiority: the interval of the paired difference stays above minus the margin.

    "Not significantly worse" would let anything pass on few takes. With a single take there is no
    interval and the difference itself counts.
    """
    measure = MEASURES[evidence.task]
    gain = _gain(evidence, CHAMPION, "all", cell)
    return Criterion(
        f"not worse than champion, {measure.cell.format(cell)}",
        gain.text(measure.unit) if gain else "nothing to compare on",
        f"interval above {-config.champion_margin:g} {measure.unit}",
        gain is not None and gain.surely >= -config.champion_margin,
    )


def _at_most(name: str, value: float, limit: float, unit: str) -> Criterion:
    """NaN is not met."""
    return Criterion(name, f"{value:.2f} {unit}", f"at most {limit:g} {unit}", value <= limit)
