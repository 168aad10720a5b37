"""Which clips of a store are in which shard."""

from collections import Counter
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from dance_models.tables import write_table
from pipelines.storage.clips import RAW_CLIPS, register_clips, registered_clips, set_shards
from pipelines.storage.shard_keys import by_shard, shard_names, shard_of
from pipelines.storage.shards import clips_of_shards, content_of_shards, enough_shards, shards_of
from pipelines.storage.store import Store


@pytest.mark.parametrize(
    ("clips", "shards"),
    [(0, 0), (1000, 0), (1001, 256), (16_384, 256), (16_385, 512), (10**5, 2048), (10**7, 4096)],
)
def test_large_stores_have_enough_shards(clips: int, shards: int) -> None:
    assert enough_shards(clips) == shards


def test_a_clip_stays_in_its_shard_and_shards_are_alike() -> None:
    assert shard_of("ballet_01", 256) == "shard-0021"
    clips = [f"clip_{number}" for number in range(10_000)]
    counts = Counter(shard_of(clip, 256) for clip in clips)
    assert set(counts) == set(shard_names(256))
    assert max(counts.values()) < 80
    # Half of a shard's clips stay together when there are twice as many.
    for shard, its in by_shard(clips, 512).items():
        assert {shard_of(clip, 256) for clip in its} == {f"shard-{int(shard[6:]) % 256:04}"}


def test_the_registry_keeps_the_number(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    store = Store(root=str(tmp_path / "store"))
    assert shards_of(store) == 0
    set_shards(store, 4)
    assert shards_of(store) == 4
    (tmp_path / "clips").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "clips" / f"{name}.mp4").write_text(name)
    register_clips(store, instance, [tmp_path / "clips"])
    assert shards_of(store) == 4
    assert registered_clips(store)["clip"].to_list() == ["a", "b", "c"]
    assert dict(clips_of_shards(store)) == by_shard("abc", 4)
    assert list(instance.get_dynamic_partitions("clips")) == []
    set_shards(store, 2)
    assert dict(clips_of_shards(store)) == by_shard("abc", 2)


def test_a_shard_changes_with_its_clips_alone() -> None:
    rows = [{"clip": f"clip_{number}", "sha256": f"{number}"} for number in range(20)]
    before = content_of_shards(rows, 4)
    rows[3]["sha256"] = "another"
    after = content_of_shards(rows, 4)
    changed = {shard for shard in before if before[shard] != after[shard]}
    assert changed == {shard_of("clip_3", 4)}


def test_dagster_is_told_of_the_shards_that_changed(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    store = Store(root=str(tmp_path / "store"))
    set_shards(store, 8)
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_text("a")
    register_clips(store, instance, [tmp_path / "clips"])
    records = instance.fetch_observations(dg.AssetKey("raw_clips"), limit=10).records
    assert [record.partition_key for record in records] == [shard_of("a", 8)]
    register_clips(store, instance, [tmp_path / "clips"])
    assert len(instance.fetch_observations(dg.AssetKey("raw_clips"), limit=10).records) == 1


def test_a_store_without_the_number_has_none(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    write_table(pl.DataFrame(schema=RAW_CLIPS), store.table("raw_clips"), {})
    assert shards_of(store) == 0
