"""What Dagster's event log holds of the newest materializations."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

import dagster as dg

# The newest materialization of an asset (of one clip's partition), None when there is none.
Last = Callable[[str, str | None], dg.AssetMaterialization | None]
_TOGETHER: Final = 100  # records of one query; those of earlier versions hold a picture
_OURS: Final = "dance/"  # begins the names of what the skip rule reads


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


def last_of_all_clips(instance: dg.DagsterInstance, assets: Iterable[str]) -> Last:
    """The same as :func:`last_materialization` for partitioned assets, as they are now.

    All clips of an asset are read together: a query for each of them takes longer than all else
    that the skip rule does. Only the metadata that it reads are kept, not the web UI's pictures.
    """
    found = {
        (asset, clip): materialization
        for asset in assets
        for clip, materialization in _by_clip(instance, dg.AssetKey(asset))
    }
    return lambda asset, clip: found.get((asset, clip or ""))


def _by_clip(
    instance: dg.DagsterInstance, key: dg.AssetKey
) -> Iterator[tuple[str, dg.AssetMaterialization]]:
    newest = instance.event_log_storage.get_latest_storage_id_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    numbers = iter(newest.values())
    while several := list(islice(numbers, _TOGETHER)):
        wanted = dg.AssetRecordsFilter(asset_key=key, storage_ids=several)
        for record in instance.fetch_materializations(wanted, limit=len(several)).records:
            if record.asset_materialization is not None and record.partition_key is not None:
                made = record.asset_materialization
                ours = {k: v for k, v in made.metadata.items() if k.startswith(_OURS)}
                yield record.partition_key, made.with_metadata(ours)


def made_at(instance: dg.DagsterInstance, asset: str) -> float | None:
    """When an asset, or the newest of its partitions, was made or found fresh in a run.

    Seconds since 1970; None when it never was.
    """
    records = instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
    return records[0].timestamp if records else None
