"""A clip whose camera paused."""

from pathlib import Path

import dagster as dg
from clips_made import write_clip

from dance_models.profiles import PROFILES
from pipelines.graph import build_definitions
from pipelines.storage.clips import register_clips
from pipelines.storage.store import Store


def test_the_frames_on_both_sides_of_a_pause_are_runs_of_their_own(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    folder = tmp_path / "clips" / "ballet"
    folder.mkdir(parents=True)
    ticks = [33 * frame + (3000 if frame >= 25 else 0) for frame in range(60)]
    write_clip(folder / "solo.mp4", 60, ticks=ticks)
    store = Store(root=str(tmp_path / "store"))
    (clip,) = register_clips(store, instance, [tmp_path / "clips"]).new
    job = build_definitions(PROFILES["smoke"], store).resolve_job_def("ingest_clips")
    names = ("clip_probe", "pose_annotations", "sampled_frames")
    made = job.execute_in_process(
        instance=instance,
        partition_key=clip,
        asset_selection=[dg.AssetKey(name) for name in names],
    )
    assert made.success
    frames = store.read("sampled_frames", clip)
    assert frames["frame"].to_list() == list(range(60))
    assert frames["run"].to_list() == [0] * 25 + [1] * 35
