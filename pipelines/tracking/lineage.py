"""``dance lineage``: from a registered version back to the clips and annotation files, by digest.

Every training keeps a record of what it was made from as the artifact ``lineage.json`` of its
MLflow run, because the store moves on: a later run may have replaced every table of it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dance_models.errors import InputError
from dance_models.tables import file_digest
from pipelines.storage.annotations import registered_annotations
from pipelines.storage.clips import registered_clips
from pipelines.storage.store import Store
from pipelines.tracking.registry import MODELS, Registry
from pipelines.tracking.tracked_models import resolve
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
CHECKPOINT_TAG: Final = "checkpoint_sha256"
MODEL_TAG: Final = "model_sha256"
SHORT: Final = 12  # digits of a digest that are shown

Record = Mapping[str, Any]


# --- the record of a training -----------------------------------------------------------------


def make_record(store: Store) -> Record:
    """What the store's data set is made from: digests of tables, clips and annotation files."""
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


def log_record(tracker: Tracker, run_id: str) -> None:
    """Keep the record of today's data set on a run."""
    text = json.dumps(make_record(tracker.store), indent=1, sort_keys=True)
    tracker.client.log_text(run_id, text, RECORD)


def has_record(tracker: Tracker, run_id: str) -> bool:
    """Whether a run kept the record of its data."""
    return any(item.path == RECORD for item in tracker.client.list_artifacts(run_id))


def read_record(tracker: Tracker, run_id: str) -> Record:
    """The record of a run; of a run from before there were any, the store's if it still fits.

    Raises InputError when there is none.
    """
    if has_record(tracker, run_id):
        record: Record = json.loads(tracker.artifact(run_id, RECORD).read_text("utf-8"))
        return record
    tags = tracker.client.get_run(run_id).data.tags
    store = tracker.store
    if all(tags.get(f"data_version/{t}") == store.digest(t) for t in ("train_split", "val_split")):
        return make_record(store)
    raise InputError(
        f"run {run_id} kept no record of its data, and the store has moved on since",
        file=store.path,
        hint="Trainings keep one from now on",
    )


def folder_digest(folder: Path) -> str:
    """sha256 over the names and contents of all files of a folder."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(f"{path.relative_to(folder).as_posix()} {file_digest(path)}\n".encode())
    return total.hexdigest()


def model_folder(tracker: Tracker, model_id: str) -> Path:
    """Where the files of a logged model lie."""
    import mlflow

    mlflow.set_tracking_uri(tracker.store.tracking_uri)
    return Path(mlflow.artifacts.download_artifacts(artifact_uri=f"models:/{model_id}"))


# --- the way back -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Node:
    """One thing on the way back; ``digest`` is what its file or folder had then."""

    title: str
    digest: str = ""
    file: Path | None = None
    children: tuple["Node", ...] = ()
    drawn: bool = True  # digests of every table of every clip would bury the rest

    def walk(self) -> Iterator["Node"]:
        """This node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def label(self) -> str:
        """The title with the start of the digest."""
        return f"{self.title}  sha256 {self.digest[:SHORT]}" if self.digest else self.title

    def difference(self) -> str | None:
        """How the file differs from what it was, None when it does not."""
        if not self.digest or self.file is None:
            return None
        if not self.file.exists():
            return f"{self.title}: {self.file} is gone"
        now = folder_digest(self.file) if self.file.is_dir() else file_digest(self.file)
        if now == self.digest:
            return None
        return (
            f"{self.title}: {self.file} has changed "
            f"(sha256 {now[:SHORT]}, was {self.digest[:SHORT]})"
        )


def trace(store: Store, name: str) -> Node:
    """The way back from NAME@ALIAS, NAME/VERSION, a run id or a network's asset.

    Raises InputError when there is no such model.
    """
    tracker = Tracker(store)
    found = resolve(tracker, name)
    run = _run_node(tracker, found.run_id)
    if found.model is None or found.version is None:
        return run
    task = next((t for t, model in MODELS.items() if model == found.model), None)
    if task is None:
        raise InputError(f"{found.model} is no model of ours", hint=", ".join(MODELS.values()))
    registry = Registry(tracker, task)
    names = [alias for alias, number in registry.aliases().items() if number == found.version]
    tags = registry.tags(found.version)
    files = []
    if MODEL_TAG in tags:
        folder = model_folder(tracker, registry.model_id(found.version))
        files.append(Node("served model (pt2)", tags[MODEL_TAG], folder))
    title = f"{found.model} version {found.version}" + (f" ({', '.join(names)})" if names else "")
    return Node(title, children=(*files, run))


def _run_node(tracker: Tracker, run_id: str) -> Node:
    tags = tracker.client.get_run(run_id).data.tags
    asset = tags.get("dagster/asset_key", "unknown")
    children = [
        Node(f"code: git commit {tags.get('git_commit', 'unknown')}"),
        Node(f"Dagster run {tags.get('dagster/run_id', 'unknown')} of asset {asset}"),
    ]
    if CHECKPOINT_TAG in tags:
        best = tracker.artifact(run_id, "checkpoints/best.pt")
        children.append(Node("checkpoint best.pt", tags[CHECKPOINT_TAG], best))
    children.append(_data_node(tracker.store, read_record(tracker, run_id)))
    return Node(f"MLflow run {run_id}", children=tuple(children))


def _data_node(store: Store, record: Record) -> Node:
    tables = record["tables"]
    parts = [
        Node(f"table {name}", tables[name], store.table(name))
        for name in TABLES
        if tables.get(name) and name != "split_manifest"
    ]
    counts = Counter(clip["split"] for clip in record["clips"].values())
    for split in ("train", "val", "test"):
        clips = {n: c for n, c in record["clips"].items() if c["split"] == split}
        nodes = tuple(_clip_node(store, n, c, record) for n, c in sorted(clips.items()))
        parts.append(Node(f"{split}: {counts[split]} clips", children=nodes))
    path = store.table("split_manifest")
    return Node("table split_manifest", tables["split_manifest"], path, tuple(parts))


def _clip_node(store: Store, clip: str, said: Mapping[str, Any], record: Record) -> Node:
    tables = [
        Node(f"table {table} of {clip}", digest, store.table(table, clip), drawn=False)
        for table, digest in said["tables"].items()
    ]
    files = [
        Node(f"annotations {Path(path).name}", record["annotations"][path], Path(path))
        for path in said["annotations"]
    ]
    title = f"clip {clip} ({said['style']}, take {said['group']})"
    return Node(title, said["sha256"], Path(said["path"]), (*files, *tables))


def differences(root: Node) -> list[str]:
    """What differs from what the model was made from, each file once."""
    seen: dict[tuple[str, str], str | None] = {}
    for node in root.walk():
        key = (str(node.file), node.digest)
        if key not in seen:
            seen[key] = node.difference()
    return [line for line in seen.values() if line]


def checked(root: Node) -> int:
    """How many files a check looks at."""
    return len({str(n.file) for n in root.walk() if n.digest and n.file is not None})
