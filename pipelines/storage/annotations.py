"""Registered annotation files: by reference, with the sha256 of their content."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, NamedTuple

import dagster as dg
import polars as pl

import dance_models
from dance_models.annotations.clip_names import ClipNames
from dance_models.annotations.folder_index import AnnotationFile, index_annotations, index_file
from dance_models.annotations.image_names import Reading
from dance_models.errors import InputError
from dance_models.files import code_digest, state_of
from dance_models.tables import Schema, conform, file_digest, read_metadata, write_table
from dance_models.video.scan import Problem, key_of
from pipelines.storage.annotation_problems import (
    has_file_problems,
    said_of_files,
    write_file_problems,
)
from pipelines.storage.clips import clips_in
from pipelines.storage.folders import away_files, refuse_away, remember_folders
from pipelines.storage.registration import (
    accept_all,
    as_registered,
    indexed,
    one_at_a_time,
    other_content,
    registered_in,
    report_version,
)
from pipelines.storage.store import Store

RAW_ANNOTATIONS: Final[Schema] = {
    "path": pl.String,
    "sha256": pl.String,
    "clips": pl.List(pl.String),  # the clips that the file has annotations of
    "problem": pl.String,  # why the file cannot be used, else null
    "readings": pl.List(pl.String),  # a digest of what was read of each of these clips
    "chosen_clip": pl.String,  # with --clip: the clip of images that name none
    "chosen_first_frame": pl.Int64,  # with --first-frame
    # What was read of it (``FileContent``).
    "format": pl.String,
    "people": pl.Int64,
    "frames": pl.Int64,
    "joints": pl.Int64,
    "dropped": pl.Int64,
    # Of the file when it was read; null of files in a store that is in a bucket.
    "size": pl.Int64,
    "mtime_ns": pl.Int64,
    "reader": pl.String,  # a digest of the code that read it
}
# They do not count for the version of the table: a file that differs in these alone is the same.
_LOOKS: Final = ("size", "mtime_ns", "reader")
# Key of the table's metadata: a digest of the names of the clips that the files were read with.
CLIPS_KEY: Final = "clips"


class OfClip(NamedTuple):
    """A file that mentions a clip."""

    row: Mapping[str, Any]  # of ``RAW_ANNOTATIONS``
    reading: str | None  # a digest of what was read of the clip, None by an earlier version


def registered_annotations(store: Store) -> pl.DataFrame:
    """One row an annotation file (schema ``RAW_ANNOTATIONS``)."""
    return registered_in(store.table("raw_annotations"), RAW_ANNOTATIONS)


def annotations_by_clip(store: Store) -> Mapping[str, Sequence[OfClip]]:
    """The usable files in the order of their paths, by each clip that they mention."""
    return indexed(store, "raw_annotations", _by_clip)


def _by_clip(path: Path) -> dict[str, list[OfClip]]:
    found: dict[str, list[OfClip]] = {}
    usable = registered_in(path, RAW_ANNOTATIONS).filter(pl.col("problem").is_null())
    for row in usable.sort("path").to_dicts():
        for clip, reading in zip_longest(row["clips"], row["readings"] or []):
            found.setdefault(clip, []).append(OfClip(row, reading))
    return found


def reading_of(store: Store) -> Callable[[Mapping[str, Any]], Reading]:
    """How the file of a row of ``RAW_ANNOTATIONS`` is read, among the clips registered today."""
    clips = clip_names(store)
    return lambda row: _kept(row, clips)


def clip_names(store: Store) -> ClipNames:
    """The keys of the registered clips, by key and by the slug of the file's name.

    Kept until the registry is written again: the stage of every clip asks for all of them.
    """
    return indexed(store, "raw_clips", _names_in)


def _names_in(path: Path) -> ClipNames:
    rows = clips_in(path).select("clip", "path").iter_rows()
    named = [(clip, key_of(Path(path))) for clip, path in rows]
    keys = {clip: clip for clip, _ in named}
    counts = Counter(slug for _, slug in named)
    return ClipNames({slug: clip for clip, slug in named if counts[slug] == 1} | keys)


@one_at_a_time
def register_annotations(
    store: Store,
    instance: dg.DagsterInstance,
    directories: Sequence[Path],
    ready: Callable[[Path], bool] = accept_all,
    chosen: Reading | None = None,
    chosen_for: Collection[Path] = (),
) -> list[Problem]:
    """Register the annotation files of ``directories``; drop files that were deleted.

    Files that are not ``ready`` are skipped. Files whose folder is away (:func:`away_files`)
    stay as they were read, until a command names folders (``chosen_for``): they may lie there now.
    What is ``chosen`` (``clip``, ``first_frame``) for the files of those directories that are in
    ``chosen_for`` is kept with them and holds until something else is chosen.

    A file that has the size and the modification time that it was read with is not read again,
    unless something else is chosen for it, this code is another, what was said of files is lost, or
    the registered clips are others, since it may name a new one. Returns what cannot be used, with
    the reason. Raises InputError for an unreadable directory and a chosen clip that is unknown.
    """
    clips = clip_names(store)
    chosen = _checked(chosen or Reading(), clips)
    away = {} if chosen_for else _away(store)
    rows, told = _still_there(store, away), has_file_problems(store)
    index: dict[str, AnnotationFile] = {}
    for directory in directories:
        given = chosen if directory in chosen_for else Reading()

        def reading(path: Path, given: Reading = given) -> Reading:
            return _chosen(rows.get(str(path), _NEW), clips, given)

        def wanted(path: Path, reading: Callable[[Path], Reading] = reading) -> bool:
            as_read = _is_read(path, rows.get(str(path), _NEW), reading(path))
            return ready(path) and not (told and as_read)

        for entry in index_annotations(directory, wanted, reading):
            index[str(entry.path)] = entry
            rows[str(entry.path)] = _row(store, entry, reading(entry.path))
    remember_folders(store, "annotations", directories)
    names, before = _digest(clips), _clips_read_with(store)
    if names != before or not told:
        for path in sorted(rows.keys() - index.keys()):
            again = _read_again(rows[path], clips)
            if again is not None:
                index[path], rows[path] = again, _row(store, again, _kept(rows[path], clips))
    write_file_problems(store, index, rows.keys())
    # What is away is read with the clips of today when it is back.
    _write(store, instance, rows, before if away and before is not None else names)
    looked_at = {p for p in _below(directories, rows.keys() - away.keys()) if ready(Path(p))}
    return said_of_files(store, index.keys() | looked_at)


def _still_there(store: Store, away: Collection[str]) -> dict[str, dict[str, Any]]:
    """The registered files by path that were not deleted."""
    known = registered_annotations(store).to_dicts()
    return {r["path"]: r for r in known if r["path"] in away or Path(r["path"]).is_file()}


def _below(places: Sequence[Path], paths: Iterable[str]) -> list[str]:
    """Those of the paths that are one of some places, or in one."""
    named = [place.resolve() for place in places]
    return [path for path in paths if any(map(Path(path).is_relative_to, named))]


@one_at_a_time
def keep_annotations(store: Store, instance: dg.DagsterInstance, places: Sequence[Path]) -> None:
    """Forget the registered files that lie in none of ``places``, folders or files."""
    known = {row["path"]: row for row in registered_annotations(store).to_dicts()}
    kept = {path: known[path] for path in _below(places, known)}
    if len(kept) < len(known):
        _write(store, instance, kept, _clips_read_with(store) or _digest(clip_names(store)))


@contextmanager
def reading_annotations(
    store: Store, instance: dg.DagsterInstance, rows: Sequence[Mapping[str, Any]]
) -> Iterator[None]:
    """Files of ``RAW_ANNOTATIONS``, which have the registered content while they are read here.

    Raises ChangedError when one has gone, has another content or changes meanwhile; the registry
    then has what is there now. Raises AwayError when its folder is away.
    """
    paths = [Path(row["path"]) for row in rows]

    def wrong() -> Path | None:
        path = other_content(rows, _content)
        if path is not None:
            refuse_away(store, "annotations", path)
        return path

    with as_registered(
        lambda: paths,
        wrong,
        lambda: _update(store, instance, paths),
    ):
        yield


@one_at_a_time
def _update(store: Store, instance: dg.DagsterInstance, paths: Sequence[Path]) -> None:
    """Read registered files again whose content changed, and drop those that were deleted."""
    clips, away = clip_names(store), _away(store)
    rows = {row["path"]: row for row in registered_annotations(store).to_dicts()}
    for path in paths:
        row = rows.get(str(path))
        if row is None or str(path) in away or _content(path) == row["sha256"]:
            continue
        if path.is_file():
            reading = _kept(row, clips)
            rows[str(path)] = _row(store, index_file(path, reading), reading)
        else:
            del rows[str(path)]
    _write(store, instance, rows, _clips_read_with(store) or _digest(clips))


def _away(store: Store) -> dict[str, Path]:
    return away_files(store, "annotations", registered_annotations(store)["path"])


def _content(path: Path) -> str | None:
    try:
        return file_digest(path)
    except OSError:
        return None


def _write(
    store: Store, instance: dg.DagsterInstance, rows: Mapping[str, dict[str, Any]], known: str
) -> None:
    """Write the table, and report it to Dagster when it changed."""
    found = pl.DataFrame(list(rows.values()), schema=RAW_ANNOTATIONS)
    table = conform(found, RAW_ANNOTATIONS).sort("path")
    before, version = annotations_version(store), _version(table, known)
    write_table(table, store.table("raw_annotations"), {CLIPS_KEY: known}, durable=True)
    if version != before:
        report_version(instance, "raw_annotations", version)


def annotations_version(store: Store) -> str:
    """A digest of what is registered of annotation files, "none" before the first registration."""
    if not store.table("raw_annotations").is_file():
        return "none"
    return _version(registered_annotations(store), _clips_read_with(store))


def _version(rows: pl.DataFrame, known: str | None) -> str:
    text = rows.drop(_LOOKS).write_ndjson()
    return hashlib.sha256(f"{known}\n{text}".encode()).hexdigest()


_NEW: Final[Mapping[str, Any]] = dict.fromkeys(RAW_ANNOTATIONS)


def _chosen(row: Mapping[str, Any], clips: Mapping[str, str], given: Reading) -> Reading:
    """How a file is read when something may be given for it: else as it was chosen before."""
    first = row["chosen_first_frame"] if given.first_frame is None else given.first_frame
    return Reading(clips, given.clip or row["chosen_clip"], first)


def _kept(row: Mapping[str, Any], clips: Mapping[str, str]) -> Reading:
    """How a registered file is read when nothing new is chosen."""
    return _chosen(row, clips, Reading())


def _is_read(path: Path, row: Mapping[str, Any], reading: Reading) -> bool:
    """Whether a registered file is as it was read, and would be read in the same way."""
    if row["mtime_ns"] is None or row["reader"] != _reader():
        return False
    if (row["chosen_clip"], row["chosen_first_frame"]) != (reading.clip, reading.first_frame):
        return False
    return state_of(path) == [row["size"], row["mtime_ns"]]


@cache
def _reader() -> str:
    """A digest of the code that reads annotations."""
    return code_digest(Path(dance_models.__path__[0]))


def _clips_read_with(store: Store) -> str | None:
    path = store.table("raw_annotations")
    return read_metadata(path).get(CLIPS_KEY) if path.is_file() else None


def _digest(clips: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(clips, sort_keys=True).encode()).hexdigest()


def _read_again(row: Mapping[str, Any], clips: Mapping[str, str]) -> AnnotationFile | None:
    """The index of a registered file among other clips; None when its content changed.

    Of one that could not be read, what was said then.
    """
    path = Path(row["path"])
    if not row["sha256"]:
        return AnnotationFile(path, "", problem=row["problem"])
    try:
        same = file_digest(path) == row["sha256"]
    except OSError:
        return None
    return index_file(path, _kept(row, clips)) if same else None


def _checked(chosen: Reading, clips: Mapping[str, str]) -> Reading:
    """What was chosen, with the key of the clip."""
    if chosen.clip is None:
        return chosen
    known = Reading(clips)
    key = known.registered(chosen.clip)
    if key is None:
        nearest = known.nearest(chosen.clip)
        raise InputError(
            f"there is no clip {chosen.clip!r} for --clip",
            hint=f"The nearest is {nearest!r}" if nearest else "Register it with --clips",
        )
    return replace(chosen, clip=key)


def _row(store: Store, entry: AnnotationFile, reading: Reading) -> dict[str, Any]:
    clips = sorted(entry.clips)
    # Two machines that share a bucket have times each, and would replace each other's registry.
    shared = store.remote is not None and entry.path.is_relative_to(store.path)
    looks = (None, None, None) if entry.state is None or shared else (*entry.state, _reader())
    return {
        "path": str(entry.path),
        "sha256": entry.sha256,
        "clips": clips,
        "problem": entry.problem,
        "readings": [entry.clips[clip] for clip in clips],
        "chosen_clip": reading.clip,
        "chosen_first_frame": reading.first_frame,
        **asdict(entry.content),
        **dict(zip(_LOOKS, looks, strict=True)),
    }
