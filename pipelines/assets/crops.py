"""Person crops, for the network that sees pictures; there only when the profile has its row."""

from typing import Any, Final

import dagster as dg
import numpy as np
import polars as pl

from dance_models.rows import row_of
from dance_models.tables import file_digest, table_metadata, write_table
from pipelines import previews
from pipelines.assets.dataset import GROUP, pose_dataset, split_manifest
from pipelines.automation.dataset import WHEN_DATASET_CHANGED
from pipelines.settings import active_profile
from pipelines.skip_rule import Inputs, Made, run_stage
from pipelines.storage.store import Store

CODE_VERSION: Final = "1"
DESCRIPTION: Final = """One 128 x 96 crop a frame of every annotated clip, around the person.

The box is that of the estimate, never of the annotation; a frame in which nobody was found takes
the box before it, else the whole frame. The table holds the map from crop to frame and, in its
metadata, the sha256 of the pixels in `person_crops.npy` beside it.
"""


def _annotated_rows(store: Store) -> pl.DataFrame:
    """Rows of the data set of the clips that have a split, all of their frames."""
    manifest = store.read("split_manifest").select("clip")
    return store.read("pose_dataset").join(manifest, on="clip", how="semi")


def person_crops_inputs(store: Store, config: None, clip: str | None) -> Inputs:
    """The data set and the clips that have a split."""
    return {
        "code": CODE_VERSION,
        "pose_dataset": store.digest("pose_dataset"),
        "clips": store.read("split_manifest")["clip"].sort().to_list(),
    }


def _cut(store: Store) -> Made:
    from dance_models.data.crops import Crops
    from dance_models.data.cut_crops import cut_crops

    rows = _annotated_rows(store)
    table = cut_crops(rows, store.path, store.crops)
    path = store.table("person_crops")
    metadata = table_metadata(pixels_sha256=file_digest(store.crops))
    version = write_table(table, path, metadata)
    by_clip = table.group_by("clip").agg(
        frames=pl.len(), found=pl.col("found").sum(), mean_scale=pl.col("scale").mean()
    )
    return Made(
        version,
        {
            **previews.table_metadata(table, path),
            "pixels": dg.MetadataValue.path(str(store.crops)),
            "person_found": f"{table['found'].sum()} of {table.height} frames",
            "by_clip": previews.records(by_clip.sort("clip"), limit=100),
            "contact_sheet": _preview(rows, Crops.open(store.crops)),
        },
    )


def _preview(rows: pl.DataFrame, crops: Any) -> dg.MarkdownMetadataValue:
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
    return previews.picture(sheet, "person crops with their keypoints")


def person_crops_asset() -> dg.AssetsDefinition:
    """The asset of the crops."""

    @dg.asset(
        name="person_crops",
        deps=[pose_dataset, split_manifest],
        group_name=GROUP,
        code_version=CODE_VERSION,
        kinds={"parquet", "numpy"},
        automation_condition=WHEN_DATASET_CHANGED,
        description=DESCRIPTION,
    )
    def person_crops(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult[Any]:
        return run_stage(
            context, store, person_crops_inputs(store, None, None), lambda: _cut(store)
        )

    return person_crops


# Nobody else reads them, and they take as much space as the frames.
crop_assets = (
    [person_crops_asset()]
    if any(row_of(method).needs_crops for method in active_profile().rows)
    else []
)
