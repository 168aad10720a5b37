"""Partitions: one per clip, its key the slug of the file stem, never a path."""

from typing import Final

import dagster as dg

from pipelines.storage.clips import PARTITIONS

CLIPS: Final = dg.DynamicPartitionsDefinition(name=PARTITIONS)


def clip_keys(instance: dg.DagsterInstance) -> list[str]:
    """Registered clips, sorted; read from the instance, which is where they live."""
    return sorted(instance.get_dynamic_partitions(PARTITIONS))
