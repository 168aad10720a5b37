"""The overlay at the end of ``dance demo``: the one place that calls what draws a video."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from dance_models.errors import InputError

if TYPE_CHECKING:
    from pipelines.storage.store import Store

NETWORKS = ("mkff_st_gcn", "stga_net")  # of the store


def overlay_of_test_clip(store: "Store", console: Console) -> Path | None:
    """``reports/demo_CLIP.mp4``: the first test clip, drawn with the networks of the store.

    None when there is no test clip. Raises InputError when the clip cannot be read or nobody is
    found in it.
    """
    from pipelines.storage.clips import registered_clips

    tested = set(store.read("test_split")["clip"])
    for row in registered_clips(store).sort("clip").iter_rows(named=True):
        if row["clip"] in tested:
            target = store.reports / f"demo_{row['clip']}.mp4"
            _draw(store, Path(row["path"]), target, console)
            return target
    return None


def _draw(store: "Store", video: Path, target: Path, console: Console) -> None:
    from dance_models.analysis.forecast_shown import check_forecasts
    from dance_models.analysis.overlay import write_overlay
    from dance_models.analysis.video import poses_of
    from pipelines.commands.frame_progress import frame_progress
    from pipelines.commands.video_analysis import HORIZON_MS
    from pipelines.commands.video_arguments import named_video
    from pipelines.commands.video_poses import PoseOptions, PoseReader

    if not video.is_file():
        raise InputError("the clip has gone", file=video)
    named = named_video(video, video.stem)
    options = PoseOptions(models=NETWORKS, store=str(store.path))
    reader = PoseReader.loaded(options, console)
    (person,) = reader.people(named, named.stem)
    poses = poses_of(person.seen, reader.networks)
    shown = check_forecasts(poses).is_shown(HORIZON_MS)
    with frame_progress(console, f"{named.stem}: drawing") as progress:
        write_overlay(video, poses, target, HORIZON_MS if shown else None, progress)
