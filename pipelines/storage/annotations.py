"""Registered annotation files: by reference, with the sha256 of their content."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import dagster as dg
import polars as pl

from dance_models.annotations.folder_index import index_annotations
from dance_models.tables import Schema, conform, write_table
from dance_models.video.scan import Problem
from pipelines.storage.folders import remember_folders
from pipelines.storage.registration import (
    accept_all,
    one_at_a_time,
    read_registered,
    report_version,
)
from pipelines.storage.store import Store

RAW_ANNOTATIONS: Final[Schema] = {
    "path": pl.String,
    "sha256": pl.String,
    "clips": pl.List(pl.String),  # the clips that the file has annotations of
    "poses": pl.List(pl.Int64),  # how many of each; null in tables from before
    "problem": pl.String,  # why the file cannot be used, else null
}


def registered_annotations(store: Store) -> pl.DataFrame:
    """One row an annotation file (schema ``RAW_ANNOTATIONS``)."""
    return read_registered(store, "raw_annotations", RAW_ANNOTATIONS)


@one_at_a_time
def register_annotations(
    store: Store,
    instance: dg.DagsterInstance,
    directories: Sequence[Path],
    ready: Callable[[Path], bool] = accept_all,
) -> list[Problem]:
    """Register the annotation files of ``directories``; drop missing files.

    Files that are not ``ready`` are skipped. Returns the files that cannot be used, each with the
    reason.
    """
    index = [entry for directory in directories for entry in index_annotations(directory, ready)]
    rows = {
        row["path"]: row
        for row in registered_annotations(store).to_dicts()
        if Path(row["path"]).is_file()
    }
    for entry in index:
        rows[str(entry.path)] = {
            "path": str(entry.path),
            "sha256": entry.sha256,
            "clips": sorted(entry.poses),
            "poses": [entry.poses[clip] for clip in sorted(entry.poses)],
            "problem": entry.problem,
        }
    remember_folders(store, "annotations", directories)
    table = conform(pl.DataFrame(list(rows.values()), schema=RAW_ANNOTATIONS), RAW_ANNOTATIONS)
    before = store.digest("raw_annotations")
    version = write_table(table.sort("path"), store.table("raw_annotations"), {})
    if version != before:
        report_version(instance, "raw_annotations", version)
    return [Problem(str(e.path), e.problem) for e in index if e.problem]
