"""Where a store lies, and what is mended when it was moved or copied.

MLflow's database and the tables of registered files hold absolute paths. A store remembers the
path that it was last opened at. When it is opened at another one, every address below the old path
is rewritten to the new one: in MLflow's database in one transaction, in each file by a rename. The
remembered path is written last, so a mending that was killed is done again. Nothing is read from or
written to the old path: a copy mends itself, and its original stays as it is. Of a store whose
databases are on PostgreSQL only a move is mended: a copy names the databases of its original.
"""

import json
import logging
import re
import sqlite3
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlparse

import polars as pl

from dance_models.errors import DamagedFileError, InputError
from dance_models.tables import read_metadata, read_note, read_table, write_table, write_text
from pipelines.storage.creation import (
    MLFLOW_LOST,
    OWNER,
    REMEMBERED,
    check_database,
    in_use,
    owner_of,
)
from pipelines.storage.databases import NOTE, connection_to, mlflow_address, noted, tables_of
from pipelines.storage.locks import file_lock

PLACE: Final = ".place.json"
_FOREIGN: Final = "restored with"  # in it: databases of the original
LOCK: Final = ".creation.lock"  # of first creation and of mending
EXPERIMENT: Final = "dance-pose"
# What registering makes again by itself: problems of what was named.
DERIVED: Final = ("clip_folder_problems", "annotation_file_problems")
# Tables of registered files below ``tables/``, whose text columns hold absolute paths.
TABLES: Final = ("raw_clips", "raw_annotations", "raw_motion", "registered_folders", *DERIVED)
# Columns of MLflow's database that hold addresses.
ADDRESSES: Final = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("datasets", "dataset_source"),
    ("experiment_tags", "value"),
    ("tags", "value"),
    ("logged_model_tags", "value"),
    ("model_version_tags", "value"),
)
RECORDS: Final = "mlflow/artifacts/*/artifacts/lineage.json"

Moved = Callable[[str], str]
Written = tuple[int, int, int]  # inode, modification time in ns, size


def known_as(root: Path) -> Path:
    """The path that the store at ``root`` is used by.

    One folder that is mounted twice has two paths. The remembered one is used then, so that
    commands that name either of them do not mend the store in turns.
    """
    place = remembered(root)
    if place is None or place == root:
        return root
    try:
        # A link at the old path is not a second mount: it may be removed at any time.
        same = place.resolve() == place and place.samefile(root)
    except OSError:
        return root
    return place if same else root


def remembered(root: Path) -> Path | None:
    """The path that the store was last opened at; None when it is not known."""
    try:
        plain = json.loads((root / PLACE).read_text("utf-8"))
        return Path(plain["path"])
    except (OSError, ValueError, KeyError, TypeError):
        return _place_by_mlflow(root)


def settle(root: Path) -> str | None:
    """Mend what a move or copy of the store at ``root`` broke; the line that was logged.

    Does nothing when there is no store. Raises InputError when the store cannot be written.
    """
    if not root.is_dir() or _remembers(root):
        return None
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with file_lock(root / LOCK):
            if _remembers(root):
                return None
            old = remembered(root)
            line = None
            if old is not None and old != root:
                _refuse_shared(root, old)
                mend(root, old)
                line = f"This store was moved from {old} to {root}; its addresses were mended."
                logging.getLogger(__name__).warning(line)
            write_text(root / PLACE, json.dumps({"path": str(root)}) + "\n", durable=True)
            return line
    except (OSError, sqlite3.Error, SQLAlchemyError) as error:
        if remembered(root) in (None, root):
            return None  # it cannot be written, and there is nothing to mend
        raise InputError(
            f"the store was moved, and its addresses cannot be mended: {error}",
            file=root,
            hint="Make the store writable and repeat the command",
        ) from error


def note_foreign_databases(root: Path) -> None:
    """Note in a restored store that its databases on PostgreSQL are those of its original.

    At another path, where the original may not be seen, it would else rewrite their addresses.
    """
    if (root / NOTE).is_file() and (root / PLACE).is_file():
        plain = {**read_note(root / PLACE), _FOREIGN: read_note(root / NOTE)}
        write_text(root / PLACE, json.dumps(plain) + "\n", durable=True)


def _foreign(root: Path) -> object:
    """The databases that a restored store must not use; None when it was not restored."""
    try:
        return read_note(root / PLACE).get(_FOREIGN)
    except DamagedFileError:
        return None


def _refuse_shared(root: Path, old: Path) -> None:
    """Raise InputError when the databases on PostgreSQL are those of the store at ``old``."""
    databases = noted(root)
    if databases is None:
        return
    copy = (old.is_dir() and noted(old) == databases) or _foreign(root) == asdict(databases)
    if copy or not (root / PLACE).is_file():  # else it was moved
        what = "this is a copy of" if copy else "they belong to"
        raise in_use(root, f"{what} the store {old}")


def _remembers(root: Path) -> bool:
    return (root / PLACE).is_file() and remembered(root) == root


def mend(root: Path, old: Path) -> None:
    """Rewrite every address below ``old`` to one below ``root``; doing it twice changes nothing."""
    moved = mover(old, root)
    _mend_mlflow(root, moved)
    _mend_dagster(root, moved)
    for path in root.glob(RECORDS):
        try:
            record = json.loads(path.read_text("utf-8"))
        except ValueError:  # damaged: `dance lineage` says so
            continue
        mended = _in_json(record, moved)
        if mended != record:
            write_text(path, json.dumps(mended, indent=1, sort_keys=True), durable=True)
    for name in TABLES:
        path = root / "tables" / f"{name}.parquet"
        if path.is_file():
            with suppress(InputError) if name in DERIVED else nullcontext():
                _mend_table(path, moved)


