"""Checks that run inside their asset's own step.

As ops of their own they would cost a process start a clip in the web UI. What they find is kept as
a table in the store, so that a result that is fresh is judged as it was when it was made, and the
data set can leave out clips by what is on disk rather than by a run's fate.
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from dance_models.config import QualityConfig
from dance_models.tables import write_table
from pipelines import previews
from pipelines.partitions import CLIPS
from pipelines.settings import active_profile
from pipelines.storage.store import Store

if TYPE_CHECKING:
    from dance_models.quality.findings import Finding

Evaluate = Callable[[Store, QualityConfig, str | None], "list[Finding]"]
Draw = Callable[[Store, "Sequence[Finding]"], bytes | None]
CHECKED = "checked"  # key of the findings table's metadata


def no_picture(store: Store, findings: "Sequence[Finding]") -> None:
    """For checks on what cannot be seen."""


@dataclass(frozen=True)
class Check:
    """One check. A blocking one stops what hangs on the asset when it finds an error."""

    name: str
    description: str
    blocking: bool = False


@dataclass(frozen=True)
class AssetChecks:
    """All checks of one asset, and how they are evaluated and drawn."""

    asset: str
    checks: tuple[Check, ...]
    evaluate: Evaluate
    draw: Draw = no_picture
    partitioned: bool = False
    code: str = "1"

    def specs(self) -> list[dg.AssetCheckSpec]:
        """For the asset's ``check_specs``."""
        with warnings.catch_warnings():  # that partitions of checks are new
            warnings.simplefilter("ignore", dg.PreviewWarning)
            return [
                dg.AssetCheckSpec(
                    check.name,
                    asset=self.asset,
                    description=check.description,
                    blocking=check.blocking,
                    partitions_def=CLIPS if self.partitioned else None,
                )
                for check in self.checks
            ]

    def _key(self, digest: str) -> str:
        """What findings depend on: the asset's inputs, the limits, the code."""
        limits = asdict(active_profile().quality)
        text = json.dumps([self.code, digest, limits], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def found(self, store: Store, clip: str | None, digest: str) -> "list[Finding] | None":
        """What was found on the asset made from these inputs, None when it was not checked."""
        from dance_models.quality.findings import findings_of_table

        path = store.findings(self.asset, clip)
        if not path.is_file() or pl.read_parquet_metadata(path).get(CHECKED) != self._key(digest):
            return None
        return findings_of_table(pl.read_parquet(path))

    def keep(
        self, store: Store, clip: str | None, digest: str, findings: "Sequence[Finding]"
    ) -> None:
        """Write what was found on the asset made from these inputs."""
        from dance_models.quality.findings import findings_table

        metadata = {CHECKED: self._key(digest)}
        write_table(findings_table(findings), store.findings(self.asset, clip), metadata)

    def run(self, store: Store, clip: str | None, digest: str) -> list[dg.AssetCheckResult]:
        """Evaluate all checks (unless that was done), keep what they found, and report it."""
        findings = self.found(store, clip, digest)
        if findings is None:
            findings = self.evaluate(store, active_profile().quality, clip)
            self.keep(store, clip, digest, findings)
        return [self._result(store, check, findings) for check in self.checks]

    def _result(
        self, store: Store, check: Check, findings: "Sequence[Finding]"
    ) -> dg.AssetCheckResult:
        from dance_models.quality.findings import errors, findings_table, lines

        mine = [f for f in findings if f.check == check.name]
        if not mine:
            return dg.AssetCheckResult(check_name=check.name, passed=True)
        located = lines(mine)
        metadata: dict[str, Any] = {
            "count": len(mine),
            "findings": previews.records(findings_table(mine), limit=100),
        }
        drawn = self.draw(store, mine)
        if drawn is not None:
            metadata["picture"] = previews.picture(drawn, located[0].replace("]", ")"))
        return dg.AssetCheckResult(
            check_name=check.name,
            passed=False,
            severity=dg.AssetCheckSeverity.ERROR if errors(mine) else dg.AssetCheckSeverity.WARN,
            description="\n".join(located),
            metadata=metadata,
        )

    def stopping(self, findings: "Sequence[Finding]") -> "list[Finding]":
        """The errors of blocking checks."""
        from dance_models.quality.findings import errors

        blocking = {check.name for check in self.checks if check.blocking}
        return [f for f in errors(findings) if f.check in blocking]
