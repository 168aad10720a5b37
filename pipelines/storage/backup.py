"""Copies of a whole store, made while it is in use, and stores made from such a copy.

The databases are copied with SQLite's online backup, before the files: what a database refers to
is then there. A file that is newer than the database's record of it counts as stale and is made
again. Every file but the databases is written under another name and renamed, so none is copied
half-written. Databases on PostgreSQL are dumped, where its tool for that is installed.
"""

import errno
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from dance_models.errors import InputError
from dance_models.files import FULL, flush, flush_below, is_part_of, part_of, resolved, writer_of
from dance_models.tables import file_digest, read_table, write_text
from dance_models.text import brief
from pipelines.processes import has_ended
from pipelines.storage.databases import connect
from pipelines.storage.disk import require_space
from pipelines.storage.dumps import FOLDER as DUMPS
from pipelines.storage.dumps import README, dump
from pipelines.storage.evaluations import FOLDER as EVALUATIONS
from pipelines.storage.packs import PACKS
from pipelines.storage.place import note_foreign_databases
from pipelines.storage.registration import registration_lock
from pipelines.storage.remote import LOCAL
from pipelines.storage.store import CLIP_COPIES, Store

ROOM_MB: Final = 1  # where the store is
CONTENTS: Final = "backup.json"  # path in the backup -> sha256
DATABASE: Final = ".db"
# Folders of a store: copies of what is in a bucket, and second copies of files.
NOT_COPIED: Final = frozenset({CLIP_COPIES, PACKS.rstrip("/")})
# Where databases lie, in a store and in those of evaluations in it. Elsewhere, as among clips, a
# file of that name may be anything.
WITH_DATABASES: Final = frozenset({"dagster_home", "mlflow"})
# Kept beside a database while it is open, locks, files that are being written.
LEFT_OUT: Final = (".db-wal", ".db-shm", ".db-journal", ".lock", ".part")


def back_up(store: Store, target: Path) -> int:
    """Copy a store to the folder ``target``, which appears when it is complete; bytes copied.

    Clips, annotations and motion that are registered outside of the store are not in it, nor is
    what links lead to (:func:`outside`). Raises InputError when the target exists, lies in the
    store, or cannot be written.
    """
    target = target.expanduser().resolve()
    if target.is_relative_to(store.path):
        raise InputError("the backup would lie in the store itself", file=target)
    with _Appearing(target) as part:
        contents: dict[str, str] = {}
        # A registration changes the registries and Dagster's partitions together.
        with registration_lock(store):
            if (databases := store.databases) is not None:
                contents.update((name, file_digest(part / name)) for name in dump(databases, part))
            registries = sorted(store.path.glob("tables/*.parquet"))
            for path in [*_files(store.path, databases=True), *registries]:
                _copy(path, part / store.relative(path), contents, store.relative(path))
        for path in _files(store.path, databases=False):
            name = store.relative(path)
            # Of a restored store: its databases as they were then, not as they are.
            old_dump = databases is not None and name.startswith(f"{DUMPS}/")
            if name not in contents and not old_dump:
                _copy(path, part / name, contents, name)
        write_text(part / CONTENTS, json.dumps(contents, indent=1, sort_keys=True) + "\n")
        return sum((part / name).stat().st_size for name in contents)


