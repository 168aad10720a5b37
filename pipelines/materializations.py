"""What Dagster's event log holds of the newest materializations."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.definitions.data_version import (
    DEFAULT_DATA_VERSION,
    extract_data_version_from_entry,
)
from dagster._core.execution.plan.execute_step import (
    _build_data_version_tags,
    _get_code_version,
    _get_input_provenance_data,
    _InputProvenanceData,
)

from dance_models.tables import write_text
from pipelines.storage import manifests
from pipelines.storage.registration import VERSION_TAG
from pipelines.storage.shards import shards_of
from pipelines.storage.store import Store

# Metadata of a materialization, which one run may make of several clips: digests of the inputs, and
# of the manifest of all files.
INPUTS: Final = "dance/inputs"
MANIFEST: Final = "dance/manifest"
# The newest materialization of an asset (of one clip's partition), None when there is none.
Last = Callable[[str, str | None], dg.AssetMaterialization | None]
_TOGETHER: Final = 100  # records of one query; those of earlier versions hold a picture
_OURS: Final = "dance/"  # begins the names of what the skip rule reads
_NOTE: Final = "materializations.json"  # in Dagster's folder: what was read of events


class Recorded(NamedTuple):
    """What the skip rule reads of a materialization, by the number of its event."""

    event: int
    inputs: str
    manifest: str


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


def last_of(
    instance: dg.DagsterInstance, store: Store, asset: str, clip: str | None
) -> dg.AssetMaterialization | None:
    """The same; of a clip in a shard what its manifest says, as Dagster knows of shards alone."""
    if clip is not None and shards_of(store):
        return in_manifest(store, asset, clip)
    return last_materialization(instance, asset, clip)


def in_manifest(store: Store, asset: str, clip: str) -> dg.AssetMaterialization | None:
    """What the manifest of one clip says of it; None without one, or of an earlier version's."""
    try:
        path = store.manifest(asset, clip)
        inputs, digest = store.fact(path, "made", partial(_in_manifest, store, asset, clip))
    except FileNotFoundError:
        return None
    if not inputs or not digest:
        return None
    metadata = {INPUTS: inputs, MANIFEST: digest}
    return dg.AssetMaterialization(asset, partition=clip, metadata=metadata)


def _in_manifest(store: Store, asset: str, clip: str) -> tuple[str, str]:
    """Digests of the inputs and of the manifest; "" of what cannot be read."""
    manifest, inputs = manifests.read_with_inputs(store, asset, clip)
    return inputs, "" if manifest is None else manifests.manifest_digest(manifest)


def provenance_tags(context: dg.AssetExecutionContext, version: dg.DataVersion) -> dict[str, str]:
    """The tags of a materialization that a step logs, as Dagster gives them to a step's results.

    By them the web UI shows what is out of date. Without them it goes by the times of the events,
    and sees no change of the code.
    """
    asset, step = context.asset_key, context.op_execution_context.get_step_execution_context()
    inputs = _get_input_provenance_data(asset, step)
    return _build_data_version_tags(version, _get_code_version(asset, step), inputs, True)


def provenance_without_run(
    instance: dg.DagsterInstance, inputs: Mapping[str, str | None], version: str, code: str
) -> dict[str, str]:
    """The same tags for a materialization that no step makes.

    ``inputs``: the assets that it was made of, and the partition of each that has some.
    """
    known: dict[dg.AssetKey, _InputProvenanceData] = {}
    for asset, partition in inputs.items():
        key = dg.AssetKey(asset)
        record = instance.get_latest_data_version_record(key, partition_key=partition)
        data = extract_data_version_from_entry(record.event_log_entry) if record else None
        known[key] = {
            "data_version": data or DEFAULT_DATA_VERSION,
            "storage_id": record.storage_id if record else None,
        }
    return _build_data_version_tags(dg.DataVersion(version), code, known, True)


