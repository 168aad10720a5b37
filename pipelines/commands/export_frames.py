"""``dance export-frames``: frames for an annotation tool; labels return through ``dance run``."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dance_models.errors import InputError
from dance_models.files import copy_whole
from pipelines.commands import common
from pipelines.shown import shown

if TYPE_CHECKING:
    import polars as pl

    from dance_models.annotations.export import Tool
    from pipelines.storage.store import Store


class AnnotationTool(StrEnum):
    """What the file beside the images is for."""

    COCO = "coco"
    CVAT = "cvat"
    LABEL_STUDIO = "label-studio"


def export_frames(
    directory: Annotated[Path, typer.Argument(help="Folder to write images and annotations to.")],
    store: common.StoreOption = common.DEFAULT_STORE,
    prefill: Annotated[
        bool, typer.Option("--prefill", help="Start from the estimator's keypoints.")
    ] = False,
    tool: Annotated[
        AnnotationTool, typer.Option(help="Which tool's file to write beside the images.")
    ] = AnnotationTool.COCO,
    debug: common.DebugOption = False,
) -> None:
    """Export the sampled frames for an annotation tool: images and a file that it reads."""
    with common.reported(debug):
        opened, console = common.existing(store), common.console()
        clips, left_out = _clips(opened)
        for clip, reason in left_out.items():
            console.print(shown(f"{clip} is left out: {reason}"), highlight=False, soft_wrap=True)
        path, frames = export_for_annotation(
            opened, directory, clips, prefill=prefill, tool=tool.value
        )
        console.print(
            f"{frames} frames in {shown(str(path))}. Annotate them, then "
            "`dance run --annotations FOLDER_OF_THE_RESULT`."
        )


def _clips(store: "Store") -> tuple[list[str], dict[str, str]]:
    """Clips whose tables fit together, and why others do not: they have another clip's pictures."""
    from pipelines.checks.dataset_clips import misfit
    from pipelines.storage.clips import registered_clips

    clips = registered_clips(store)["clip"].to_list()
    left_out = {clip: reason for clip in clips if (reason := misfit(store, clip))}
    return [clip for clip in clips if clip not in left_out], left_out


def _tables(store: "Store", asset: str, clips: Sequence[str]) -> "pl.DataFrame":
    import polars as pl

    parts = [store.read(asset, clip) for clip in clips if store.table(asset, clip).is_file()]
    filled = [part for part in parts if part.height]
    if not filled:
        raise InputError(
            f"{asset} has no rows yet", file=store.path, hint="Run `dance run --clips DIR` first"
        )
    return pl.concat(filled)


def _named_by_number(
    store: "Store", frames: "pl.DataFrame", clips: Sequence[str]
) -> "pl.DataFrame":
    """FRAMES rows, images of a folder of images called by their number there.

    The number in an annotated image's name is taken for that of the folder's own image.
    """
    import polars as pl

    probes = _tables(store, "clip_probe", clips)
    numbers = dict(probes.select("clip", "image_numbers").iter_rows())
    images = [
        f"{numbers[clip][frame]:06d}.jpg" if numbers[clip] else image
        for clip, frame, image in frames.select("clip", "frame", "image").iter_rows()
    ]
    return frames.with_columns(image=pl.Series(images, dtype=pl.String))


def export_for_annotation(
    store: "Store", directory: Path, clips: Sequence[str], *, prefill: bool, tool: "Tool" = "coco"
) -> tuple[Path, int]:
    """Copy the sampled frames of ``clips`` and write a file for a tool, without keypoints.

    With ``prefill`` the keypoints are the estimator's, to be corrected. Returns the file and the
    number of frames. Raises InputError when nothing was sampled, and when somebody may have
    labelled in the file that is there: nothing is changed then.
    """
    from dance_models.annotations import export
    from dance_models.tables import write_text

    frames = _tables(store, "sampled_frames", clips)
    named = _named_by_number(store, frames, clips)
    tracks = _tables(store, "pose_tracks", clips) if prefill else None
    path, text = export.tool_file(named, directory, tracks=tracks, tool=tool)
    export.refuse_labels(path, text, tool)
    pairs = zip(frames["image"], named.select("clip", "image").iter_rows(), strict=True)
    for name, (clip, called) in pairs:
        copy_whole(store.path / name, directory / export.image_name(clip, called))
    write_text(path, text)
    return path, frames.height
