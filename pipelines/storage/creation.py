"""Creating the databases of a store, once, and recognising those that cannot be used.

Dagster and MLflow create a database table by table and note its version at the end. Two processes
that do so at once leave one with two versions, which neither tool opens again. So a database is
created under another name, by one process at a time, and renamed when it is complete. A database of
PostgreSQL is created in place, by one process at a time, and counts as created when what is written
last is there.
"""

import json
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import dagster as dg
import yaml

from dance_models.errors import InputError
from pipelines.storage.databases import NOTE, Address, connect, connection_to, damage, tables_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

CREATING: Final = ".creating"  # in Dagster's home: what is not complete yet
CONFIG: Final = "dagster.yaml"
# Dagster's databases, and what deleting one loses.
DATABASES: Final = {
    "history/runs.db": "the list of runs is lost; results stay fresh",
    "history/runs/index.db": "what was made from which inputs is lost, so everything is made again",
    "schedules/schedules.db": "what sensors and the schedule have handled is lost",
}
MLFLOW_LOST: Final = "runs, registered versions and aliases are lost; trainings stay"
# Keys of an edited ``dagster.yaml`` that put the databases elsewhere.
STORAGES: Final = ("storage", "run_storage", "event_log_storage", "schedule_storage")
NOTED: Final = f"# from {NOTE} of the store"  # ends the line that the store keeps up to date
# A table that is filled last, by set_pools; MLflow's is the experiment of this pipeline.
FILLED_LAST: Final = "concurrency_limits"
VERSION: Final = "alembic_version"
# Dagster's table of what its programs remember, and the key under which it has the store's path.
REMEMBERED: Final = "kvs"
OWNER: Final = "dance/store"


def without_storage(text: str) -> str:
    """A ``dagster.yaml`` without the line that names the store's databases on PostgreSQL."""
    return "".join(line for line in text.splitlines(keepends=True) if NOTED not in line)


def with_storage(text: str, address: str) -> str:
    """A ``dagster.yaml`` that keeps Dagster's tables in a database on PostgreSQL.

    Raises InputError when it was edited to keep them elsewhere.
    """
    rest = without_storage(text)
    if _names_storage(rest):
        raise InputError(
            f"{CONFIG} names a storage, and the store's {NOTE} another one",
            hint=f"Delete {' or '.join(STORAGES)} from {CONFIG}",
        )
    own = json.dumps({"postgres": {"postgres_url": address}})  # JSON is YAML
    end = "" if rest.endswith("\n") or not rest else "\n"
    return f"{rest}{end}storage: {own}  {NOTED}\n"


def has_own_storage(home: Path) -> bool:
    """Whether the ``dagster.yaml`` was edited to keep the databases elsewhere."""
    try:
        return _names_storage((home / CONFIG).read_text("utf-8"))
    except OSError:
        return False


def _names_storage(text: str) -> bool:
    try:
        plain = yaml.safe_load(text)
    except yaml.YAMLError:
        return False
    return isinstance(plain, dict) and any(key in plain for key in STORAGES)


def is_created(home: Path) -> bool:
    """Whether all of Dagster's databases are there."""
    return all((home / name).is_file() for name in DATABASES)


def create_databases(home: Path, pools: Mapping[str, int]) -> None:
    """Create those of Dagster's databases that are missing. The caller holds the creation lock.

    A process that is killed here leaves nothing but a folder that the next one begins anew.
    """
    part = home / CREATING
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    shutil.copyfile(home / CONFIG, part / CONFIG)
    with dg.DagsterInstance.from_config(str(part)) as instance:
        set_pools(instance, pools)
    for name in DATABASES:
        with closing(sqlite3.connect(part / name)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        if not (home / name).exists():
            (part / name).replace(home / name)
    shutil.rmtree(part, ignore_errors=True)


def is_created_on_server(address: str, root: Path) -> bool:
    """Whether Dagster's tables are complete in a database of the store at ``root`` on PostgreSQL.

    Raises InputError when it cannot be reached, when two processes created it, or when it is of
    another store.
    """
    from sqlalchemy import text

    with connection_to(address) as connection:
        if not {FILLED_LAST, VERSION, REMEMBERED} <= tables_of(connection):
            return False
        owner = owner_of(connection)
        if owner not in (None, str(root)):
            raise in_use(root, f"that of Dagster belongs to the store {owner}")
        versions, filled = (
            int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())
            for table in (VERSION, FILLED_LAST)
        )
    if versions > 1:
        raise _unusable(address, _of_versions(versions))
    return bool(versions and filled)


