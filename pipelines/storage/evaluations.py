"""What ``dance evaluate`` left: the tables of networks on corpora that they never saw."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from dance_models.config import JointDefinition
from dance_models.errors import DamagedFileError
from dance_models.files import replacing_together
from dance_models.tables import read_note, read_table, write_table, write_text
from dance_models.video.names import clip_slug, short_hash
from pipelines.processes import remove_left_parts
from pipelines.storage.folders import registered_folders
from pipelines.storage.store import Store, is_usable

FOLDER: Final = "evaluations"


@dataclass(frozen=True)
class Evaluation:
    """A checkpoint scored on one corpus."""

    method: str  # row id
    joints: JointDefinition  # whose definition its poses have
    checkpoint_sha256: str
    corpus: str  # label of the corpus
    split_sha256: str  # of the manifest of the splits that the trivial rows were fitted on
    notes: tuple[str, ...]

    @property
    def stem(self) -> str:
        """The beginning of the names of its files."""
        return self.method if self.joints == "annotation" else f"{self.method}.{self.joints}"


@dataclass(frozen=True, eq=False)
class StoredEvaluation:
    """An evaluation with its files."""

    about: Evaluation
    facts: Path  # JSON

    @property
    def files(self) -> tuple[Path, ...]:
        """All that the report shows of it: the same facts may stand beside other numbers."""
        return (self.facts, self._table("scores"), self._table("paired"))

    @property
    def scores(self) -> pl.DataFrame:
        """RECOGNITION_SCORES or PREDICTION_SCORES."""
        return read_table(self._table("scores"))

    @property
    def paired(self) -> pl.DataFrame:
        """PAIRED_SCORES."""
        return read_table(self._table("paired"))

    def _table(self, name: str) -> Path:
        return self.facts.with_name(f"{self.about.stem}_{name}.parquet")


def own_store(store: Store, name: str) -> Store:
    """The separate store of one evaluated corpus."""
    return Store(root=str(store.path / FOLDER / name)).initialise()


def corpus_store(store: Store, folder: Path) -> Store:
    """The store of the corpus whose clips lie in ``folder``, which names it with the one above.

    Another folder of the same two names has one with a hash of its path: clips and annotations of
    two corpora in one store would be scored together. So has one whose names no store can have.
    """
    folder = folder.resolve()
    name = f"{folder.parent.name}-{folder.name}"
    if not is_usable(name):
        name = f"{clip_slug(name)}-{short_hash(str(folder))}"
    there = registered_folders(Store(root=str(store.path / FOLDER / name))).filter(content="clips")
    if there.height and str(folder) not in there["folder"]:
        name = f"{name}-{short_hash(str(folder))}"
    return own_store(store, name)


def write_evaluation(
    corpus: Store, about: Evaluation, tables: Mapping[str, pl.DataFrame], markdown: str
) -> Path:
    """Write the tables and what they are about, together; returns the Markdown file.

    Facts beside tables of another call would be shown as those of these tables. Raises InputError
    where the disk is full; the files stay as they were then.
    """
    facts = {**vars(about), "notes": list(about.notes)}
    remove_left_parts(corpus.reports)
    with replacing_together(corpus.reports, about.stem, f"{about.stem}.json") as part:
        for name, table in tables.items():
            write_table(table, part / f"{about.stem}_{name}.parquet", {})
        write_text(part / f"{about.stem}.md", markdown)
        text = json.dumps(facts, indent=2, sort_keys=True) + "\n"
        write_text(part / f"{about.stem}.json", text)
    return corpus.reports / f"{about.stem}.md"


def evaluations(store: Store, checkpoints: Mapping[str, str]) -> list[StoredEvaluation]:
    """Those of today's checkpoints, ``checkpoints`` being row id -> sha256; by corpus and row."""
    found = []
    for path in sorted((store.path / FOLDER).glob("*/reports/*.json")):
        try:
            plain = read_note(path)
            about = Evaluation(**{**plain, "notes": tuple(plain["notes"])})
        except (DamagedFileError, LookupError, TypeError):
            continue  # it is made again by the same command
        stored = StoredEvaluation(about, path)
        whole = all(file.is_file() for file in stored.files)
        if whole and checkpoints.get(about.method) == about.checkpoint_sha256:
            found.append(stored)
    return found