def recorded_clips(
    instance: dg.DagsterInstance, asset: str, clips: Sequence[str]
) -> dict[str, AssetCheckEvaluationTargetMaterializationData]:
    """The newest materialization of each of these clips, as their checks refer to it.

    Each of them was recorded just now, under the lock on the asset and clip.
    """
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=clips)
    records = instance.fetch_materializations(wanted, limit=len(clips)).records if clips else []
    return {
        record.partition_key: AssetCheckEvaluationTargetMaterializationData(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
        for record in records
        if record.partition_key is not None
    }


def last_of_all_clips(instance: dg.DagsterInstance, store: Store, assets: Iterable[str]) -> Last:
    """The same as :func:`last_materialization` for partitioned assets, as they are now.

    All clips of an asset are read together: a query for each of them takes longer than all else
    that the skip rule does. Only the metadata that it reads are kept, not the web UI's pictures.
    Of events that were read before they are in a note: making an event of its text takes as long as
    the rest of the rule. Which event is the newest is always asked.
    """
    if shards_of(store):
        return lambda asset, clip: in_manifest(store, asset, clip or "")
    note = store.dagster_home / _NOTE
    before = _noted(note)
    known = {asset: dict(clips) for asset, clips in before.items()}
    older: dict[tuple[str, str], dg.AssetMaterialization] = {}  # of versions without a manifest
    for asset in assets:
        key, noted = dg.AssetKey(asset), before.get(asset, {})
        newest = _newest(instance, key)
        same = {clip: noted[clip] for clip in newest if clip in noted}
        same = {clip: made for clip, made in same.items() if made.event == newest[clip]}
        known[asset] = same
        others = [event for clip, event in newest.items() if clip not in same]
        for clip, event, made in _read(instance, key, others):
            if {INPUTS, MANIFEST} <= made.metadata.keys():
                inputs, manifest = (str(made.metadata[name].value) for name in (INPUTS, MANIFEST))
                same[clip] = Recorded(event, inputs, manifest)
            else:
                older[asset, clip] = made
    if known != before:
        with suppress(OSError):  # a store that cannot be written to is read again
            write_text(note, json.dumps(known))
    return lambda asset, clip: _made(asset, clip or "", known, older)


def data_versions(instance: dg.DagsterInstance, asset: str) -> dict[str, str]:
    """The data version of the newest materialization of each partition of an asset."""
    key = dg.AssetKey(asset)
    read = _read(instance, key, _newest(instance, key).values())
    return {partition: (made.tags or {}).get(VERSION_TAG, "") for partition, _, made in read}


def observed_versions(instance: dg.DagsterInstance, asset: str) -> dict[str, str]:
    """The data version of the newest observation of each partition of a source asset."""
    key, found = dg.AssetKey(asset), {}
    newest = _newest(instance, key, dg.DagsterEventType.ASSET_OBSERVATION)
    for several in _together(newest.values()):
        wanted = dg.AssetRecordsFilter(asset_key=key, storage_ids=several)
        for record in instance.fetch_observations(wanted, limit=len(several)).records:
            seen = record.event_log_entry.asset_observation
            if seen is not None and seen.partition is not None:
                found[seen.partition] = seen.tags.get(VERSION_TAG, "")
    return found


def _newest(
    instance: dg.DagsterInstance,
    key: dg.AssetKey,
    kind: dg.DagsterEventType = dg.DagsterEventType.ASSET_MATERIALIZATION,
) -> Mapping[str, int]:
    """The number of the newest event of that kind of each partition."""
    return instance.event_log_storage.get_latest_storage_id_by_partition(key, kind)


def _made(
    asset: str,
    clip: str,
    known: dict[str, dict[str, Recorded]],
    older: dict[tuple[str, str], dg.AssetMaterialization],
) -> dg.AssetMaterialization | None:
    recorded = known.get(asset, {}).get(clip)
    if recorded is None:
        return older.get((asset, clip))
    metadata = {INPUTS: recorded.inputs, MANIFEST: recorded.manifest}
    return dg.AssetMaterialization(asset, partition=clip, metadata=metadata)


def _noted(note: Path) -> dict[str, dict[str, Recorded]]:
    """What was read of events by asset and clip; nothing when the note is missing or damaged.

    It is of no harm where the event log is another one by now, as after restoring a backup: that
    these inputs gave the files of this manifest stays true, and both are compared with today's.
    """
    try:
        plain = json.loads(note.read_text("utf-8"))
        return {
            str(asset): {
                str(clip): Recorded(int(event), str(inputs), str(manifest))
                for clip, (event, inputs, manifest) in clips.items()
            }
            for asset, clips in plain.items()
        }
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _together(events: Collection[int]) -> Iterator[list[int]]:
    """The events of each query."""
    numbers = iter(events)
    while several := list(islice(numbers, _TOGETHER)):
        yield several


def _read(
    instance: dg.DagsterInstance, key: dg.AssetKey, events: Collection[int]
) -> Iterator[tuple[str, int, dg.AssetMaterialization]]:
    """Clip, number and materialization of events."""
    for several in _together(events):
        wanted = dg.AssetRecordsFilter(asset_key=key, storage_ids=several)
        for record in instance.fetch_materializations(wanted, limit=len(several)).records:
            if record.asset_materialization is not None and record.partition_key is not None:
                made = record.asset_materialization
                ours = {k: v for k, v in made.metadata.items() if k.startswith(_OURS)}
                yield record.partition_key, record.storage_id, made.with_metadata(ours)


def newest_of(instance: dg.DagsterInstance, assets: Iterable[str]) -> dict[str, dg.EventLogEntry]:
    """By asset the event that made it, or the newest of its partitions, or found it fresh in a run.

    One query for all of them: as many as there are assets were half of what `dance status` does
    for a small store.
    """
    found = instance.get_latest_materialization_events([dg.AssetKey(asset) for asset in assets])
    return {key.to_user_string(): event for key, event in found.items() if event is not None}