def restore(backup: Path, store: Store) -> int:
    """Make a store from a backup and compare every file; how many files.

    Raises InputError when the folder is no backup, is damaged, or when the store exists or lies
    in a bucket.
    """
    if store.remote is not None:
        raise InputError(
            "a backup cannot be restored into a bucket",
            file=store.remote.bucket.url,
            hint="Restore it into a folder of this machine (--store DIR), and use the store there",
        )
    listed = backup / CONTENTS
    if not listed.is_file():
        raise InputError("this folder is no backup", file=backup, hint="See `dance backup`")
    contents = _contents(listed)
    with _Appearing(store.path) as part:
        for name, sha256 in contents.items():
            source, target = backup / name, part / name
            if not source.is_file():
                raise InputError("a file of the backup is missing", file=source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
            if file_digest(target) != sha256:
                raise InputError("a file of the backup is damaged", file=source)
        note_foreign_databases(part)
    return len(contents)


def _contents(listed: Path) -> dict[str, str]:
    """The list of a backup's files. Raises InputError for one that cannot be followed."""
    try:
        plain = json.loads(listed.read_text("utf-8"))
        contents = {str(name): str(sha256) for name, sha256 in plain.items()}
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(
            f"the list of the backup's files is damaged ({brief(error)})",
            file=listed,
            hint="Restore another backup: without the list no file can be compared",
        ) from error
    for path in map(Path, contents):
        if path.is_absolute() or ".." in path.parts:
            raise InputError(
                f"the list of the backup's files names {path}, which is not in a backup",
                file=listed,
                hint="`dance backup` wrote no such list: look at where it comes from",
            )
    return contents


def note_of_databases(folder: Path) -> str | None:
    """What a backup says of databases on PostgreSQL; None when all of them are files in it."""
    path = folder / README
    return path.read_text("utf-8") if path.is_file() else None


def outside(store: Store) -> list[str]:
    """What no backup has: registered files outside of the store or in a bucket, and links."""
    found: list[str] = []
    for name in ("raw_clips", "raw_annotations", "raw_motion"):
        path = store.table(name)
        if path.is_file():
            found += read_table(path, columns=["path"])["path"].to_list()
    pointers = store.raw_buckets.resolve()  # what they point to is no file of the store
    far = [
        path
        for path in found
        if not Path(path).is_relative_to(store.path) or Path(path).is_relative_to(pointers)
    ]
    named = set(far).union(*(map(str, Path(path).parents) for path in far))
    # Of a folder that leads to registered files these are named, by where they are.
    return [*far, *(str(link) for link in _links(store.path) if str(resolved(link)) not in named)]


def _links(root: Path) -> Iterator[Path]:
    """The links below a folder: what they lead to may be anything, and is not copied."""
    for folder, folders, names in os.walk(root):
        paths = (Path(folder, name) for name in sorted((*folders, *names)))
        yield from (path for path in paths if path.is_symlink())


class _Appearing:
    """A folder under another name that gets its own when the block ends without an error.

    All of it is on the disk by then: a power cut leaves no part of it under that name.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.part = part_of(target)

    def __enter__(self) -> Path:
        if self.target.exists() and (not self.target.is_dir() or any(self.target.iterdir())):
            raise InputError(
                "this exists already", file=self.target, hint="Choose a folder that does not"
            )
        if self.target.is_mount():
            raise InputError(
                "another disk is mounted here, and a folder that appears at once cannot take its "
                "place",
                file=self.target,
                hint=f"Name a folder in it, such as {self.target / 'store'}",
            )
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            self._remove_left()
            self.part.mkdir(mode=0o700)
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", file=self.part) from error
        return self.part

    def _remove_left(self) -> None:
        """What a process that was killed left of the same folder."""
        for path in self.target.parent.glob(".*.part"):
            writer = writer_of(path)
            ended = writer is not None and has_ended(writer)
            if path == self.part or (ended and is_part_of(path, self.target)):
                shutil.rmtree(path, ignore_errors=True)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                flush_below(self.part)
                self.part.replace(self.target)
                flush(self.target.parent)
        except OSError as refused:
            raise InputError(
                f"what was copied cannot take its place here: {refused.strerror}",
                file=self.target,
                hint="Another process may have made the folder meanwhile, or a volume is mounted "
                "here; choose a folder that does not exist",
            ) from refused
        finally:
            shutil.rmtree(self.part, ignore_errors=True)  # of what did not appear
        if isinstance(error, OSError) and error.errno in FULL:
            raise InputError(
                "the disk is full",
                file=self.target.parent,  # of a copy the error names what was read
                hint="Free space on it, or choose a folder on another disk",
            ) from error
        if isinstance(error, OSError):
            raise InputError(
                f"cannot be copied: {error.strerror}",
                file=error.filename or self.target,
                hint="Is there room on the disk?",
            ) from error


def _files(root: Path, *, databases: bool) -> Iterator[Path]:
    """The databases below a folder, or all other regular files that are kept."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted({*folders} - (NOT_COPIED if Path(folder) == root else set()))
        for name in sorted(names):
            path = Path(folder, name)
            if name.endswith(LEFT_OUT) or name in LOCAL or not _is_regular(path):
                continue
            if _is_database(path.relative_to(root)) == databases:
                yield path


def _is_regular(path: Path) -> bool:
    """Whether a file is a regular one; not one that was deleted since its folder was listed."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _is_database(path: Path) -> bool:
    """Whether a file of a store is a database, by its path in the store."""
    own = path.parts[2:] if path.parts[0] == EVALUATIONS else path.parts
    return path.suffix == DATABASE and not WITH_DATABASES.isdisjoint(own[:1])


def _copy(source: Path, target: Path, contents: dict[str, str], name: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if _is_database(Path(name)):
        try:
            _copy_database(source, target)
        except sqlite3.Error as error:
            if not source.exists():  # of a run that was deleted since the folder was listed
                target.unlink(missing_ok=True)
                return
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                raise OSError(errno.ENOSPC, str(error), str(target)) from error
            require_space(source.parent, ROOM_MB)  # only to open it SQLite needs some, too
            raise InputError(f"the database cannot be copied: {error}", file=source) from error
    else:
        try:
            shutil.copy2(source, target)
        except FileNotFoundError:  # replaced or deleted since the folder was listed
            return
    contents[name] = file_digest(target)


def _copy_database(source: Path, target: Path) -> None:
    """A consistent copy of a database in use. Raises sqlite3.Error."""
    with (
        closing(connect(source)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        live.backup(copy)
