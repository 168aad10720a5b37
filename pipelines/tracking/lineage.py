"""``dance lineage``: from a version back to its clips and annotation files, by digest."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dance_models.errors import InputError
from dance_models.video.images import clip_digest
from pipelines.storage.store import Store
from pipelines.tracking.lineage_record import CHECKPOINT_TAG, TABLES, Record, read_record
from pipelines.tracking.model_digest import model_digest
from pipelines.tracking.registry import MODEL_TAG, MODELS, Registry
from pipelines.tracking.tracked_models import resolve
from pipelines.tracking.tracker import Tracker

SHOWN_DIGITS: Final = 12  # digits of a digest that are shown


@dataclass(frozen=True)
class Node:
    """A version, run, table or file; ``children`` are what it was made from.

    ``digest`` is the sha256 that the file or folder had when the model was made.
    """

    title: str
    digest: str = ""
    file: Path | None = None
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

    def difference(self) -> str | None:
        """How the file differs from its digest, None when it does not."""
        if not self.digest or self.file is None:
            return None
        if not self.file.exists():
            return f"{self.title}: {self.file} is missing"
        # a folder is a logged model, or a clip of numbered images
        is_model = (self.file / "MLmodel").is_file()
        now = model_digest(self.file) if is_model else clip_digest(self.file)
        if now == self.digest:
            return None
        return (
            f"{self.title}: {self.file} has changed "
            f"(sha256 {now[:SHOWN_DIGITS]}, was {self.digest[:SHOWN_DIGITS]})"
        )


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


def _clip_node(store: Store, name: str, clip: Mapping[str, Any], record: Record) -> Node:
    tables = [
        Node(f"table {table} of {name}", digest, store.table(table, name), drawn=False)
        for table, digest in clip["tables"].items()
    ]
    files = [
        Node(f"annotations {Path(path).name}", record["annotations"][path], Path(path))
        for path in clip["annotations"]
    ]
    title = f"clip {name} ({clip['style']}, take {clip['group']})"
    return Node(title, clip["sha256"], Path(clip["path"]), (*files, *tables))


def differences(root: Node) -> list[str]:
    """The files that have changed or are missing, each once."""
    seen: dict[tuple[str, str], str | None] = {}
    for node in root.walk():
        key = (str(node.file), node.digest)
        if key not in seen:
            seen[key] = node.difference()
    return [line for line in seen.values() if line]


def checked(root: Node) -> int:
    """How many files and folders :func:`differences` compares."""
    return len({str(n.file) for n in root.walk() if n.digest and n.file is not None})
