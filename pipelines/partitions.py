"""Partitions: one for each clip. The key is the slug of the file's stem, never a path."""

from typing import Final

import dagster as dg

from pipelines.storage.clips import PARTITIONS

CLIPS: Final = dg.DynamicPartitionsDefinition(name=PARTITIONS)
# A backfill in the web UI: enough clips that the start of a run is negligible, few enough that the
# runs of a hundred clips share the cores.
CLIPS_PER_RUN: Final = 16


def clip_keys(instance: dg.DagsterInstance) -> list[str]:
    """Registered clips, sorted; read from the instance, where Dagster keeps them."""
    return sorted(instance.get_dynamic_partitions(PARTITIONS))
