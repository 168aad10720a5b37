"""Registering clips and annotation files: by reference, with the sha256 of their content.

Clips accumulate in the store. One that has gone from the disk is kept and reported, never
deleted: its tables may be all that is left of it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar, cast

import dagster as dg
import polars as pl

from dance_models.annotations.folder_index import index_annotations
from dance_models.tables import Schema, conform, file_digest, write_table
from dance_models.video.scan import ClipEntry, Problem, scan_clips
from pipelines.partitions import CLIPS
from pipelines.skip_rule import VERSION_TAG
from pipelines.storage.store import Store
from pipelines.tracking.tracker import exclusive

P = ParamSpec("P")
T = TypeVar("T")

RAW_CLIPS: Final[Schema] = {
    "clip": pl.String,
    "style": pl.String,
    "performer": pl.String,
    "take": pl.String,
    "path": pl.String,
    "sha256": pl.String,  # "" when the file cannot be read
    "corpus": pl.String,  # what reports call the corpus that the clip came with
}
CORPUS_FILE: Final = "CORPUS"  # beside or above the clips: one line, the corpus's name
RAW_ANNOTATIONS: Final[Schema] = {
    "path": pl.String,
    "sha256": pl.String,
    "clips": pl.List(pl.String),  # the clips that the file says something about
    "problem": pl.String,  # why the file cannot be used, else null
}


@dataclass(frozen=True)
class Registration:
    """What registering found: clips by what happened to them, and problems."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def registered_clips(store: Store) -> pl.DataFrame:
    """The registry: one row a clip (schema ``RAW_CLIPS``), empty before the first registration."""
    path = store.table("raw_clips")
    return pl.read_parquet(path) if path.is_file() else pl.DataFrame(schema=RAW_CLIPS)


def registered_annotations(store: Store) -> pl.DataFrame:
    """One row an annotation file (schema ``RAW_ANNOTATIONS``)."""
    path = store.table("raw_annotations")
    return pl.read_parquet(path) if path.is_file() else pl.DataFrame(schema=RAW_ANNOTATIONS)


def _digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError:
        return ""  # probing names the reason when it opens the file itself


def _corpus_of(directory: Path) -> str:
    """The first line of a CORPUS file in or above the folder of clips, else the folder's name."""
    for folder in (directory, directory.parent):
        path = folder / CORPUS_FILE
        if path.is_file():
            return path.read_text("utf-8").strip().splitlines()[0]
    return directory.parent.name if directory.name == "clips" else directory.name


def corpus_label(store: Store) -> str:
    """What reports call the data: the corpora that the registered clips came with."""
    return ", ".join(sorted(set(registered_clips(store)["corpus"].to_list()))) or "no clips"


def _row(entry: ClipEntry, corpus: str, sha256: str) -> dict[str, str]:
    return {
        "clip": entry.clip,
        "style": entry.style,
        "performer": entry.performer,
        "take": entry.take,
        "path": str(entry.path),
        "sha256": sha256,
        "corpus": corpus,
    }


def _every(path: Path) -> bool:
    return True


def _alone(register: Callable[Concatenate[Store, P], T]) -> Callable[Concatenate[Store, P], T]:
    """One at a time: a sensor and the command line would overwrite each other's registry."""

    @wraps(register)
    def locked(store: Store, /, *arguments: P.args, **named: P.kwargs) -> T:
        lock = store.table("raw_clips").with_name(".registry.lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(lock):
            return register(store, *arguments, **named)

    return cast("Callable[Concatenate[Store, P], T]", locked)


@_alone
def register_clips(
    store: Store,
    instance: dg.DagsterInstance,
    directories: Sequence[Path],
    ready: Callable[[Path], bool] = _every,
    changed: Callable[[Path], bool] = _every,
) -> Registration:
    """Add the clips of ``directories`` to the registry, to Dagster's partitions and its log.

    Files that are not ``ready`` are left for another time; those that have not ``changed`` keep
    the digest that is registered. Raises InputError when a directory cannot be read.
    """
    known = {row["clip"]: row for row in registered_clips(store).to_dicts()}
    result = Registration()
    found: dict[str, dict[str, str]] = {}
    for directory in directories:
        scan = scan_clips(directory)
        corpus = _corpus_of(directory)
        result.problems.extend(scan.problems)
        for entry in filter(lambda entry: ready(entry.path), scan.entries):
            taken = found.get(entry.clip) or known.get(entry.clip)
            if taken and taken["path"] != str(entry.path) and Path(taken["path"]).exists():
                message = (
                    f"the name {entry.clip!r} is taken by {taken['path']}; rename one of the files"
                )
                result.problems.append(Problem(str(entry.path), message))
                continue
            old = taken["sha256"] if taken and taken["path"] == str(entry.path) else ""
            kept = old if not changed(entry.path) else ""
            found[entry.clip] = _row(entry, corpus, kept or _digest(entry.path))
    _record(store, instance, known, found, result)
    return result


@_alone
def register_again(
    store: Store, instance: dg.DagsterInstance, paths: Collection[Path]
) -> Registration:
    """Note what registered clips hold now whose files at ``paths`` were overwritten."""
    known = {row["clip"]: row for row in registered_clips(store).to_dicts()}
    found = {
        clip: {**row, "sha256": _digest(Path(row["path"]))}
        for clip, row in known.items()
        if Path(row["path"]) in paths
    }
    result = Registration()
    _record(store, instance, known, found, result)
    return result


def _record(
    store: Store,
    instance: dg.DagsterInstance,
    known: Mapping[str, dict[str, str]],
    found: Mapping[str, dict[str, str]],
    result: Registration,
) -> None:
    """Write the registry and tell Dagster; ``result`` is told what is new, changed and missing."""
    for clip, row in found.items():
        if clip not in known:
            result.new.append(clip)
        elif known[clip] != row:
            result.changed.append(clip)
    rows = {**known, **found}
    for clip, row in rows.items():
        if not Path(row["path"]).exists():
            result.missing.append(clip)
    table = pl.DataFrame(list(rows.values()), schema=RAW_CLIPS).sort("clip")
    write_table(table, store.table("raw_clips"), {})
    instance.add_dynamic_partitions(str(CLIPS.name), sorted(rows))
    for clip in [*result.new, *result.changed]:
        instance.report_runless_asset_event(
            dg.AssetObservation(
                asset_key="raw_clips",
                partition=clip,
                metadata={"path": rows[clip]["path"]},
                tags={VERSION_TAG: rows[clip]["sha256"] or "unreadable"},
            )
        )


@_alone
def register_annotations(
    store: Store,
    instance: dg.DagsterInstance,
    directories: Sequence[Path],
    ready: Callable[[Path], bool] = _every,
) -> list[Problem]:
    """Add the annotation files of ``directories`` to the registry; forget files that are gone.

    Files that are not ``ready`` are left for another time. Returns the files that cannot be used,
    with the reason.
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
            "clips": sorted(entry.clips),
            "problem": entry.problem,
        }
    table = conform(pl.DataFrame(list(rows.values()), schema=RAW_ANNOTATIONS), RAW_ANNOTATIONS)
    before = store.digest("raw_annotations")
    version = write_table(table.sort("path"), store.table("raw_annotations"), {})
    if version != before:
        instance.report_runless_asset_event(
            dg.AssetObservation(asset_key="raw_annotations", tags={VERSION_TAG: version})
        )
    return [Problem(str(e.path), e.problem) for e in index if e.problem]
