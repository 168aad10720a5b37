"""Putting the clips of a store in shards, and what Dagster is told of shards outside of runs."""

import uuid
from collections.abc import Collection, Mapping, Sequence

import dagster as dg

from pipelines.checks.asset_checks import evaluation_of
from pipelines.materializations import (
    INPUTS,
    MANIFEST,
    data_versions,
    last_of_all_clips,
    observed_versions,
    provenance_without_run,
    recorded_clips,
)
from pipelines.partitions import clip_keys
from pipelines.shard_step import CLIPS_MADE, ClipsOfStep, clips_made_result, digests_of
from pipelines.stage import Stage
from pipelines.storage import manifests
from pipelines.storage.clips import PARTITIONS, clips_by_key, set_shards
from pipelines.storage.registration import report_version
from pipelines.storage.shards import (
    clips_of_shards,
    content_of_shards,
    shards_of,
    version_of,
)
from pipelines.storage.store import Store


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
    stages: Sequence[Stage],
    shards: Collection[str],
) -> None:
    """Tell Dagster of what is made in ``shards``, and what was found on it, where it does not know.

    ``stages`` of clips; all clips of ``shards`` are fresh. Dagster does not know where a process
    was killed after its last clip, and where the clips were partitions before.
    """
    _record_content(store, instance)
    of_clips = {"raw_clips", *(stage.name for stage in stages)}
    for stage in stages:
        known = data_versions(instance, stage.name)
        made = {
            shard: digests
            for shard, clips in clips_of_shards(store).items()
            if shard in shards and (digests := digests_of(store, stage.name, clips))
        }
        for shard, digests in made.items():
            version = version_of(digests.items())
            if known.get(shard) != version:
                clips = clips_of_shards(store)[shard]
                inputs = {name: shard if name in of_clips else None for name in stage.dependencies}
                instance.report_runless_asset_event(
                    dg.AssetMaterialization(
                        stage.name,
                        partition=shard,
                        description="made before, as its manifests say",
                        metadata={"clips": len(clips), "reused": len(digests)},
                        tags=provenance_without_run(instance, inputs, version, stage.version),
                    )
                )
        _record_checks(store, instance, stage, made)


def _record_content(store: Store, instance: dg.DagsterInstance) -> None:
    """Tell Dagster of the files of shards, where registering them told it of clips."""
    known = observed_versions(instance, "raw_clips")
    rows = clips_by_key(store).values()
    for shard, version in content_of_shards(rows, shards_of(store)).items():
        if known.get(shard) != version:
            report_version(instance, "raw_clips", version, shard)


def _record_checks(
    store: Store,
    instance: dg.DagsterInstance,
    stage: Stage,
    made: Mapping[str, Collection[str]],
) -> None:
    """Tell Dagster what was found on the clips of shards whose newest result it has no checks of.

    Of each asset and shard ``clips_made`` comes last: where it is, all are. No picture is drawn.
    """
    # Of no run. Of those with the empty id Dagster's database takes one for a check and partition,
    # and shards of another number have the same names again.
    told_by = str(uuid.uuid4())
    unchecked = made.keys() - _checked(instance, stage.name)
    targets = recorded_clips(instance, stage.name, sorted(unchecked))
    for shard, target in sorted(targets.items()):
        results = []
        if stage.checks is not None:
            found = [f for clip in made[shard] for f in stage.checks.written(store, clip)]
            results += stage.checks.results_of_shard(store, found, shard, drawn=False)
        results.append(clips_made_result(ClipsOfStep()))
        for result in results:
            told = dg.DagsterEvent(
                event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
                job_name="",
                event_specific_data=evaluation_of(stage.name, result, shard, target),
            )
            instance.report_dagster_event(told, told_by)


def _checked(instance: dg.DagsterInstance, asset: str) -> set[str]:
    """The shards of which Dagster has the checks of the newest materialization."""
    key = dg.AssetCheckKey(dg.AssetKey(asset), CLIPS_MADE)
    return {
        info.partition_key
        for info in instance.event_log_storage.get_asset_check_partition_info([key])
        if info.partition_key is not None
        and info.latest_target_materialization_storage_id is not None
        and info.latest_target_materialization_storage_id == info.latest_materialization_storage_id
    }
