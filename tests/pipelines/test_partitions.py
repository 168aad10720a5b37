"""The partitions of a store."""

import dagster as dg

from pipelines.partitions import CLIPS, clip_keys, clip_order, listed_once


def test_the_list_of_clips_is_read_once_within_the_block(
    instance: dg.DagsterInstance, listings: list[str]
) -> None:
    instance.add_dynamic_partitions("clips", ["b", "a"])
    with listed_once(instance):
        assert clip_order(instance) == ["b", "a"]
        with listed_once(instance):  # a step within a run
            assert clip_keys(instance) == ["a", "b"]
        assert clip_order(instance) == ["b", "a"]
    assert listings == ["clips"]
    instance.add_dynamic_partitions("clips", ["c"])
    assert clip_order(instance) == ["b", "a", "c"]


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
