"""Partitions: one for each clip. The key is the slug of the file's stem, never a path."""

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
