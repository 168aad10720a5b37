"""A store left alone: clips, then annotations are dropped into it, the daemon does the rest."""

from collections.abc import Callable
from pathlib import Path

import pytest
from left_alone import make_desk
from servers_under_test import Dagster, dagster_dev, until, webhook

pytestmark = pytest.mark.e2e

CLIP_ASSETS = ("clip_probe", "pose_annotations", "sampled_frames", "pose_tracks")
DATASET_ASSETS = ("pose_dataset", "split_manifest", "train_split", "val_split", "test_split")
UNDER = 400  # seconds for every step, most of them Dagster's processes starting


def reaction(server: Dagster, job: str, dropped: float) -> float:
    """Seconds from the drop to the first run that it started."""
    return min(r["creationTime"] for r in server.runs_of(job) if r["creationTime"] > dropped) - (
        dropped
    )


@pytest.mark.timeout(1800)
def test_clips_and_annotations_that_are_dropped_become_a_data_set(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    desk = make_desk(tmp_path, 2)
    clips = desk.clips()
    with (
        webhook() as (url, heard),
        dagster_dev(
            desk.store.path, "smoke", tmp_path / "dagster.log",
            DANCE_AUTOMATION="on", DANCE_FAILURE_WEBHOOK=url,
        ) as server,
    ):  # fmt: skip
        until(lambda: bool(server.ticks("new_clips")), "the first look at the folder", UNDER)
        assert not server.runs()

        dropped = desk.drop_clips(*clips)
        until(lambda: all(sorted(server.made(a)) == clips for a in CLIP_ASSETS), "ingestion", UNDER)
        record_property("clips_reaction_s", reaction(server, "ingest_clips", dropped))
        until(lambda: bool(server.made("pose_dataset")), "the first data set", UNDER)
        # There is nothing to train on yet, and somebody is told.
        until(lambda: bool(heard), "a message about the missing annotations", UNDER)
        assert "No clip has annotations" in heard[0]["error"]
        assert heard[0]["failures"][0]["asset"] == "split_manifest"

        dropped = desk.drop_annotations(*clips)
        until(
            lambda: all(server.made(a, since=dropped) for a in DATASET_ASSETS),
            "the data set with annotations",
            UNDER,
        )
        record_property("annotations_reaction_s", reaction(server, "ingest_clips", dropped))
        until(lambda: not server.unfinished(), "the end of all runs", UNDER)

        # Every drop started a run a clip, once; the data set was made once after each.
        assert len(server.runs_of("ingest_clips")) == 2 * len(clips)
        assert len(server.made("pose_dataset")) == 2
        failed = [run for run in server.runs() if run["status"] != "SUCCESS"]
        assert [run["runId"] for run in failed] == [heard[0]["run_id"]]
        for name in ("new_clips", "changed_annotations", "rebuild_dataset", "run_failed"):
            ticks = server.ticks(name)
            assert ticks, name
            assert not [tick["error"] for tick in ticks if tick["error"]], name

    train = desk.store.read("train_split")
    assert sorted(train["clip"].unique()) == clips
    assert train["annotation"].null_count() == 0