def owner_of(connection: "Connection") -> str | None:
    """The store that Dagster's database says it belongs to; None for one of an earlier version."""
    from sqlalchemy import text

    query = text(f"SELECT value FROM {REMEMBERED} WHERE key = :key")
    owner: str | None = connection.execute(query, {"key": OWNER}).scalar()
    return owner


def in_use(root: Path, why: str) -> InputError:
    """That the databases on PostgreSQL of the store at ``root`` are those of another one."""
    return InputError(
        f"the databases that this store names are in use: {why}",
        file=root / NOTE,
        hint="Each store needs two databases of its own: name others in this file (for a copy, "
        "made from a dump of these)",
    )


def create_on_server(home: Path, address: str, pools: Mapping[str, int], root: Path) -> None:
    """Create Dagster's tables in an empty database. The caller holds the creation lock.

    Raises InputError when it is not empty.
    """
    with connection_to(address) as connection:
        tables = sorted(tables_of(connection))
    if tables:
        fault = _of_versions(0) if "event_logs" in tables or "runs" in tables else None
        raise _unusable(address, fault or f"has tables that are not Dagster's, such as {tables[0]}")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.run_storage.set_cursor_values({OWNER: str(root)})
        set_pools(instance, pools)


def pools_differ(instance: dg.DagsterInstance, pools: Mapping[str, int]) -> bool:
    """Whether a pool has another limit than it should have."""
    found = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
    return any(found.get(name) != limit for name, limit in pools.items())


def set_pools(instance: dg.DagsterInstance, pools: Mapping[str, int]) -> None:
    """Set the limits of pools."""
    for name, limit in pools.items():
        instance.event_log_storage.set_concurrency_slots(name, limit)


def check_databases(home: Path) -> None:
    """Raise InputError for a database of Dagster that cannot be used, with what to do."""
    for name, lost in DATABASES.items():
        check_database(home / name, lost)


def check_database(path: Address, lost: str) -> None:
    """Raise InputError when a database is damaged or half created; ``lost`` says what it holds."""
    fault = _fault(path) if isinstance(path, Path) else _fault_on_server(path)
    if fault is None:
        return
    if isinstance(path, str):
        raise _unusable(path, fault)
    raise InputError(
        f"the database {fault}",
        file=path,
        hint=f"Restore it from a backup, or delete it with {_names(path)}: the next command "
        f"creates a new one; {lost}",
    )


def _unusable(address: str, fault: str | None) -> InputError:
    return InputError(
        f"the database {fault}",
        file=address,
        hint="Restore it from a backup (pg_restore), or replace it by an empty one (dropdb, "
        "createdb)",
    )


def _fault_on_server(address: str) -> str | None:
    """What is wrong with the version of the tables on a server; None for nothing."""
    from sqlalchemy import text

    with connection_to(address) as connection:
        if VERSION not in tables_of(connection):
            return _of_versions(0)
        query = text(f"SELECT count(*) FROM {VERSION}")
        return _of_versions(int(connection.execute(query).scalar_one()))


def _of_versions(count: int) -> str | None:
    if count > 1:
        return f"has {count} versions: two processes of an earlier version created it"
    return None if count else "was never completed: the process that created it was killed"


def _names(path: Path) -> str:
    return " and ".join(f"{path.name}{end}" for end in ("-wal", "-shm"))


def _fault(path: Path) -> str | None:
    """Why a database cannot be used, None when it can, when it is missing or in use."""
    if not path.is_file():
        return None
    if not path.stat().st_size:
        return "is empty"
    # SQLite looks at it, not this process: closing the file here would drop the locks that other
    # connections of this process have on it.
    try:
        with closing(connect(path)) as connection:
            count = connection.execute(f"SELECT count(*) FROM {VERSION}").fetchone()[0]
    except sqlite3.OperationalError as error:
        # Otherwise locked, or on a disk that cannot be written: its user says so.
        count = 0 if "no such table" in str(error) else 1
    except sqlite3.DatabaseError as error:
        return damage(error, path)
    return _of_versions(count)
