"""Checks that run inside the step of their own asset.

As ops of their own they would cost one process start for each clip in the web UI. Their findings
are written to a table in the store. So a reused result keeps its findings, and the data set leaves
clips out by what is on disk rather than by how a run ended.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from dance_models.config import QualityConfig
from dance_models.errors import DamagedFileError
from dance_models.tables import is_table, read_table, write_table
from dance_models.text import first_lines
from pipelines import previews
from pipelines.storage.store import Store

if TYPE_CHECKING:
    from dance_models.quality.findings import Finding

Evaluate = Callable[[Store, QualityConfig, str | None], "list[Finding]"]
Draw = Callable[[Store, "Sequence[Finding]"], bytes | None]
# Check -> name of a number -> its value. Drawn over time, also while the check passes.
Numbers = Mapping[str, Mapping[str, float | None]]
# Keys of the findings table's metadata: what was checked, and the number of rows.
CHECKED = "checked"
COUNT = "findings"


def no_picture(store: Store, findings: "Sequence[Finding]") -> None:
    """For checks on something that has no picture."""


def no_numbers(store: Store, clip: str | None) -> Numbers:
    """For checks that measure nothing but what they find."""
    return {}


@cache
def _plain(quality: QualityConfig) -> dict[str, Any]:
    """Not to be changed: the same for every clip."""
    return asdict(quality)


@dataclass(frozen=True)
class Check:
    """One check. An error of a blocking check stops everything downstream of the asset."""

    name: str
    description: str
    blocking: bool = False


def evaluation_of(
    asset: str,
    result: dg.AssetCheckResult,
    partition: str,
    made: AssetCheckEvaluationTargetMaterializationData,
) -> dg.AssetCheckEvaluation:
    """A result as an event of its own that blocks nothing; ``made`` is what was checked."""
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset),
        check_name=str(result.check_name),
        passed=result.passed,
        metadata=result.metadata,
        target_materialization_data=made,
        severity=result.severity,
        description=result.description,
        blocking=False,
        partition=partition,
    )


def written_findings(store: Store, path: Path) -> "list[Finding]":
    """The findings in the table of an asset.

    Raises DamagedFileError when any part of the table is damaged.
    """
    from dance_models.quality.findings import Finding

    return [Finding(*row) for row in store.fact(path, "findings", partial(_rows, store, path))]


def _rows(store: Store, path: Path) -> list[tuple[Any, ...]]:
    from dance_models.quality.findings import findings_of_table

    if _is_empty(store, path):
        return []
    try:
        return [astuple(finding) for finding in findings_of_table(read_table(path))]
    except TypeError as error:  # one wrong bit renames a column
        raise DamagedFileError(
            "the table has other columns than findings have, it is damaged",
            file=path,
            hint="`dance run` makes it again",
        ) from error


def _is_empty(store: Store, path: Path) -> bool:
    """Whether a table states that it has no findings, and all of it is whole."""
    stated = store.stated(path, CHECKED, COUNT)
    return stated.get(COUNT) == "0" and _is_whole(_but_key(path.read_bytes(), stated))


def _but_key(content: bytes, stated: Mapping[str, str]) -> bytes:
    """The bytes of a table with zeros for its key: those of all empty tables are the same."""
    key = stated.get(CHECKED, "").encode()
    return content.replace(key, b"0" * len(key))


@lru_cache(maxsize=8)
def _is_whole(content: bytes) -> bool:
    """Kept by content: most tables are empty, and to read each takes thirty times as long."""
    return is_table(content)


@dataclass(frozen=True)
class AssetChecks:
    """All checks of one asset, and how they are evaluated and drawn."""

    asset: str
    checks: tuple[Check, ...]
    evaluate: Evaluate
    draw: Draw = no_picture
    partitioned: bool = False
    numbers: Callable[[Store, str | None], Numbers] = no_numbers
    code: str = "1"

    def specs(
        self, partitions: "dg.PartitionsDefinition[str] | None" = None
    ) -> list[dg.AssetCheckSpec]:
        """For the asset's ``check_specs``, and its partitions."""
        return [
            dg.AssetCheckSpec(
                check.name,
                asset=self.asset,
                description=check.description,
                blocking=check.blocking,
                partitions_def=partitions,
            )
            for check in self.checks
        ]

    def _key(self, quality: QualityConfig, digest: str) -> str:
        """What findings depend on: the stage's inputs, the limits, the code."""
        text = json.dumps([self.code, digest, _plain(quality)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def found(
        self, store: Store, quality: QualityConfig, clip: str | None, digest: str
    ) -> "list[Finding] | None":
        """The findings on the result of these inputs, None when it was not checked."""
        path, key = store.findings(self.asset, clip), self._key(quality, digest)
        try:
            checked = path.is_file() and store.stated(path, CHECKED, COUNT).get(CHECKED) == key
            return written_findings(store, path) if checked else None
        except DamagedFileError:  # then it is checked again
            return None

    def record(
        self,
        store: Store,
        quality: QualityConfig,
        clip: str | None,
        digest: str,
        findings: "Sequence[Finding]",
    ) -> None:
        """Write the findings on the result of these inputs."""
        from dance_models.quality.findings import findings_table

        metadata = {CHECKED: self._key(quality, digest), COUNT: str(len(findings))}
        write_table(findings_table(findings), store.findings(self.asset, clip), metadata)

    def evaluate_or_reuse(
        self, store: Store, quality: QualityConfig, clip: str | None, digest: str
    ) -> "list[Finding]":
        """Findings of all checks, evaluated and written unless this was already done."""
        findings = self.found(store, quality, clip, digest)
        if findings is None:
            findings = self.evaluate(store, quality, clip)
            self.record(store, quality, clip, digest, findings)
        return findings

    def results(
        self, store: Store, findings: "Sequence[Finding]", clip: str | None = None
    ) -> list[dg.AssetCheckResult]:
        """One result for each check.

        ``clip`` is None for an asset without partitions, and for several clips at once. Of these an
        error is only a warning, and is not drawn: :meth:`evaluations` has each clip's.
        """
        several = self.partitioned and clip is None
        numbers = {} if several else self.numbers(store, clip)
        return [
            self._result(store, clip, check, findings, numbers.get(check.name, {}), several)
            for check in self.checks
        ]

    def results_of_shard(
        self, store: Store, findings: "Sequence[Finding]", shard: str, *, drawn: bool = True
    ) -> list[dg.AssetCheckResult]:
        """One result for each check on all clips of a shard; none is more than a warning.

        Where the frames of one of the clips cannot be read, the result says so in place of the
        picture: the other clips are made.
        """
        return [
            self._result(store, shard, check, findings, {}, several=True, drawn=drawn)
            for check in self.checks
        ]

    def evaluations(
        self,
        store: Store,
        findings: "Sequence[Finding]",
        clip: str,
        made: AssetCheckEvaluationTargetMaterializationData,
    ) -> list[dg.AssetCheckEvaluation]:
        """The results for one of several clips that a step makes; ``made`` is its materialization.

        None of them blocks: an error would end the step, and with it the other clips.
        """
        results = self.results(store, findings, clip)
        return [evaluation_of(self.asset, result, clip, made) for result in results]

    def _result(
        self,
        store: Store,
        clip: str | None,
        check: Check,
        findings: "Sequence[Finding]",
        numbers: Mapping[str, float | None],
        several: bool,
        drawn: bool = False,
    ) -> dg.AssetCheckResult:
        from dance_models.quality.findings import errors, findings_table, lines

        mine = [f for f in findings if f.check == check.name]
        metadata: dict[str, Any] = {
            "count": len(mine),
            **{name: value for name, value in numbers.items() if value is not None},
        }
        if not mine:
            # Where only other clips failed, the web UI shows them as severe as the newest result.
            severest = dg.AssetCheckSeverity.ERROR if check.blocking else dg.AssetCheckSeverity.WARN
            return dg.AssetCheckResult(
                check_name=check.name, passed=True, severity=severest, metadata=metadata
            )
        located = lines(mine)
        worst = max(mine, key=lambda finding: finding.excess)
        metadata |= {
            "worst": worst.value,
            "limit": worst.limit,
            "findings": previews.records(findings_table(mine), limit=100),
        }
        picture = None
        try:
            picture = self.draw(store, mine) if drawn or not several else None
        except Exception as why:
            if not several:
                raise
            metadata["picture"] = f"could not be drawn: {why}"
        if picture is not None:
            metadata["picture"] = previews.picture(
                store, self.asset, check.name, picture, located[0].replace("]", ")"), clip
            )
        error = bool(errors(mine)) and not several
        return dg.AssetCheckResult(
            check_name=check.name,
            passed=False,
            severity=dg.AssetCheckSeverity.ERROR if error else dg.AssetCheckSeverity.WARN,
            description="\n".join(first_lines(located, "findings")),
            metadata=metadata,
        )

    def written(self, store: Store, clip: str | None) -> "list[Finding]":
        """The findings as they were last written; none where there is no such table."""
        path = store.findings(self.asset, clip)
        return written_findings(store, path) if path.is_file() else []

    def stopping(self, findings: "Sequence[Finding]") -> "list[Finding]":
        """The errors of blocking checks."""
        from dance_models.quality.findings import errors

        blocking = {check.name for check in self.checks if check.blocking}
        return [f for f in errors(findings) if f.check in blocking]

    def stopping_reason(self, store: Store, clip: str | None) -> str | None:
        """The first error of a blocking check as it was last written, None without one."""
        from dance_models.quality.findings import lines

        stopping = self.stopping(self.written(store, clip))
        return lines(stopping)[0] if stopping else None
