"""Annotations: files of many tools into one canonical table for each clip."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from dance_models.tables import ANNOTATIONS, conform, table_metadata, write_table
from dance_models.text import first_lines
from pipelines import previews
from pipelines.assets.clips import clip_probe
from pipelines.assets.conditions import WHEN_INPUT_CHANGED
from pipelines.checks.annotations import ANNOTATION_CHECKS
from pipelines.stage import Inputs, Metadata, Stage, StageContext
from pipelines.storage.annotation_problems import write_problems
from pipelines.storage.annotation_report import (
    annotation_report,
    report_lines,
    report_sum,
    write_report,
)
from pipelines.storage.annotations import (
    annotations_by_clip,
    annotations_version,
    reading_annotations,
    reading_of,
    register_annotations,
    registered_annotations,
)
from pipelines.storage.store import Store
from pipelines.table_schemas import column_schema

if TYPE_CHECKING:
    from dance_models.annotations.fitting import ClipInfo
    from dance_models.annotations.image_names import Reading
    from dance_models.annotations.parsed_file import Problem

GROUP = "annotations"
FILE_COLUMNS = ("path", "format", "people", "frames", "joints", "dropped", "problem")

RAW_ANNOTATIONS_DESCRIPTION = """Keypoint annotation files.

In the formats that `dance formats` lists, alone or in a `.zip`. *Observe* looks into
`raw/annotations` of the store; `dance run --annotations DIR` registers files that lie elsewhere.
"""


def raw_annotations_asset() -> dg.SourceAsset:
    """The observable source asset of the registered annotation files."""

    @dg.observable_source_asset(
        group_name=GROUP,
        tags={"dance/stage": "raw"},
        metadata=column_schema("raw_annotations"),
        description=RAW_ANNOTATIONS_DESCRIPTION,
    )
    def raw_annotations(context: dg.OpExecutionContext, store: Store) -> dg.DataVersion:
        problems = register_annotations(store, context.instance, [store.raw_annotations])
        for line in first_lines((f"{p.file}: {p.message}" for p in problems), "problems"):
            context.log.warning(line)
        return dg.DataVersion(annotations_version(store))

    return raw_annotations


def _inputs(context: StageContext[None]) -> Inputs:
    """The clip's size and length, the files that mention it, and how they are read."""
    store, clip = context.store, context.clip
    return {
        "clip_probe": store.digest("clip_probe", clip),
        "files": [
            {
                "sha256": row["sha256"],
                # Which of its images were taken for the clip's.
                "reading": reading,
                "first_frame": row["chosen_first_frame"],
            }
            for row, reading in annotations_by_clip(store).get(clip, ())
        ],
    }


@Stage(
    deps=["raw_annotations", clip_probe],
    inputs=_inputs,
    checks=ANNOTATION_CHECKS,
    outputs=lambda store, clip: [store.table("annotation_problems", clip)],
    partitioned=True,
    group=GROUP,
    # 4: DeepLabCut's H5 files with columns of several types, one of several people in all frames
    version="4",
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
    rows = [row for row, _ in annotations_by_clip(store).get(clip, ())]
    reading = reading_of(store)
    readings = {Path(row["path"]): reading(row) for row in rows}
    files = list(readings)
    table = pl.DataFrame(schema=ANNOTATIONS)
    problems: list[Problem] = []
    if probe["status"] == "ok" and files:
        with reading_annotations(store, context.run.instance, rows):
            imported = import_clip(clip, files, _clip_info(probe), readings)
        table, problems = imported.table, imported.problems
    elif files:
        with reading_annotations(store, context.run.instance, rows):
            problems = [_of_quarantined(clip, path, of) for path, of in readings.items()]
    # In groups: a joint outside of each image is a problem a frame, and a line an event of the log.
    for line in report_lines(write_problems(store, clip, problems)):
        context.log.warning(line)
    path = store.table("pose_annotations", clip)
    write_table(
        conform(table, ANNOTATIONS), path, table_metadata(**store.made_of("clip_probe", clip))
    )
    return {
        **previews.table_metadata(table, path, partition=True),
        "files": previews.markdown_list(str(f) for f in files),
        "problems": len(problems),
        "report": previews.markdown_list(str(problem) for problem in problems),
    }


def _clip_info(probe: dict[str, Any]) -> "ClipInfo":
    from dance_models.annotations.clip_import import ClipInfo
    from dance_models.video.probe import ClipProbe

    probed = ClipProbe.from_row(probe)
    stretched = probed.unstretched != probed.size
    return ClipInfo(
        *probed.size,
        probed.decoded_frames,
        probed.unstretched if stretched else None,
        tuple(probed.image_numbers),
    )


def _of_quarantined(clip: str, path: Path, reading: "Reading") -> "Problem":
    """The loss of a file's annotations of a clip that cannot be used."""
    from dance_models.annotations.archives import parse_files
    from dance_models.annotations.parsed_file import Problem

    files = parse_files(path, reading)
    lost = sum(pose.clip == clip for parsed in files for pose in parsed.poses)
    message = "the clip is quarantined, so its annotations are not used; mend its file"
    return Problem(str(path), message, clip, rows=lost)


# --- annotation_report ------------------------------------------------------------------------


@Stage(
    deps=["raw_annotations", "raw_clips", pose_annotations],
    inputs=lambda context: {"report": annotation_report(context.store).rows()},
    group="dataset",
    automation_condition=WHEN_INPUT_CHANGED,
    version="1",
    kinds={"parquet"},
    name="annotation_report",
)
def annotation_report_stage(context: StageContext[None]) -> Metadata:
    """What is not used of the annotations and of the folders that were named.

    A row for each annotation, frame, joint, file or folder: where, why, what to do. `dance run` and
    `dance status` print it in groups.
    """
    store = context.store
    report = annotation_report(store)
    path = store.table("annotation_report")
    write_report(store, report)
    lines = report_lines(report)
    for line in lines:
        context.log.warning(line)
    return {
        **previews.table_metadata(report, path),
        "summary": report_sum(store, report),
        "not_used": previews.markdown_list(lines),
        "rows": previews.records(report, limit=100),
        "files": previews.records(registered_annotations(store).select(*FILE_COLUMNS), limit=100),
    }
