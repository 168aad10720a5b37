"""Registered clips: by reference, with the sha256 of their content.

Clips accumulate in the store. A clip whose file is missing from the disk stays registered and is
reported as missing: its tables may be all that is left of it.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import chain, count
from pathlib import Path
from typing import Any, Final

import dagster as dg
import polars as pl

from dance_models.errors import InputError
from dance_models.files import read_text, state_of
from dance_models.tables import Schema, write_table
from dance_models.text import printable
from dance_models.video.images import clip_digest, clip_files, is_clip_on_disk, may_count
from dance_models.video.names import distinct_slug
from dance_models.video.scan import ClipEntry, Problem, scan_clips
from pipelines.storage.annotation_problems import (
    has_folder_problems,
    report_row,
    write_folder_problems,
)
from pipelines.storage.folders import registered_folders, remember_folders
from pipelines.storage.pointers import as_file, point_again
from pipelines.storage.registration import (
    accept_all,
    as_registered,
    indexed,
    one_at_a_time,
    registered_in,
    report_version,
)
from pipelines.storage.shard_keys import SHARDS, by_shard
from pipelines.storage.shards import content_of_clips, content_of_shards, shards_of
from pipelines.storage.store import Store

RAW_CLIPS: Final[Schema] = {
    "clip": pl.String,
    "style": pl.String,
    "performer": pl.String,
    "take": pl.String,
    "path": pl.String,
    "sha256": pl.String,  # "" when it cannot be read; of a folder over its images
    "corpus": pl.String,  # name of the corpus that the clip belongs to, for reports
    "fps": pl.String,  # frame rate of a folder of images by clips.csv, else ""
    # Of the file when it was read; of a folder the bytes of all of its images and the latest time.
    # Null of clips in a bucket, of files in a store in one, and of clips that an earlier version
    # registered.
    "size": pl.Int64,
    "mtime_ns": pl.Int64,
    "members": pl.String,  # of a folder: a digest over name, size and time of each file that counts
}
# A clip that differs in these alone is the same.
_LOOKS: Final = frozenset({"size", "mtime_ns", "members"})
CORPUS_FILE: Final = "CORPUS"  # in the folder of clips or above it: one line, the corpus's name
LONGEST_LABEL: Final = 200  # characters
PARTITIONS: Final = "clips"  # Dagster's dynamic partitions, one key a clip
LISTED_AT_ONCE: Final = 10_000  # partitions


@dataclass(frozen=True)
class ClipChanges:
    """What a registration found: clips by what happened to them, and problems."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def registered_clips(store: Store) -> pl.DataFrame:
    """One row a clip (schema ``RAW_CLIPS``)."""
    return clips_in(store.table("raw_clips"))


def clips_by_key(store: Store) -> Mapping[str, Mapping[str, Any]]:
    """The rows of :func:`registered_clips` by clip."""
    return indexed(store, "raw_clips", _by_key)


def clips_in(path: Path) -> pl.DataFrame:
    """:func:`registered_clips` of the file of a table."""
    return registered_in(path, RAW_CLIPS).with_columns(pl.col("fps").fill_null(""))


def _by_key(path: Path) -> dict[str, dict[str, Any]]:
    return {row["clip"]: row for row in clips_in(path).to_dicts()}


def looks_registered(row: Mapping[str, Any], state: Sequence[int]) -> bool:
    """Whether a file's size and modification time are those of the registered clip.

    True where the clip has none.
    """
    return row["mtime_ns"] is None or (*state,) == (row["size"], row["mtime_ns"])


def folder_looks_registered(row: Mapping[str, Any], states: Mapping[Path, Sequence[int]]) -> bool:
    """The same of a folder of images, by the size and time of each file in it.

    An image may be replaced by an older one, or be gone, so the latest time does not tell. Of a
    clip that an earlier version registered there is no more.
    """
    if row["mtime_ns"] is None:
        return True
    if row["members"] is None:
        return all(mtime_ns <= row["mtime_ns"] for _, mtime_ns in states.values())
    return bool(row["members"] == _members(states))