def mover(old: Path, new: Path) -> Moved:
    """A function that replaces ``old`` by ``new`` at the start of every path or URI in a text."""
    forms = [(old.as_uri(), new.as_uri()), (str(old), str(new))]
    patterns = []
    for before, after in forms:
        # A store that was copied into itself: what is mended begins with the old path too.
        rest = after.removeprefix(before) if after.startswith(f"{before}/") else ""
        mended = rf"(?!{re.escape(rest)}(?:/|$))" if rest else ""
        start, end = r"(?<![^\s\"'(])", r"(?=[/\s\"'):,;]|$)"
        patterns.append((re.compile(f"{start}{re.escape(before)}{mended}{end}"), after))

    def moved(text: str) -> str:
        for pattern, after in patterns:
            text = pattern.sub(lambda match, after=after: after, text)  # type: ignore[misc]
        return text

    return moved


def _mend_mlflow(root: Path, moved: Moved) -> None:
    """In one transaction. Columns that this version of MLflow does not have are left out."""
    from sqlalchemy import inspect, text

    address = mlflow_address(root)
    if isinstance(address, Path):
        if not address.is_file():
            return
        check_database(address, MLFLOW_LOST)
    with connection_to(address) as connection:
        if isinstance(address, Path):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        tables = tables_of(connection)
        for table, column in ADDRESSES:
            found = inspect(connection).get_columns(table) if table in tables else []
            if column not in {each["name"] for each in found}:
                continue
            rows = connection.execute(text(f"SELECT DISTINCT {column} FROM {table}"))
            mended = [(_mended(value, moved), value) for (value,) in rows if value]
            changed = [{"new": new, "old": value} for new, value in mended if new != value]
            if changed:
                update = f"UPDATE {table} SET {column} = :new WHERE {column} = :old"
                connection.execute(text(update), changed)


def _mend_dagster(root: Path, moved: Moved) -> None:
    """On PostgreSQL its database says whose it is."""
    from sqlalchemy import text

    if (databases := noted(root)) is None:
        return
    with connection_to(databases.dagster) as connection:
        if REMEMBERED not in tables_of(connection):
            return
        owner = owner_of(connection)
        if owner is not None and (new := moved(owner)) != owner:
            update = text(f"UPDATE {REMEMBERED} SET value = :new WHERE key = :key")
            connection.execute(update, {"new": new, "key": OWNER})


def _mended(value: str, moved: Moved) -> str:
    """An address, or JSON with addresses in it, such as the source of a data set."""
    if not value.startswith(("{", "[")):
        return moved(value)
    try:
        plain = json.loads(value)
    except ValueError:
        return moved(value)
    mended = _in_json(plain, moved)
    return value if mended == plain else json.dumps(mended)


def read_registry(path: Path) -> pl.DataFrame:
    """A table of registered files. Raises InputError when it is damaged.

    It is not made again by itself: it holds what only the user can say.
    """
    return _read_registry(path, written_at(path))


def written_at(path: Path) -> Written | None:
    """What tells one writing of a table from the next; None when there is none."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=len(TABLES))
def _read_registry(path: Path, written: Written | None) -> pl.DataFrame:
    """As it was ``written``: every stage of every clip looks up its row."""
    try:
        return read_table(path)
    except DamagedFileError as error:
        raise InputError(
            f"the registry {path.stem} of the store is damaged ({error.message})",
            file=path,
            hint="Restore it from a backup, or delete the file and name the folders again "
            "(--clips, --annotations, --motion): what was made of unchanged files is kept",
        ) from error


def _mend_table(path: Path, moved: Moved) -> None:
    table = read_registry(path)
    texts = [name for name, kind in table.schema.items() if kind == pl.String]
    mended = table.with_columns(
        pl.Series(
            name,
            [None if value is None else moved(value) for value in table[name]],
            dtype=pl.String,
        )
        for name in texts
    )
    if not mended.equals(table):
        own = {k: v for k, v in read_metadata(path).items() if k != "ARROW:schema"}
        write_table(mended, path, own, durable=True)


def _in_json(value: Any, moved: Moved) -> Any:
    if isinstance(value, dict):
        return {moved(key): _in_json(item, moved) for key, item in value.items()}
    if isinstance(value, list):
        return [_in_json(item, moved) for item in value]
    return moved(value) if isinstance(value, str) else value


def _place_by_mlflow(root: Path) -> Path | None:
    """Where a store of an earlier version was made, by its experiment in MLflow."""
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    address = mlflow_address(root)
    if isinstance(address, Path) and not address.is_file():
        return None
    query = text("SELECT artifact_location FROM experiments WHERE name = :name")
    try:
        with connection_to(address) as connection:
            if "experiments" not in tables_of(connection):
                return None
            row = connection.execute(query, {"name": EXPERIMENT}).fetchone()
    except (sqlite3.Error, SQLAlchemyError):  # that it is damaged is said where it is opened
        return None
    if row is None or not str(row[0]).startswith("file://"):
        return None
    return Path(unquote(urlparse(row[0]).path)).parent.parent
