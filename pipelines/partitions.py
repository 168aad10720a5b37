"""Partitions: one for each clip. The key is the slug of the file's stem, never a path."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from math import inf
from time import monotonic
from typing import Final

import dagster as dg

from pipelines.storage.clips import PARTITIONS

CLIPS: Final = dg.DynamicPartitionsDefinition(name=PARTITIONS)
# The most clips of one run: enough that its start is negligible, few enough that the runs of a
# hundred clips share the cores.
CLIPS_PER_RUN: Final = 16
FOUND_FOR_S: Final = 1.0  # after it was read, in a list of clips


def clip_keys(instance: dg.DagsterInstance) -> list[str]:
    """Registered clips, sorted; read from the instance, where Dagster keeps them."""
    return sorted(instance.get_dynamic_partitions(PARTITIONS))


def clip_order(instance: dg.DagsterInstance) -> list[str]:
    """Registered clips in Dagster's order, in which a range of partitions is meant."""
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
