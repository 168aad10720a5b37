"""``dance export-frames``: frames for an annotation tool; labels return through ``dance run``."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dance_models.errors import InputError
from pipelines.commands import common

if TYPE_CHECKING:
    import polars as pl

    from pipelines.storage.store import Store


def export_frames(
    directory: Annotated[Path, typer.Argument(help="Folder to write images and COCO JSON to.")],
    store: common.StoreOption = common.DEFAULT_STORE,
    prefill: Annotated[
        bool, typer.Option("--prefill", help="Start from the estimator's keypoints.")
    ] = False,
    debug: common.DebugOption = False,
) -> None:
    """Export the sampled frames for an annotation tool: images and a COCO file."""
    with common.reported(debug):
        path, frames = export_for_annotation(common.opened(store), directory, prefill=prefill)
        common.console().print(
            f"{frames} frames in {path}. Annotate them, then "
            "`dance run --annotations FOLDER_OF_THE_RESULT`."
        )


def _tables(store: "Store", asset: str) -> "pl.DataFrame":
    import polars as pl

    from pipelines.storage.clips import registered_clips

    clips = registered_clips(store)["clip"].to_list()
    parts = [store.read(asset, clip) for clip in clips if store.table(asset, clip).is_file()]
    filled = [part for part in parts if part.height]
    if not filled:
        raise InputError(
            f"{asset} has no rows yet", file=store.path, hint="Run `dance run --clips DIR` first"
        )
    return pl.concat(filled)


def export_for_annotation(store: "Store", directory: Path, *, prefill: bool) -> tuple[Path, int]:
    """Copy the sampled frames of all clips and write a COCO file with empty keypoints.

    With ``prefill`` the keypoints are the estimator's, to be corrected. Returns the COCO file and
    the number of frames. Raises InputError when nothing was sampled.
    """
    from dance_models.annotations.export import export_coco

    frames = _tables(store, "sampled_frames")
    for clip, name in frames.select("clip", "image").iter_rows():
        target = directory / "images" / clip / Path(name).name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copyfile(store.path / name, target)
    tracks = _tables(store, "pose_tracks") if prefill else None
    return export_coco(frames, directory, tracks=tracks), frames.height
