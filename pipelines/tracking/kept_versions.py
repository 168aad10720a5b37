"""The versions of tables and annotation files that a trained model stands on, kept by content.

A table of the store is replaced when it is made again. Its earlier version stays in
``versions/<table>/<sha256>.parquet`` for as long as a registered model or a training of the store
was made from it. It is a hard link: it takes no space until the table is replaced, and the size of
the table from then on. Annotation files belong to the user and may be edited in place: they are
copied. Clips are not kept.
"""

import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from dance_models.files import LONGEST_NAME, flush, is_part, part_of
from dance_models.tables import file_digest
from pipelines.storage.store import Store
from pipelines.tracking.lineage_record import RECORD, Record, record_in
from pipelines.tracking.tracker import RUN_NOTES, Tracker, every, noted_run

FOLDER: Final = "versions"
ANNOTATIONS: Final = "annotations"


class Version(NamedTuple):
    """A file that a model was made from: where it is today, where it is kept, and its sha256."""

    file: Path
    kept: Path
    digest: str


def kept_table(store: Store, table: str, digest: str) -> Path:
    """Where the version of a table with this sha256 is kept."""
    return store.path / FOLDER / table / f"{digest}.parquet"


def kept_annotations(store: Store, file: Path, digest: str) -> Path:
    """Where the version of an annotation file with this sha256 is kept."""
    name = f"{digest}{file.suffix}"
    # What follows the last dot of a name may be most of it.
    short = len(os.fsencode(name)) <= LONGEST_NAME
    return store.path / FOLDER / ANNOTATIONS / (name if short else digest)


def versions_of(store: Store, record: Record) -> Iterator[Version]:
    """The tables and annotation files of a record."""
    tables = [(name, None, digest) for name, digest in record["tables"].items()]
    for clip, facts in record["clips"].items():
        tables += [(name, clip, digest) for name, digest in facts["tables"].items()]
    for name, clip, digest in tables:
        if digest:  # a table that was not there has none
            yield Version(store.table(name, clip), kept_table(store, name, digest), digest)
    for path, digest in record["annotations"].items():
        yield Version(Path(path), kept_annotations(store, Path(path), digest), digest)


def keep_versions(store: Store, record: Record) -> None:
    """Keep the files of a record that still are what it says; those that are kept stay.

    One that was damaged is kept anew: a change within a table is one of its kept version, too,
    which is the same file, and the table may have been made again since.
    """
    for version in versions_of(store, record):
        if version.file.is_file() and not _is_kept(version):
            _keep(version)


def _is_kept(version: Version) -> bool:
    try:
        return version.kept.samefile(version.file) or file_digest(version.kept) == version.digest
    except OSError:  # there is none, or it cannot be read
        return False


def _keep(version: Version) -> None:
    """Under a name of this process first: the file may be replaced at any time."""
    kept = version.kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(kept)
    part.unlink(missing_ok=True)
    try:
        if kept.parent.name == ANNOTATIONS:
            shutil.copyfile(version.file, part)
            flush(part)  # nothing can make it again, and an empty file of its name would count
        else:
            _link(version.file, part)
        if file_digest(part) == version.digest:
            part.replace(kept)
    finally:
        part.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> None:
    """A hard link, or a copy where the file system has none."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def kept_versions(store: Store, without: Collection[Path] = ()) -> set[Path]:
    """The kept files that a registered version or a training of the store was made from.

    ``without``: training folders that do not count, as they are about to be deleted. Raises
    InputError when the note of a training's run, or the record of one, is damaged.
    """
    tracker = Tracker(store)
    if not tracker.exists():
        return set()
    runs = {str(version.run_id) for version in every(tracker.client.search_model_versions)}
    for note in store.path.glob(RUN_NOTES):
        if note.parent not in without:
            runs.add(noted_run(note.parent))
    # From its file: the run may have been deleted with MLflow's database, and its training stays.
    records = (store.mlflow / "artifacts" / run_id / "artifacts" / RECORD for run_id in runs)
    return {
        version.kept
        for path in records
        if path.is_file()
        for version in versions_of(store, record_in(path))
    }


def damaged_versions(store: Store) -> Iterator[Path]:
    """The kept files that are not what their names say, or cannot be read."""
    for path in sorted((store.path / FOLDER).glob("*/*")):
        if path.is_file() and not is_part(path):
            try:
                whole = file_digest(path) == path.name.partition(".")[0]
            except OSError:
                whole = False
            if not whole:
                yield path


def unused_versions(store: Store, without: Collection[Path] = ()) -> list[Path]:
    """The kept files that nothing stands on any more; not what a process is just keeping."""
    needed = kept_versions(store, without)
    files = (path for path in (store.path / FOLDER).glob("*/*") if path.is_file())
    return sorted(path for path in files if path not in needed and not is_part(path))
