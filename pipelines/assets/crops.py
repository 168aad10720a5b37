"""Person crops, for the network that reads images; built only when the profile has its row."""

from typing import Any, Final

import dagster as dg
import numpy as np
import polars as pl

from dance_models.tables import file_digest, table_metadata, write_table
from pipelines import previews
from pipelines.assets.conditions import WHEN_DATASET_CHANGED
from pipelines.assets.dataset import GROUP, pose_dataset, split_manifest
from pipelines.stage import Inputs, Metadata, Stage, StageContext
from pipelines.storage.store import Store

DESCRIPTION: Final = """One 128 x 96 crop a frame of every annotated clip, around the person.

The box is that of the estimate, never of the annotation. A frame without a detected person takes
the box of the frame before it, else the whole frame. The table holds the map from crop to frame
and, in its metadata, the sha256 of the pixels in `person_crops.npy` beside it.
"""


def _inputs(context: StageContext[None]) -> Inputs:
    """The data set and the clips that have a split, with the tables of their images.

    The data set names the images: where poses are given, it stays the same for other pixels.
    """
    store = context.store
    clips = store.read("split_manifest")["clip"].sort().to_list()
    return {
        "pose_dataset": store.digest("pose_dataset"),
        "clips": {clip: store.digest("sampled_frames", clip) for clip in clips},
    }


@Stage(
    deps=[pose_dataset, split_manifest],
    inputs=_inputs,
    outputs=lambda store, clip: [store.crops],
    description=DESCRIPTION,
    group=GROUP,
    version="1",
    kinds={"parquet", "numpy"},
    automation_condition=WHEN_DATASET_CHANGED,
)
def person_crops(context: StageContext[None]) -> Metadata:
    """Cut the crops and write their table."""
    from dance_models.data.crops import Crops
    from dance_models.data.cut_crops import cut_crops

    store = context.store
    manifest = store.read("split_manifest").select("clip")
    rows = store.read("pose_dataset").join(manifest, on="clip", how="semi")
    table = cut_crops(rows, store.path, store.crops)
    path = store.table("person_crops")
    write_table(table, path, table_metadata(pixels_sha256=file_digest(store.crops)))
    by_clip = table.group_by("clip").agg(
        frames=pl.len(), found=pl.col("found").sum(), mean_scale=pl.col("scale").mean()
    )
    return {
        **previews.table_metadata(table, path),
        "pixels": dg.MetadataValue.path(str(store.crops)),
        "person_found": f"{table['found'].sum()} of {table.height} frames",
        "by_clip": previews.records(by_clip.sort("clip"), limit=100),
        "contact_sheet": _preview(store, rows, Crops.open(store.crops)),
    }


def _preview(store: Store, rows: pl.DataFrame, crops: Any) -> dg.MarkdownMetadataValue:
    """Crops of annotated frames over the whole corpus, with the keypoints to be learnt."""
    from dance_models.render.contact_sheet import contact_sheet

    annotated = rows.filter(pl.col("annotation").is_not_null()).sort("clip", "frame")
    shown = annotated[list(previews.spread(annotated.height, 16))]
    picked = crops.rows_of(shown["clip"].to_list(), shown["frame"].to_list())
    points = crops.maps(picked).to_crop(shown["annotation"].to_numpy())
    visible = shown["visibility"].to_numpy()
    points[visible == 0] = np.nan
    sheet = contact_sheet(
        list(crops.pixels(picked)), list(points), labels=shown["clip"].to_list(), columns=8
    )
    alt = "person crops with their keypoints"
    return previews.picture(store, person_crops.name, "contact_sheet", sheet, alt)
