"""Registered motion files for pre-training: by reference, with the sha256 of their content."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import dagster as dg
import polars as pl

from dance_models.tables import Schema, file_digest, read_table, write_table
from pipelines.storage.folders import away_files, refuse_away, remember_folders
from pipelines.storage.registration import (
    as_registered,
    one_at_a_time,
    other_content,
    read_registered,
    report_version,
)
from pipelines.storage.store import Store

RAW_MOTION: Final[Schema] = {
    "source": pl.String,  # path below the registered folder; unique
    "path": pl.String,  # a file, or a folder with one JSON a frame
    "sha256": pl.String,
}


def registered_motion(store: Store) -> pl.DataFrame:
    """One row a file (schema ``RAW_MOTION``)."""
    return read_registered(store, "raw_motion", RAW_MOTION)


@one_at_a_time
def register_motion(
    store: Store,
    instance: dg.DagsterInstance,
    directories: Sequence[Path],
    named: Sequence[Path] = (),
) -> pl.DataFrame:
    """Register the motion files of ``directories`` and ``named``; drop files that were deleted.

    Files whose folder is away (:func:`away_files`) stay as they are, until a command has ``named``
    folders: they may lie there now. Returns the table. A file with the content of another is
    skipped. A file whose name is taken is registered under its folder's name and its own. Nothing
    is parsed here: ``pretraining_motion`` reports files that cannot be read. Raises InputError when
    a directory does not exist.
    """
    from dance_models.motion.read import motion_sources

    known = registered_motion(store).to_dicts()
    away = {} if named else away_files(store, "motion", [row["path"] for row in known])
    by_path = {r["path"]: r for r in known if r["path"] in away or Path(r["path"]).exists()}
    directories = [*directories, *named]
    for directory in directories:
        for source, path in motion_sources(directory).items():
            row = by_path.setdefault(str(path), {"source": source, "path": str(path)})
            row["sha256"] = _content_digest(path)
            row["folder"] = directory.name
    # What was copied to another folder meanwhile is read from there.
    there = {row["sha256"] for path, row in by_path.items() if path not in away}
    for gone in [path for path in away if by_path[path]["sha256"] in there]:
        del by_path[gone]
    table = pl.DataFrame(_unique(by_path), schema=RAW_MOTION).sort("source")
    before = store.digest("raw_motion")
    if not (table.height or before):
        return table
    remember_folders(store, "motion", directories)
    version = write_table(table, store.table("raw_motion"), {}, durable=True)
    if version != before:
        report_version(instance, "raw_motion", version)
    return table


@contextmanager
def reading_motion(
    store: Store, instance: dg.DagsterInstance, rows: Sequence[Mapping[str, str]]
) -> Iterator[None]:
    """Files of ``RAW_MOTION``, which have the registered content while they are read here.

    Raises ChangedError when one has gone, has another content or changes meanwhile; the registry
    then has what is there now. Raises AwayError when its folder is away.
    """
    paths = [Path(row["path"]) for row in rows]

    def files() -> list[Path]:
        return [file for path in paths for file in _files_of(path)]

    def wrong() -> Path | None:
        path = other_content(rows, _content)
        if path is not None:
            refuse_away(store, "motion", path)
        return path

    with as_registered(files, wrong, lambda: _update(store, instance, paths)):
        yield


@one_at_a_time
def _update(store: Store, instance: dg.DagsterInstance, paths: Sequence[Path]) -> None:
    """Note the contents of registered files that are there, and drop those that were deleted."""
    known, files = registered_motion(store), list(map(str, paths))
    away = away_files(store, "motion", files)
    digests = {path: _content(Path(path)) for path in files if path not in away}
    rows = [{**row, "sha256": digests.get(row["path"], row["sha256"])} for row in known.to_dicts()]
    table = pl.DataFrame([row for row in rows if row["sha256"]], schema=RAW_MOTION)
    if not table.equals(known):
        version = write_table(table, store.table("raw_motion"), {}, durable=True)
        report_version(instance, "raw_motion", version)


def motion_facts(store: Store, motion: str = "pretraining_motion") -> dict[str, Any]:
    """What ``pretraining_motion`` or ``rendered_motion`` holds, for reports: takes, hours, sha256.

    The hours are of all views.
    """
    runs = store.read(motion).group_by("group", "clip", "run")
    seconds = runs.agg((pl.col("time_s").max() - pl.col("time_s").min()).alias("seconds"))
    return {
        "files": seconds["group"].n_unique(),
        "hours": round(float(seconds["seconds"].sum()) / 3600, 4),
        "sha256": store.digest(motion),
        **({"rendered": True} if motion == "rendered_motion" else {}),
    }


def unused_motion(store: Store) -> dict[str, str]:
    """Files that ``pretraining_motion`` does not use, with the reason."""
    path = store.table("pretraining_sources")
    if not path.is_file():
        return {}
    unused = read_table(path).filter(pl.col("problem").is_not_null())
    return dict(unused.select("source", "problem").rows())


def _unique(by_path: Mapping[str, dict[str, str]]) -> list[dict[str, str]]:
    """The rows without repeated contents, each with a unique name."""
    names: set[str] = set()
    contents: set[str] = set()
    kept = []
    for row in by_path.values():
        folder = row.pop("folder", "")
        if row["sha256"] in contents:
            continue
        while row["source"] in names:
            row["source"] = f"{folder or 'other'}/{row['source']}"
        names.add(row["source"])
        contents.add(row["sha256"])
        kept.append(row)
    return kept


def _content(path: Path) -> str | None:
    try:
        return _content_digest(path) if path.exists() else None
    except OSError:
        return None


def _files_of(path: Path) -> list[Path]:
    """The file itself, or a folder's JSON files."""
    return sorted(path.glob("*.json")) if path.is_dir() else [path]


def _content_digest(path: Path) -> str:
    """sha256 of a file, or of the names and contents of a folder's JSON files.

    Of one that cannot be read it is of the name: reading it says why it is not used.
    """
    total = hashlib.sha256()
    try:
        if path.is_file():
            return file_digest(path)
        for file in _files_of(path):
            name = file.name.encode("utf-8", "surrogateescape")
            total.update(name + f" {file_digest(file)}\n".encode())
    except OSError as error:
        total.update(f"unreadable {path} {error.errno}".encode())
    return total.hexdigest()
