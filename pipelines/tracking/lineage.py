"""``dance lineage``: from a version back to its clips and annotation files, by digest."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from dance_models.errors import InputError
from dance_models.video.images import clip_digest
from pipelines.storage.store import Store
from pipelines.tracking.kept_versions import kept_annotations, kept_table
from pipelines.tracking.lineage_record import CHECKPOINT_TAG, TABLES, Record, read_record
from pipelines.tracking.model_digest import model_digest
from pipelines.tracking.registry import MODEL_TAG, MODELS, Registry
from pipelines.tracking.tracked_models import resolve
from pipelines.tracking.tracker import Tracker

SHOWN_DIGITS: Final = 12  # digits of a digest that are shown


@dataclass(frozen=True)
class Node:
    """A version, run, table or file; ``children`` are what it was made from.

    ``digest`` is the sha256 that the file or folder had when the model was made. ``kept`` is where
    the store keeps that version of a table or annotation file.
    """

    title: str
    digest: str = ""
    file: Path | None = None
    kept: Path | None = None
    children: tuple["Node", ...] = ()
    drawn: bool = True  # False for the tables of single clips: they would crowd out the rest

    def walk(self) -> Iterator["Node"]:
        """This node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def label(self) -> str:
        """The title with the first digits of the digest."""
        return f"{self.title}  sha256 {self.digest[:SHOWN_DIGITS]}" if self.digest else self.title

    def state(self) -> "State":
        """How the file compares with its digest."""
        if not self.digest or self.file is None:
            return State()
        now = _digest(self.file)
        if now == self.digest:
            return State()
        kept = _digest(self.kept) if self.kept is not None else ""
        if kept == self.digest:
            return State(superseded=f"{self.title}: kept as {self.kept}")
        change = (
            f"has changed (sha256 {now[:SHOWN_DIGITS]}, was {self.digest[:SHOWN_DIGITS]})"
            if now
            else "is missing"
        )
        also = f", and so has its kept version {self.kept}" if kept else ""
        return State(differs=f"{self.title}: {self.file} {change}{also}")


@dataclass(frozen=True)
class State:
    """A compared file: neither when it is what it was, else a line in one of the two."""

    differs: str = ""  # the version that the model was made from is nowhere
    superseded: str = ""  # the store has another version today, and keeps that one


def _digest(file: Path) -> str:
    """sha256 of a file, of a logged model or of a clip of numbered images; "" without one."""
    if not file.exists():
        return ""
    return model_digest(file) if (file / "MLmodel").is_file() else clip_digest(file)


def trace(store: Store, name: str) -> Node:
    """The lineage of NAME@ALIAS, NAME/VERSION, a run id or a network's asset.

    Raises InputError when there is no such model.
    """
    tracker = Tracker(store)
    found = resolve(tracker, name)
    run = _run_node(tracker, found.run_id)
    if found.model is None or found.version is None:
        return run
    task = next((t for t, model in MODELS.items() if model == found.model), None)
    if task is None:
        raise InputError(
            f"the model {found.model} does not belong to this pipeline",
            hint=", ".join(MODELS.values()),
        )
    registry = Registry(tracker, task)
    aliases = [alias for alias, number in registry.aliases().items() if number == found.version]
    tags = registry.tags(found.version)
    files = []
    if MODEL_TAG in tags:
        folder = tracker.model_folder(registry.model_id(found.version))
        files.append(Node("served model (pt2)", tags[MODEL_TAG], folder))
    title = f"{found.model} version {found.version}"
    if aliases:
        title += f" ({', '.join(aliases)})"
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
        _table_node(store, name, tables[name])
        for name in TABLES
        if tables.get(name) and name != "split_manifest"
    ]
    counts = Counter(clip["split"] for clip in record["clips"].values())
    for split in ("train", "val", "test"):
        clips = {n: c for n, c in record["clips"].items() if c["split"] == split}
        nodes = tuple(_clip_node(store, n, c, record) for n, c in sorted(clips.items()))
        parts.append(Node(f"{split}: {counts[split]} clips", children=nodes))
    return replace(
        _table_node(store, "split_manifest", tables["split_manifest"]), children=tuple(parts)
    )


def _table_node(store: Store, name: str, digest: str, clip: str | None = None) -> Node:
    title = f"table {name} of {clip}" if clip else f"table {name}"
    kept = kept_table(store, name, digest)
    # The tables of single clips would crowd out the rest of a drawing.
    return Node(title, digest, store.table(name, clip), kept, drawn=clip is None)


def _clip_node(store: Store, name: str, clip: Mapping[str, Any], record: Record) -> Node:
    tables = [_table_node(store, table, digest, name) for table, digest in clip["tables"].items()]
    known = [(Path(path), record["annotations"][path]) for path in clip["annotations"]]
    files = [
        Node(f"annotations {path.name}", digest, path, kept_annotations(store, path, digest))
        for path, digest in known
    ]
    title = f"clip {name} ({clip['style']}, take {clip['group']})"
    return Node(title, clip["sha256"], Path(clip["path"]), children=(*files, *tables))


@dataclass(frozen=True)
class Comparison:
    """What comparing all files of a lineage gave: a line a file."""

    differs: tuple[str, ...]
    superseded: tuple[str, ...]


def compare(root: Node) -> Comparison:
    """Compare every file, each once, with the digest that it had when the model was made."""
    seen: dict[tuple[str, str], State] = {}
    for node in root.walk():
        key = (str(node.file), node.digest)
        if key not in seen:
            seen[key] = node.state()
    states = seen.values()
    return Comparison(
        tuple(state.differs for state in states if state.differs),
        tuple(state.superseded for state in states if state.superseded),
    )


def checked(root: Node) -> int:
    """How many files and folders :func:`compare` compares."""
    return len({str(n.file) for n in root.walk() if n.digest and n.file is not None})
