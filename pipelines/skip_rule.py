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
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Final

import dagster as dg

from pipelines.store import Store

INPUTS_TAG: Final = "dance/inputs"
VERSION_TAG: Final = "dagster/data_version"
# Dagster refuses tag values of more than 63 characters.
DIGEST_LENGTH: Final = 40

Inputs = Mapping[str, Any]


def inputs_digest(inputs: Inputs) -> str:
    """Start of the sha256 of the canonical JSON; dataclasses count with all their fields."""

    def encode(value: object) -> object:
        if is_dataclass(value) and not isinstance(value, type):
            return asdict(value)
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

    def is_fresh(
        self, instance: dg.DagsterInstance, store: Store, profile: object, clip: str | None = None
    ) -> bool:
        """Whether running the asset now would give what is there already."""
        digest = inputs_digest(self.inputs(store, self.config(profile), clip))
        return fresh_materialization(instance, store, self.asset, clip, digest) is not None


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
) -> dg.MaterializeResult[Any]:
    """Run ``make`` unless the skip rule says the result is there; record the inputs either way."""
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
    )
