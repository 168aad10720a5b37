"""Findings: the problem, its location and its size."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import polars as pl

from dance_models.tables import FINDINGS

Severity = Literal["warn", "error"]


@dataclass(frozen=True)
class Finding:
    """One problem. An ``error`` keeps a clip (or a table) out of training."""

    check: str
    clip: str  # or the network, for checks on models; "" on a whole table
    message: str
    value: float
    limit: float
    severity: Severity = "warn"
    frame: int | None = None  # index in the source clip
    joint: str | None = None
    other: str | None = None  # the clip it was compared with
    other_frame: int | None = None

    def __str__(self) -> str:
        where = [self.clip] if self.clip else []
        if self.frame is not None:
            where.append(f"frame {self.frame}")
        if self.joint is not None:
            where.append(f"joint {self.joint}")
        return ": ".join([*where, self.message])

    @property
    def excess(self) -> float:
        """How far beyond the limit, as a ratio; limits may be from above or from below."""
        low, high = sorted((abs(self.value), abs(self.limit)))
        return high / low if low > 0 else float("inf")


def escalated(findings: Sequence[Finding], frames: int, share: float) -> list[Finding]:
    """All as errors when they affect at least ``share`` of a clip's ``frames``, else unchanged."""
    concerned = len({f.frame for f in findings})
    if not findings or concerned < share * frames:
        return list(findings)
    return [replace(f, severity="error") for f in findings]


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that keep something from being used."""
    return [f for f in findings if f.severity == "error"]


def lines(findings: Iterable[Finding]) -> list[str]:
    """One line for each check and clip: the worst finding, and how many more there are."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.check, finding.clip), []).append(finding)
    return [f"{check}: {_line(group)}" for (check, _), group in groups.items()]


def _line(group: Sequence[Finding]) -> str:
    worst = max(group, key=lambda f: f.excess)
    if len(group) == 1:
        return str(worst)
    frames = sorted({f.frame for f in group if f.frame is not None})
    span = f", frames {frames[0]}-{frames[-1]}" if len(frames) > 1 else ""
    return f"{worst} (and {len(group) - 1} more{span})"


def findings_table(findings: Iterable[Finding]) -> pl.DataFrame:
    """As a table with the columns FINDINGS."""
    return pl.DataFrame([asdict(f) for f in findings], schema=FINDINGS)


def findings_of_table(table: pl.DataFrame) -> list[Finding]:
    """The findings of a table from :func:`findings_table`."""
    return [Finding(**row) for row in table.to_dicts()]
