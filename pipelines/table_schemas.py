"""The columns of an asset's table, as the web UI shows them."""

from typing import Any, Final

import dagster as dg

from dance_models import columns, tables
from dance_models.evaluation import scores
from dance_models.tables import Schema
from pipelines.storage.annotation_problems import ANNOTATION_REPORT
from pipelines.storage.annotations import RAW_ANNOTATIONS
from pipelines.storage.clips import RAW_CLIPS
from pipelines.storage.motion import RAW_MOTION

_SPLIT_ROWS: Final = ("split_rows", tables.SPLIT_ROWS)
# Asset -> its table in dance_models.columns (a section of docs/data_contracts.md), and the schema.
TABLE_OF_ASSET: Final[dict[str, tuple[str, Schema]]] = {
    "raw_clips": ("raw_clips", RAW_CLIPS),
    "raw_annotations": ("raw_annotations", RAW_ANNOTATIONS),
    "raw_motion": ("raw_motion", RAW_MOTION),
    "clip_probe": ("clip_probe", tables.CLIP_PROBE),
    "sampled_frames": ("sampled_frames", tables.FRAMES),
    "pose_tracks": ("pose_tracks", tables.TRACKS),
    "pose_annotations": ("pose_annotations", tables.ANNOTATIONS),
    "annotation_report": ("annotation_report", ANNOTATION_REPORT),
    "pose_dataset": ("pose_dataset", tables.POSE_DATASET),
    "split_manifest": ("split_manifest", tables.SPLIT_MANIFEST),
    "train_split": _SPLIT_ROWS,
    "val_split": _SPLIT_ROWS,
    "test_split": _SPLIT_ROWS,
    "augmented_train": _SPLIT_ROWS,
    "pretraining_motion": _SPLIT_ROWS,
    "rendered_motion": ("rendered_motion", tables.RENDERED_ROWS),
    "person_crops": ("person_crops", tables.PERSON_CROPS),
    "recognition_report": ("recognition_scores", scores.RECOGNITION_SCORES),
    "prediction_report": ("prediction_scores", scores.PREDICTION_SCORES),
    "paired_comparisons": ("paired", scores.PAIRED_SCORES),
}


def column_schema(asset: str) -> dict[str, Any]:
    """Metadata of an asset: name, type and meaning of its table's columns; {} without a table."""
    if asset not in TABLE_OF_ASSET:
        return {}
    shown = [
        dg.TableColumn(name=name, type=kind, description=text)
        for name, kind, text in columns.described(*TABLE_OF_ASSET[asset])
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=shown)}
