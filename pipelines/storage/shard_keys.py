"""Which shard a clip is in, by its key alone (``pipelines/storage/shards.py`` says why)."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from dance_models.tables import read_metadata
from pipelines.storage.place import read_registry

SHARDS: Final = "shards"  # in the metadata of the registry of clips: how many there are


def stated(path: Path) -> int:
    """How many shards the clips of a registry of clips are in; 0 where each is a partition.

    Raises InputError when the file is damaged.
    """
    if not path.is_file():
        return 0
    read_registry(path)  # says what to do when it is damaged
    return int(read_metadata(path).get(SHARDS, 0))


def shard_names(shards: int) -> list[str]:
    """The keys of all shards, in order."""
    return [_name(number) for number in range(shards)]


def shard_of(clip: str, shards: int) -> str:
    """The shard that a clip is in, by the first 32 bits of the sha256 of its key."""
    return _name(int.from_bytes(hashlib.sha256(clip.encode()).digest()[:4]) % shards)


def by_shard(clips: Iterable[str], shards: int) -> dict[str, list[str]]:
    """The clips, sorted, of each shard that has any of them; shards in order."""
    found: dict[str, list[str]] = {}
    for clip in sorted(clips):
        found.setdefault(shard_of(clip, shards), []).append(clip)
    return dict(sorted(found.items()))


def _name(number: int) -> str:
    return f"shard-{number:04}"
