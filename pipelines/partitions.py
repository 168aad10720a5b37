"""Partitions: one for each clip. The key is the slug of the file's stem, never a path."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Final

import dagster as dg

from pipelines.storage.clips import PARTITIONS

CLIPS: Final = dg.DynamicPartitionsDefinition(name=PARTITIONS)
# The most clips of one run: enough that its start is negligible, few enough that the runs of a
# hundred clips share the cores.
CLIPS_PER_RUN: Final = 16


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
