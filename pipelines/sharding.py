"""Putting the clips of a store in shards, and what Dagster is told of shards outside of runs."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import dagster as dg

from pipelines.materializations import (
    INPUTS,
    MANIFEST,
    data_versions,
    last_of_all_clips,
)
from pipelines.partitions import clip_keys
from pipelines.shard_step import digests_of
from pipelines.storage import manifests
from pipelines.storage.clips import PARTITIONS, set_shards
from pipelines.storage.registration import VERSION_TAG
from pipelines.storage.shards import clips_of_shards, shards_of, version_of
from pipelines.storage.store import Store

CODE_TAG: Final = "dagster/code_version"  # Dagster's own


def put_in_shards(
    store: Store, instance: dg.DagsterInstance, assets: Sequence[str], shards: int
) -> None:
    """Make so many shards the partitions of the clips' ``assets``; nothing is made again.

    Can be killed at any time and done again. Nothing else may use the store meanwhile.
    """
    if not shards_of(store):
        _note_inputs(store, instance, assets)
    set_shards(store, shards)
    drop_clips(store, instance)


def drop_clips(store: Store, instance: dg.DagsterInstance) -> None:
    """Delete the partitions of a store with shards that are clips."""
    for clip in instance.get_dynamic_partitions(PARTITIONS) if shards_of(store) else ():
        instance.delete_dynamic_partition(PARTITIONS, clip)


def _note_inputs(store: Store, instance: dg.DagsterInstance, assets: Sequence[str]) -> None:
    """Have each clip's manifest say what it was made of, which was Dagster's to know."""
    last = last_of_all_clips(instance, store, assets)
    for asset in assets:
        for clip in clip_keys(store, instance):
            made, manifest = last(asset, clip), manifests.read_manifest(store, asset, clip)
            if made is None or manifest is None or not {INPUTS, MANIFEST} <= made.metadata.keys():
                continue
            if manifests.manifest_digest(manifest) == str(made.metadata[MANIFEST].value):
                inputs = str(made.metadata[INPUTS].value)
                manifests.write_manifest(store, asset, clip, manifest, inputs)


def record_shards(
    store: Store,
    instance: dg.DagsterInstance,
    versions: Mapping[str, str],
    shards: Collection[str],
) -> None:
    """Tell Dagster of what is made in ``shards`` and it does not know of.

    ``versions``: the code version of each asset of clips. Dagster does not know where a process was
    killed after its last clip, and where the clips were partitions before.
    """
    for asset, code in versions.items():
        known = data_versions(instance, asset)
        for shard, clips in clips_of_shards(store).items():
            made = digests_of(store, asset, clips) if shard in shards else {}
            version = version_of(made.items())
            if made and known.get(shard) != version:
                instance.report_runless_asset_event(
                    dg.AssetMaterialization(
                        asset,
                        partition=shard,
                        description="made before, as its manifests say",
                        metadata={"clips": len(clips), "reused": len(made)},
                        tags={VERSION_TAG: version, CODE_TAG: code},
                    )
                )
