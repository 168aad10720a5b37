"""Annotations: files in five formats into one canonical table a clip, and the way back out."""

from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from dance_models.tables import ANNOTATIONS, conform, write_table
from pipelines import previews
from pipelines.assets.clips import clip_probe
from pipelines.checks.annotations import ANNOTATION_CHECKS
from pipelines.partitions import CLIPS
from pipelines.skip_rule import Inputs, Made, Result, run_stage
from pipelines.storage.annotations import register_annotations, registered_annotations
from pipelines.storage.store import Store

GROUP = "annotations"


RAW_ANNOTATIONS_DESCRIPTION = """Keypoint annotation files.

COCO, CVAT XML, Label Studio, labelme and PoseTrack18. *Observe* looks into `raw/annotations` of the
store; `dance run --annotations DIR` registers others.
"""


@dg.observable_source_asset(
    group_name=GROUP, tags={"dance/stage": "raw"}, description=RAW_ANNOTATIONS_DESCRIPTION
)
def raw_annotations(context: dg.OpExecutionContext, store: Store) -> dg.DataVersion:
    """Register the annotation files of the store's own folder."""
    for problem in register_annotations(store, context.instance, [store.raw_annotations]):
        context.log.warning(f"{problem.file}: {problem.message}")
    return dg.DataVersion(store.digest("raw_annotations") or "none")


def _files(store: Store, clip: str) -> list[dict[str, Any]]:
    """The registered files that say something about a clip, in the order of their paths."""
    rows = registered_annotations(store).filter(
        pl.col("problem").is_null() & pl.col("clips").list.contains(clip)
    )
    return rows.sort("path").to_dicts()


def pose_annotations_inputs(store: Store, config: None, clip: str | None) -> Inputs:
    """The clip's size and length, and the content of the files that mention it."""
    return {
        "code": "2",
        "clip_probe": store.digest("clip_probe", clip),
        "files": [row["sha256"] for row in _files(store, clip or "")],
    }


@dg.asset(
    partitions_def=CLIPS,
    deps=[raw_annotations, clip_probe],
    group_name=GROUP,
    code_version="2",
    check_specs=ANNOTATION_CHECKS.specs(),
    kinds={"parquet"},
)
def pose_annotations(context: dg.AssetExecutionContext, store: Store) -> Result:
    """Annotated keypoints of a clip, joints matched by name.

    Everything dropped or repaired is in the report: file, frame, joint, what was done and what to
    do about it. A clip that nobody annotated has an empty table.
    """
    clip = context.partition_key

    def make() -> Made:
        from dance_models.annotations.clip_import import ClipInfo, import_clip

        probe = store.read("clip_probe", clip).row(0, named=True)
        files = [Path(row["path"]) for row in _files(store, clip)]
        table = pl.DataFrame(schema=ANNOTATIONS)
        report: list[str] = []
        if probe["status"] == "ok" and files:
            info = ClipInfo(probe["width"], probe["height"], probe["decoded_frames"])
            imported = import_clip(clip, files, info)
            table = imported.table
            report = [str(problem) for problem in imported.problems]
        for line in report:
            context.log.warning(line)
        path = store.table("pose_annotations", clip)
        version = write_table(conform(table, ANNOTATIONS), path)
        return Made(
            version,
            {
                **previews.table_metadata(table, path, partition=True),
                "files": previews.markdown_list(str(f) for f in files),
                "problems": len(report),
                "report": previews.markdown_list(report),
            },
        )

    inputs = pose_annotations_inputs(store, None, clip)
    return run_stage(context, store, inputs, make, ANNOTATION_CHECKS)
