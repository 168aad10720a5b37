"""The record of what a training was made from, kept with its MLflow run.

It is the artifact ``lineage.json``. A later run may replace every table of the store, so the
tables alone cannot say what an earlier training read.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dance_models.errors import DamagedFileError, InputError
from dance_models.tables import read_note
from pipelines.storage.annotations import registered_annotations
from pipelines.storage.clips import registered_clips
from pipelines.storage.store import Store
from pipelines.tracking.tracker import Tracker

RECORD: Final = "lineage.json"
TABLES: Final = (
    "pose_dataset",
    "split_manifest",
    "augmented_train",
    "train_split",
    "val_split",
    "test_split",
)
CLIP_TABLES: Final = ("clip_probe", "sampled_frames", "pose_tracks", "pose_annotations")
PARTS: Final = ("tables", "clips", "annotations")  # of a record
CHECKPOINT_TAG: Final = "checkpoint_sha256"  # of a run: its best checkpoint

Record = Mapping[str, Any]


def make_record(store: Store) -> Record:
    """Digests of the tables, clips and annotation files of the current data set."""
    manifest = store.read("split_manifest").to_dicts()
    known = {row["clip"]: row for row in registered_clips(store).to_dicts()}
    files = [row for row in registered_annotations(store).to_dicts() if row["problem"] is None]
    used = {row["clip"] for row in manifest}
    clips = {
        row["clip"]: {
            **{key: row[key] for key in ("style", "group", "split")},
            "path": known[row["clip"]]["path"],
            "sha256": known[row["clip"]]["sha256"],
            "tables": {table: store.digest(table, row["clip"]) for table in CLIP_TABLES},
            "annotations": [f["path"] for f in files if row["clip"] in f["clips"]],
        }
        for row in manifest
    }
    return {
        "tables": {table: store.digest(table) for table in TABLES},
        "clips": clips,
        "annotations": {f["path"]: f["sha256"] for f in files if used & set(f["clips"])},
    }


def log_record(tracker: Tracker, run_id: str) -> Record:
    """Keep the record of the current data set with a run; the record."""
    record = make_record(tracker.store)
    tracker.client.log_text(run_id, json.dumps(record, indent=1, sort_keys=True), RECORD)
    return record


def has_record(tracker: Tracker, run_id: str) -> bool:
    """Whether a run has the record of its data."""
    return any(item.path == RECORD for item in tracker.client.list_artifacts(run_id))


def read_record(tracker: Tracker, run_id: str) -> Record:
    """The record of a run. A run without one gets the store's, if its splits are the same.

    Raises InputError when there is no record and the splits differ, or when it is damaged.
    """
    if has_record(tracker, run_id):
        return record_in(tracker.artifact(run_id, RECORD))
    tags = tracker.client.get_run(run_id).data.tags
    store = tracker.store
    if all(tags.get(f"data_version/{t}") == store.digest(t) for t in ("train_split", "val_split")):
        return make_record(store)
    raise InputError(
        f"run {run_id} has no record of its data, and the data set has changed since",
        file=store.path,
        hint="Train again: every training keeps a record now",
    )


def record_in(path: Path) -> Record:
    """The record in a file. Raises InputError when it is damaged: nothing makes it again."""
    try:
        record = read_note(path)
        whole = all(isinstance(record[part], dict) for part in PARTS)
    except (DamagedFileError, LookupError):
        whole = False
    if not whole:
        raise InputError(
            "the record of what a model was trained on is damaged",
            file=path,
            hint="Restore this file from a backup: nothing makes it again",
        )
    return record
