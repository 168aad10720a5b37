"""Partitions: one for each clip, or the shards of a store with many.

The key of a clip is the slug of its file's stem, never a path.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from math import inf
from time import monotonic
from typing import Final

import dagster as dg

from pipelines.storage.clips import PARTITIONS, clips_by_key
from pipelines.storage.shard_keys import shard_names
from pipelines.storage.shards import shards_of
from pipelines.storage.store import Store

CLIPS: Final = dg.DynamicPartitionsDefinition(name=PARTITIONS)
# The most clips of one run: enough that its start is negligible, few enough that the runs of a
# hundred clips share the cores.
CLIPS_PER_RUN: Final = 16
FOUND_FOR_S: Final = 1.0  # after it was read, in a list of clips


def partitions_of(shards: int) -> dg.PartitionsDefinition[str]:
    """The partitions of assets of clips, in a store with so many shards; 0: one for each clip."""
    return dg.StaticPartitionsDefinition(shard_names(shards)) if shards else CLIPS


def clips_per_run(shards: int) -> int:
    """The most partitions of one run. Of shards one: its clips are several already."""
    return 1 if shards else CLIPS_PER_RUN


def clip_keys(store: Store, instance: dg.DagsterInstance) -> list[str]:
    """Registered clips, sorted.

    Where each is a partition, Dagster keeps which there are: one can be deleted in the web UI.
    """
    if shards_of(store):
        return sorted(clips_by_key(store))
    return sorted(instance.get_dynamic_partitions(PARTITIONS))


def partition_keys(store: Store, instance: dg.DagsterInstance) -> list[str]:
    """The partitions of assets of clips: the clips, or the shards that they are in."""
    shards = shards_of(store)
    return shard_names(shards) if shards else clip_keys(store, instance)


def clip_order(store: Store, instance: dg.DagsterInstance) -> list[str]:
    """Registered clips in Dagster's order, in which a range of partitions is meant.

    Of clips in shards Dagster has none.
    """
    if shards_of(store):
        return clip_keys(store, instance)
    return list(instance.get_dynamic_partitions(PARTITIONS))


@contextmanager
def listed_once(instance: dg.DagsterInstance) -> Iterator[None]:
    """Within the block, this instance reads the list of all clips once.

    Of a run over several clips Dagster knows the first and the last. To find those between, it
    lists all clips of the store for nearly every result of every clip, and of its own caches none
    reaches there.
    """
    if "get_dynamic_partitions" in vars(instance):  # in such a block already
        yield
        return
    read = cache(instance.get_dynamic_partitions)

    def listed(partitions_def_name: str) -> Sequence[str]:  # one entry, whether named or not
        return read(partitions_def_name)

    instance.get_dynamic_partitions = listed  # type: ignore[method-assign]
    try:
        yield
    finally:
        del instance.get_dynamic_partitions


def found_in_list(instance: dg.DagsterInstance) -> None:
    """From now on, this instance looks for a clip in the list of all before it asks its database.

    For the web server: to show the state of a check, Dagster asks for every clip whether it is
    there. The list is a second old at most, and a clip that is not in it is asked for.
    """
    ask = instance.has_dynamic_partition
    lists: dict[str, tuple[float, frozenset[str]]] = {}

    def found(partitions_def_name: str, partition_key: str) -> bool:
        read, listed = lists.get(partitions_def_name, (-inf, frozenset()))
        if monotonic() - read > FOUND_FOR_S:
            listed = frozenset(instance.get_dynamic_partitions(partitions_def_name))
            lists[partitions_def_name] = monotonic(), listed
        return partition_key in listed or ask(partitions_def_name, partition_key)

    instance.has_dynamic_partition = found  # type: ignore[method-assign]
