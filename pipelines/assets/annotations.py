"""Annotations: files in five formats into one canonical table for each clip."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from dance_models.tables import ANNOTATIONS, conform, write_table
from pipelines import previews
from pipelines.assets.clips import clip_probe
from pipelines.checks.annotations import ANNOTATION_CHECKS
from pipelines.stage import Inputs, Metadata, Stage, StageContext
from pipelines.storage.annotations import register_annotations, registered_annotations
from pipelines.storage.store import Store

if TYPE_CHECKING:
    from dance_models.annotations.fitting import ClipInfo

GROUP = "annotations"

RAW_ANNOTATIONS_DESCRIPTION = """Keypoint annotation files.

COCO, CVAT XML, Label Studio, labelme and PoseTrack18. *Observe* looks into `raw/annotations` of the
store; `dance run --annotations DIR` registers files that lie elsewhere.
"""


def raw_annotations_asset() -> dg.SourceAsset:
    """The observable source asset of the registered annotation files."""

    @dg.observable_source_asset(
        group_name=GROUP, tags={"dance/stage": "raw"}, description=RAW_ANNOTATIONS_DESCRIPTION
    )
    def raw_annotations(context: dg.OpExecutionContext, store: Store) -> dg.DataVersion:
        for problem in register_annotations(store, context.instance, [store.raw_annotations]):
            context.log.warning(f"{problem.file}: {problem.message}")
        return dg.DataVersion(store.digest("raw_annotations") or "none")

    return raw_annotations


def _files(store: Store, clip: str) -> list[dict[str, Any]]:
    """The registered files with annotations of a clip, in the order of their paths."""
    rows = registered_annotations(store).filter(
        pl.col("problem").is_null() & pl.col("clips").list.contains(clip)
    )
    return rows.sort("path").to_dicts()


def _inputs(context: StageContext[None]) -> Inputs:
    """The clip's size and length, and the content of the files that mention it."""
    return {
        "clip_probe": context.store.digest("clip_probe", context.clip),
        "files": [row["sha256"] for row in _files(context.store, context.clip)],
    }


@Stage(
    deps=["raw_annotations", clip_probe],
    inputs=_inputs,
    checks=ANNOTATION_CHECKS,
    partitioned=True,
    group=GROUP,
    version="2",
    kinds={"parquet"},
)
def pose_annotations(context: StageContext[None]) -> Metadata:
    """Annotated keypoints of a clip, joints matched by name.

    Everything that is dropped or repaired is in the report: file, frame, joint, what was done and
    what to do about it. A clip without annotations has an empty table.
    """
    from dance_models.annotations.clip_import import import_clip

    store, clip = context.store, context.clip
    probe = store.read("clip_probe", clip).row(0, named=True)
    files = [Path(row["path"]) for row in _files(store, clip)]
    table = pl.DataFrame(schema=ANNOTATIONS)
    report: list[str] = []
    if probe["status"] == "ok" and files:
        imported = import_clip(clip, files, _clip_info(probe))
        table = imported.table
        report = [str(problem) for problem in imported.problems]
    for line in report:
        context.log.warning(line)
    path = store.table("pose_annotations", clip)
    write_table(conform(table, ANNOTATIONS), path)
    return {
        **previews.table_metadata(table, path, partition=True),
        "files": previews.markdown_list(str(f) for f in files),
        "problems": len(report),
        "report": previews.markdown_list(report),
    }


def _clip_info(probe: dict[str, Any]) -> "ClipInfo":
    from dance_models.annotations.clip_import import ClipInfo
    from dance_models.video.probe import ClipProbe

    probed = ClipProbe.from_row(probe)
    stretched = probed.unstretched != probed.size
    return ClipInfo(*probed.size, probed.decoded_frames, probed.unstretched if stretched else None)
