"""Shards: what Dagster's partitions are in a store with many clips.

Dagster keeps some thousands of partitions of an asset well. Up to ``MOST_CLIPS`` clips each clip is
one; beyond, a store has a fixed number of shards, and a hash of its key says which one a clip is
in. The number is kept with the registry of clips. What is made of a clip does not depend on it, nor
does when it is made again: in a store with shards the manifest of each clip says what it was made
of, and Dagster knows of the shards alone.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pipelines.storage.place import read_registry
from pipelines.storage.registration import indexed
from pipelines.storage.shard_keys import by_shard, stated
from pipelines.storage.store import Store

MOST_CLIPS: Final = 1000  # of a store without shards
FEWEST: Final = 256
MOST: Final = 4096
CLIPS_A_SHARD: Final = 64  # at most, while there are fewer shards than ``MOST``


def shards_of(store: Store) -> int:
    """How many shards the clips of a store are in; 0 where each clip is a partition.

    Raises InputError when the registry of clips is damaged.
    """
    return indexed(store, "raw_clips", stated)


def enough_shards(clips: int) -> int:
    """How many shards a store of so many clips is given: a power of two, 0 for few clips."""
    if clips <= MOST_CLIPS:
        return 0
    count = FEWEST
    while count < MOST and clips > count * CLIPS_A_SHARD:
        count *= 2
    return count


def clips_of_shards(store: Store) -> Mapping[str, list[str]]:
    """The registered clips of each shard that has any, in a store with shards."""
    return indexed(store, "raw_clips", _clips)


def content_of_clips(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The data version of each clip, by the rows of the registry."""
    return {row["clip"]: row["sha256"] or "unreadable" for row in rows}


def content_of_shards(rows: Iterable[Mapping[str, Any]], shards: int) -> dict[str, str]:
    """The data version of each shard that has clips, by the rows of the registry."""
    versions = content_of_clips(rows)
    return {
        shard: version_of((clip, versions[clip]) for clip in clips)
        for shard, clips in by_shard(versions, shards).items()
    }


def version_of(clips: Iterable[tuple[str, str]]) -> str:
    """The data version of a shard: sha256 over its clips and the data version of each."""
    lines = (f"{clip} {version}\n" for clip, version in sorted(clips))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _clips(path: Path) -> dict[str, list[str]]:
    return by_shard(read_registry(path)["clip"], stated(path))