def _members(states: Mapping[Path, Sequence[int]]) -> str:
    """A digest that changes when a file of a folder's clip comes, goes or changes."""
    counted = sorted((path.name, *state) for path, state in states.items() if may_count(path))
    return hashlib.sha256(repr(counted).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def corpus_label(store: Store) -> str:
    """Names of the corpora that the registered clips belong to, for reports."""
    return label_of(registered_clips(store))


def label_of(clips: pl.DataFrame) -> str:
    """Names of the corpora of some rows of ``RAW_CLIPS``."""
    return ", ".join(sorted(set(clips["corpus"].to_list()))) or "no clips"


@one_at_a_time
def register_clips(
    store: Store,
    instance: dg.DagsterInstance,
    directories: Sequence[Path],
    ready: Callable[[Path], bool] = accept_all,
    changed: Callable[[Path], bool] | None = None,
    progress: Callable[[int, int], object] = lambda done, of: None,
) -> ClipChanges:
    """Register the clips of ``directories``: in the table, as Dagster partitions and in its log.

    Files that are not ``ready`` are skipped. Files that have not ``changed`` keep the digest that
    is registered: by default those with the size and the modification time that they were read
    with. A registered file keeps its key, whatever its name would give today, also when it was
    moved; where two files' names give the same key, the second one's ends in a hash, which is
    reported. ``progress`` is told how many of the files were looked at. Raises InputError when a
    directory cannot be read.
    """
    known = {row["clip"]: row for row in registered_clips(store).to_dicts()}
    result = ClipChanges()
    found: dict[str, dict[str, Any]] = {}
    there = _Rows(known)
    reported: dict[str, list[dict[str, Any]]] = {}
    scans = [scan_clips(directory) for directory in directories]
    done, of = 0, sum(len(scan.entries) for scan in scans)
    for directory, scan in zip(directories, scans, strict=True):
        corpus = _corpus_of(directory)
        result.problems.extend(scan.problems)
        rows = reported[str(directory.resolve())] = _not_read(scan.problems)
        for entry in scan.entries:
            progress(done, of)
            done += 1
            if store.is_made(entry.path) or not ready(entry.path):
                continue
            content = cache(partial(_content, store, entry.path))
            key = _key(entry, there, content)
            same_file = key in known and known[key]["path"] == str(entry.path)
            stays = same_file and _stays(store, known[key], changed)
            found[key] = _row(key, entry, corpus, known[key] if stays else content())
            there.put(key, found[key])
            for problem in _name_taken(entry, key, there):
                rows.append(report_row(problem.file, "noted", problem.message))
                result.problems.extend([] if same_file else [problem])
    progress(of, of)
    _write_problems(store, reported, there, whole=ready is accept_all)
    _write(store, instance, known, found, result)
    # Last: what watches the folders takes their clips that are not registered for new ones.
    remember_folders(store, "clips", directories)
    return result


@one_at_a_time
def update_digests(
    store: Store, instance: dg.DagsterInstance, paths: Collection[Path]
) -> ClipChanges:
    """Read the registered clips at ``paths`` again, whose files were overwritten."""
    known = {row["clip"]: row for row in registered_clips(store).to_dicts()}
    found = {
        clip: {**row, **_content(store, Path(row["path"]))}
        for clip, row in known.items()
        if Path(row["path"]) in paths
    }
    result = ClipChanges()
    _write(store, instance, known, found, result)
    return result


@one_at_a_time
def set_shards(store: Store, shards: int) -> None:
    """Keep how many shards the clips are in; a store without clips has none registered by that."""
    table = registered_clips(store)
    write_table(table, store.table("raw_clips"), {SHARDS: str(shards)}, durable=True)


@contextmanager
def reading_clip(
    store: Store, instance: dg.DagsterInstance, row: Mapping[str, Any], *, last: bool = False
) -> Iterator[Path]:
    """The file of a registered clip, which has the registered content while it is read here.

    ``row`` has the clip's ``path`` and ``sha256``, "" when it could not be read. Of a clip in a
    bucket it is a copy, which goes after the ``last`` stage that needs it. Raises
    ChangedError when the content is another one or changes meanwhile; the registry then has the new
    digest. Raises InputError when the file has gone, and the registry stays as it is. When a file
    is back as ``row`` has it, and the registry knows what it was meanwhile, the registry is told.
    """
    path = Path(row["path"])

    def wrong() -> Path | None:
        found = _digest(path)
        if row["sha256"] and not found:
            raise InputError(
                "the file of a clip has gone, or may not be read",
                file=path,
                hint="Put it back, then run again",
            )
        return path if found != row["sha256"] else None

    def learn() -> None:
        point_again(store, path)
        if _digest(path):
            update_digests(store, instance, {path})

    registered = as_registered(lambda: _files_of(path), wrong, learn)
    with registered, as_file(store, path, last=last) as file:
        yield file
    known = registered_clips(store).filter(pl.col("path") == str(path))["sha256"]
    if any(digest != row["sha256"] for digest in known):
        learn()


def _files_of(path: Path) -> list[Path]:
    try:
        return clip_files(path)
    except OSError:
        return [path]


def _write(
    store: Store,
    instance: dg.DagsterInstance,
    known: Mapping[str, dict[str, Any]],
    found: Mapping[str, dict[str, Any]],
    result: ClipChanges,
) -> None:
    """Write the table, report it to Dagster, and add new, changed and missing clips to a result."""
    for clip, row in found.items():
        if clip not in known:
            result.new.append(clip)
        elif any(known[clip][column] != row[column] for column in row.keys() - _LOOKS):
            result.changed.append(clip)
    rows = {**known, **found}
    result.missing.extend(c for c, row in rows.items() if not is_clip_on_disk(Path(row["path"])))
    table = pl.DataFrame(list(rows.values()), schema=RAW_CLIPS).sort("clip")
    shards, touched = shards_of(store), {*result.new, *result.changed}
    stated = {SHARDS: str(shards)} if shards else {}
    write_table(table, store.table("raw_clips"), stated, durable=True)
    if shards:
        versions = content_of_shards(rows.values(), shards)
        for shard in by_shard(touched, shards):
            report_version(instance, "raw_clips", versions[shard], shard)
        return
    _list_clips(instance, rows)
    versions = content_of_clips(rows.values())
    for clip in sorted(touched):
        report_version(instance, "raw_clips", versions[clip], clip, {"path": rows[clip]["path"]})


def _list_clips(instance: dg.DagsterInstance, clips: Collection[str]) -> None:
    """Make partitions of those clips that Dagster does not list.

    Dagster names all that it is given in one statement, and most builds of SQLite take 32,766
    values in one.
    """
    lacking = sorted(set(clips) - set(instance.get_dynamic_partitions(PARTITIONS)))
    for start in range(0, len(lacking), LISTED_AT_ONCE):
        instance.add_dynamic_partitions(PARTITIONS, lacking[start : start + LISTED_AT_ONCE])


class _Rows:
    """Rows by clip, and the clip of each path: both are asked for every one of many files."""

    def __init__(self, known: Mapping[str, dict[str, Any]]) -> None:
        self.by_clip = dict(known)
        self.clip_of: dict[str, str] = {}
        for clip, row in known.items():
            self.clip_of.setdefault(row["path"], clip)

    def put(self, clip: str, row: dict[str, Any]) -> None:
        """Set the row of a clip, which another file may have had."""
        before = self.by_clip.get(clip)
        if before is not None and self.clip_of.get(before["path"]) == clip:
            del self.clip_of[before["path"]]
        self.by_clip[clip] = row
        self.clip_of.setdefault(row["path"], clip)


def _key(entry: ClipEntry, rows: _Rows, content: Callable[[], Mapping[str, Any]]) -> str:
    """The key of a file among others: its own, a free one, or that of a file that was moved."""
    path = str(entry.path)
    if path in rows.clip_of:
        return rows.clip_of[path]
    # Hashes may be equal, and are where names differ in their form of Unicode alone.
    names = chain((entry.name, path), (f"{path} {number}" for number in count(2)))
    keys = chain([entry.clip], (distinct_slug(entry.clip, name) for name in names))
    return next(
        key for key in keys if key not in rows.by_clip or _is_left(rows.by_clip[key], content)
    )


def _is_left(row: Mapping[str, Any], content: Callable[[], Mapping[str, Any]]) -> bool:
    """Whether a clip's file has gone, so that another file of its name and ``content`` is the clip.

    Where its whole folder has gone, or all that was in it, its disk may be away: then the content
    has to be the same, else tables and annotations of one video would become those of another.
    """
    path = Path(row["path"])
    if is_clip_on_disk(path):
        return False
    return _has_entries(path.parent) or (
        bool(row["sha256"]) and row["sha256"] == content()["sha256"]
    )


def _has_entries(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError:
        return False


def _row(clip: str, entry: ClipEntry, corpus: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "clip": clip,
        "style": entry.style,
        "performer": entry.performer,
        "take": entry.take,
        "path": str(entry.path),
        **{column: content[column] for column in ("sha256", *_LOOKS)},
        "corpus": corpus,
        "fps": entry.fps,
    }


def _not_read(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    return [report_row(printable(p.file), "not read", printable(p.message)) for p in problems]


def _name_taken(entry: ClipEntry, key: str, rows: _Rows) -> Iterator[Problem]:
    """That the key of a file is not its own, if another file has that."""
    taken = rows.by_clip.get(entry.clip)
    if key != entry.clip and taken is not None:
        message = (
            f"the name {entry.clip!r} is taken by {taken['path']}, as are annotations of that "
            f"name; this file is the clip {key!r}"
        )
        yield Problem(str(entry.path), message)


def _write_problems(
    store: Store, found: Mapping[str, list[dict[str, Any]]], rows: _Rows, *, whole: bool
) -> None:
    """Write problems by folder; where the table is missing or damaged, of all folders that count.

    Unless the registration is of the ``whole`` folders, the table then stays as it is: a tick of a
    sensor has no time for folders elsewhere, and `dance run` makes it.
    """
    named = registered_folders(store).filter(content="clips")["folder"]
    lost = [] if has_folder_problems(store) else sorted({*named} - found.keys())
    if whole or not lost:
        write_folder_problems(store, {**_problems_again(lost, rows), **found})


def _problems_again(folders: Iterable[str], rows: _Rows) -> dict[str, list[dict[str, Any]]]:
    """Problems of folders that were named before, and not by this run.

    Of their files only those that are registered count.
    """
    reported: dict[str, list[dict[str, Any]]] = {}
    for folder in folders:
        with suppress(InputError):  # its disk may be away
            scan = scan_clips(Path(folder))
            reported[folder] = _not_read(scan.problems)
            for entry in scan.entries:
                key = rows.clip_of.get(str(entry.path), entry.clip)
                taken = _name_taken(entry, key, rows)
                reported[folder] += [report_row(p.file, "noted", p.message) for p in taken]
    return reported


def _content(store: Store, path: Path) -> dict[str, Any]:
    """The columns of a clip's file. Its looks come first: of a file that changes they are old.

    Of one in a store in a bucket there are none: two machines that share it have its times each,
    and would replace each other's registry. Nor of a pointer to a clip in a bucket.
    """
    looks = _looks(store, path)
    return {"sha256": _digest(path), **looks}


def _stays(store: Store, row: Mapping[str, Any], changed: Callable[[Path], bool] | None) -> bool:
    """Whether the digest of a registered clip holds: its file has the size and times of then."""
    if not row["sha256"]:
        return False
    if changed is not None:
        return not changed(Path(row["path"]))
    looks = _looks(store, Path(row["path"]))
    return row["mtime_ns"] is not None and all(row[name] == looks[name] for name in _LOOKS)


def _looks(store: Store, path: Path) -> dict[str, Any]:
    looks: dict[str, Any] = dict.fromkeys(_LOOKS)
    if path.is_relative_to(store.path) and (store.remote or path.is_relative_to(store.raw_buckets)):
        return looks
    with suppress(OSError):
        found = [file.stat() for file in clip_files(path)]
        latest = max((f.st_mtime_ns for f in found), default=0)
        looks |= {"size": sum(f.st_size for f in found), "mtime_ns": latest}
        if path.is_dir():
            states = {file: state for file in path.iterdir() if (state := state_of(file))}
            looks["members"] = _members(states)
    return looks


def _digest(path: Path) -> str:
    try:
        return clip_digest(path)
    except OSError:
        return ""  # probing reports the reason when it opens the file itself


def _corpus_of(directory: Path) -> str:
    """The first line of a CORPUS file in or above the folder of clips, else the folder's name."""
    for folder in (directory, directory.parent):
        path = folder / CORPUS_FILE
        try:
            lines = read_text(path, "replace").strip().splitlines()
        except (OSError, InputError):
            continue
        if lines:
            return printable(lines[0].strip())[:LONGEST_LABEL]
    return printable(directory.parent.name if directory.name == "clips" else directory.name)
