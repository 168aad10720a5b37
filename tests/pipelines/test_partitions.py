"""The partitions of a store."""

from pathlib import Path

import dagster as dg
import pytest

from pipelines import partitions
from pipelines.partitions import CLIPS, clip_keys, clip_order, found_in_list, listed_once
from pipelines.storage.store import Store


def test_the_list_of_clips_is_read_once_within_the_block(
    tmp_path: Path, instance: dg.DagsterInstance, listings: list[str]
) -> None:
    store = Store(root=str(tmp_path))
    instance.add_dynamic_partitions("clips", ["b", "a"])
    with listed_once(instance):
        assert clip_order(store, instance) == ["b", "a"]
        with listed_once(instance):  # a step within a run
            assert clip_keys(store, instance) == ["a", "b"]
        assert clip_order(store, instance) == ["b", "a"]
    assert listings == ["clips"]
    instance.add_dynamic_partitions("clips", ["c"])
    assert clip_order(store, instance) == ["b", "a", "c"]


def test_a_run_over_more_clips_lists_them_no_more_often(
    instance: dg.DagsterInstance, listings: list[str]
) -> None:
    """Dagster does it for each result of each clip, and 100,000 take 0.2 s."""
    instance.add_dynamic_partitions("clips", ["b", "a", "c", "d"])

    @dg.asset(partitions_def=CLIPS)
    def seen(context: dg.AssetExecutionContext) -> None:
        for clip in context.partition_keys:
            context.add_asset_metadata({"clip": clip}, partition_key=clip)

    def made(last: str) -> int:
        with listed_once(instance):
            result = dg.materialize(
                [seen],
                instance=instance,
                tags={
                    "dagster/asset_partition_range_start": "b",
                    "dagster/asset_partition_range_end": last,
                },
            )
        return len(result.asset_materializations_for_node("seen"))

    assert [made("a"), made("d")] == [2, 4]
    assert listings == ["clips", "clips"]


def test_the_web_server_finds_thousands_of_clips_in_one_list(
    instance: dg.DagsterInstance, listings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state of a check of 10,000 clips took as many queries, and a minute, each time."""
    clips = [f"clip_{number}" for number in range(50)]
    instance.add_dynamic_partitions("clips", clips)
    found_in_list(instance)
    monkeypatch.setattr(partitions, "FOUND_FOR_S", 1e9)
    assert all(instance.has_dynamic_partition("clips", clip) for clip in clips)
    assert listings == ["clips"]
    assert not instance.has_dynamic_partition("clips", "new")
    instance.add_dynamic_partitions("clips", ["new"])
    assert instance.has_dynamic_partition("clips", "new"), "another process may have added it"
    instance.delete_dynamic_partition("clips", "new")
    assert not instance.has_dynamic_partition("clips", "new")
    instance.delete_dynamic_partition("clips", clips[0])
    monkeypatch.setattr(partitions, "FOUND_FOR_S", 0)
    assert not instance.has_dynamic_partition("clips", clips[0])
