"""Machines that use one store in a bucket, whose clips are in shards."""

from pathlib import Path

import bucket
import polars as pl
import pytest

from dance_models.tables import write_table
from pipelines.storage import manifests
from pipelines.storage.bucket import Bucket
from pipelines.storage.clips import set_shards
from pipelines.storage.packs import PACKS, is_pack, part_of_clip
from pipelines.storage.remote import Remote
from pipelines.storage.shard_keys import shard_of
from pipelines.storage.store import Store

SHARDS = 2
STAGE = "clip_probe"
FIRST, SECOND, THIRD = "a", "b", "f"  # of one shard
OTHER = "c"


class Machines:
    """Machines that use one store: each has scratch of its own."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.url, self.folder, self.patch = bucket.new_url(), folder, patch

    def store(self, name: str) -> Store:
        """The store as a command on that machine opens it."""
        self.patch.setenv("DANCE_SCRATCH", str(self.folder / name))
        return Store(root=self.url).settled()

    def of_clips(self) -> set[str]:
        """The objects that are of single clips or of shards."""
        names = Bucket.of(self.url).listed()
        return {name for name in names if is_pack(name) or part_of_clip(name) is not None}


def in_shards(folder: Path, patch: pytest.MonkeyPatch) -> Machines:
    """Machines of a new store that is in shards."""
    machines = Machines(folder, patch)
    store = machines.store("a")
    set_shards(store, SHARDS)
    remote_of(store).publish()
    return machines


def remote_of(store: Store) -> Remote:
    """The bucket of a store."""
    assert store.remote is not None
    return store.remote


def make_clip(store: Store, clip: str, content: int) -> None:
    """What a stage does, and its checks."""
    write_table(pl.DataFrame({"x": [content]}), store.table(STAGE, clip))
    files = manifests.manifest_of(store, [store.table(STAGE, clip)])
    manifests.write_manifest(store, STAGE, clip, files, str(content))
    write_table(pl.DataFrame({"found": [content]}), store.findings(STAGE, clip))


def commit(store: Store, **contents: int) -> None:
    for clip, content in contents.items():
        make_clip(store, clip, content)
    remote_of(store).commit_clips(STAGE, contents)


def contents_of(store: Store) -> dict[str, int]:
    folder = store.path / "tables" / STAGE
    return {path.stem: pl.read_parquet(path)["x"][0] for path in sorted(folder.glob("*.parquet"))}


def is_whole(store: Store, clip: str) -> bool:
    """Whether the manifest of a clip is that of its table."""
    manifest = manifests.read_manifest(store, STAGE, clip)
    return manifest is not None and not manifests.damages(store, manifest, manifest.keys())


def are_whole(store: Store) -> bool:
    """The same of all clips that have a table."""
    return all(is_whole(store, clip) for clip in contents_of(store))


def pack_of_clip(clip: str) -> str:
    return pack_name(clip, SHARDS)


def pack_name(clip: str, shards: int) -> str:
    return f"{PACKS}{STAGE}/{shard_of(clip, shards)}-of-{shards:04}.parquet"
