"""The skip rule: what was made from the same inputs is not made again.

Every materialization carries a tag with the digest of what went into it (data versions of the
upstream tables, configuration, code version). An asset is fresh when the last materialization has
the digest that its inputs give today and the file on disk still is what it wrote. The rule is
asked twice: by the command line before it starts a run, and inside the asset, so that a run that
was killed half-way or started from the web UI reuses what is done.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from dance_models.config import identity
from pipelines.checks.asset_checks import AssetChecks
from pipelines.storage.registration import VERSION_TAG
from pipelines.storage.store import Store

if TYPE_CHECKING:
    from dance_models.quality.findings import Finding

    Result = dg.MaterializeResult[Any]
else:  # Dagster knows no parametrised result as the annotation of an asset with checks
    Result = dg.MaterializeResult

INPUTS_TAG: Final = "dance/inputs"
# Dagster refuses tag values of more than 63 characters.
DIGEST_LENGTH: Final = 40

Inputs = Mapping[str, Any]


def inputs_digest(inputs: Inputs) -> str:
    """Start of the sha256 of the canonical JSON; dataclasses count with their :func:`identity`."""

    def encode(value: object) -> object:
        if is_dataclass(value) and not isinstance(value, type):
            return identity(value)
        raise TypeError(f"{type(value).__name__} cannot be part of a digest")

    text = json.dumps(inputs, sort_keys=True, default=encode)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def last_materialization(
    instance: dg.DagsterInstance, asset: str, clip: str | None
) -> dg.AssetMaterialization | None:
    """The newest materialization of an asset (of one clip's partition)."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=dg.AssetKey(asset), asset_partitions=[clip] if clip else None
        ),
        limit=1,
    ).records
    return records[0].asset_materialization if records else None


def fresh_materialization(
    instance: dg.DagsterInstance, store: Store, asset: str, clip: str | None, digest: str
) -> dg.AssetMaterialization | None:
    """The last materialization when it still stands, else None."""
    last = last_materialization(instance, asset, clip)
    if last is None or (last.tags or {}).get(INPUTS_TAG) != digest:
        return None
    return last if store.digest(asset, clip) == (last.tags or {}).get(VERSION_TAG) else None


@dataclass(frozen=True)
class Step:
    """One asset as the command line sees it: its configuration and what goes into it."""

    asset: str
    inputs: Callable[[Store, Any, str | None], Inputs]
    config: Callable[[Any], object | None] = lambda profile: None  # Profile -> dataclass
    partitioned: bool = False
    checks: AssetChecks | None = None

    def _digest(self, store: Store, profile: object, clip: str | None) -> str:
        return inputs_digest(self.inputs(store, self.config(profile), clip))

    def is_fresh(
        self, instance: dg.DagsterInstance, store: Store, profile: object, clip: str | None = None
    ) -> bool:
        """Whether running the asset now would give, and find, what is there already."""
        digest = self._digest(store, profile, clip)
        if fresh_materialization(instance, store, self.asset, clip, digest) is None:
            return False
        return self.checks is None or self.checks.found(store, clip, digest) is not None

    def findings(self, store: Store, profile: object, clip: str | None) -> "list[Finding]":
        """What the checks found on the asset as its inputs are today."""
        if self.checks is None:
            return []
        return self.checks.found(store, clip, self._digest(store, profile, clip)) or []


@dataclass(frozen=True)
class Made:
    """What a stage made: the data version (sha256 of its table) and metadata for the UI."""

    data_version: str
    metadata: Mapping[str, Any]


def run_stage(
    context: dg.AssetExecutionContext,
    store: Store,
    inputs: Inputs,
    make: Callable[[], Made],
    checks: AssetChecks | None = None,
) -> Result:
    """Run ``make`` unless the skip rule says the result is there; record the inputs either way.

    ``checks`` judge the result; Dagster fails the step when a blocking one finds an error.
    """
    asset = context.asset_key.to_user_string()
    clip = context.partition_key if context.has_partition_key else None
    digest = inputs_digest(inputs)
    last = fresh_materialization(context.instance, store, asset, clip, digest)
    if last is not None:
        context.log.info("Inputs are unchanged, the table that is there stands.")
        made = Made(store.digest(asset, clip), dict(last.metadata))
    else:
        made = make()
    return dg.MaterializeResult(
        data_version=dg.DataVersion(made.data_version),
        metadata=made.metadata,
        tags={INPUTS_TAG: digest},
        check_results=checks.run(store, clip, digest) if checks else [],
    )
