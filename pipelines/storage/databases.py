"""Where a store keeps the databases of Dagster and MLflow, and opening them beside both.

They are SQLite files of the store, unless ``databases.json`` in its root names two databases of
PostgreSQL. The first command on a new store writes that note from the environment; from then on the
note alone says where they are, so that no later command creates others.

An address holds no password: PostgreSQL's client library takes it from ``PGPASSWORD`` or from the
file of ``PGPASSFILE``. So it stands in no file, message or command line.
"""

import json
import logging
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from dance_models.errors import DamagedFileError, InputError
from dance_models.tables import read_note, write_text
from pipelines.storage.disk import AGAIN

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

WAIT = 60.0  # seconds that a locked database is waited for
SQLITE_WAIT: Final = 5.0  # the same where nobody asked for a time
CONNECT_S: Final = 10  # that a server has to take a connection
NOTE: Final = "databases.json"  # in the root of a store
MLFLOW_FILE: Final = "mlflow/mlflow.db"  # where the note names none
VARIABLES: Final = {"dagster": "DANCE_DAGSTER_DATABASE", "mlflow": "DANCE_MLFLOW_DATABASE"}
FORM: Final = "postgresql://USER@HOST:PORT/DATABASE"
SHOWN_SECRETS: Final = frozenset({"password", "sslpassword"})  # of an address's parameters
SECRETS: Final = "PGPASSWORD, or a file that PGPASSFILE names"

Address = str | Path  # of a database: of PostgreSQL, or the file of SQLite


@dataclass(frozen=True)
class Databases:
    """The addresses of a store's databases on PostgreSQL, without a password."""

    dagster: str
    mlflow: str

    def named(self) -> Iterator[tuple[str, str]]:
        """The program and the address of each."""
        yield from asdict(self).items()


def noted(root: Path) -> Databases | None:
    """The databases that the note of the store at ``root`` names; None when they are SQLite's.

    Raises InputError when the note cannot be used.
    """
    path = root / NOTE
    if not path.is_file():
        return None
    try:
        plain = read_note(path)
        return _checked(Databases(**{f.name: str(plain[f.name]) for f in fields(Databases)}))
    except (DamagedFileError, LookupError, TypeError) as error:
        raise InputError(
            "the note of the store's databases is damaged",
            file=path,
            hint=f'Write {{"dagster": "{FORM}", "mlflow": "{FORM}"}} into it',
        ) from error
    except InputError as error:
        raise InputError(error.message, file=path, hint=error.hint) from error


def named(environment: Mapping[str, str]) -> Databases | None:
    """The databases that environment variables name. Raises InputError when they cannot be used."""
    found = {name: environment.get(variable, "") for name, variable in VARIABLES.items()}
    if not any(found.values()):
        return None
    if not all(found.values()):
        raise InputError(
            f"{' and '.join(VARIABLES.values())} belong together, and one of them is not set"
        )
    return _checked(Databases(**found))


def settle_databases(root: Path, environment: Mapping[str, str], *, new: bool) -> Databases | None:
    """The databases of the store at ``root``, which are noted when the store is new.

    Raises InputError when the environment names others than the store has.
    """
    wanted, known = named(environment), noted(root)
    if wanted is None or wanted == known:
        return known
    variables = " and ".join(VARIABLES.values())
    if known is not None:
        raise InputError(
            f"{variables} name other databases than the store",
            file=root / NOTE,
            hint="Unset them; if the databases were moved, change the addresses in this file",
        )
    if not new:
        raise InputError(
            f"{variables} name databases, and this store has its own in files of SQLite",
            file=root,
            hint="Unset them for this store; a new store begins with the databases that they name",
        )
    write_text(root / NOTE, json.dumps(asdict(wanted), indent=1) + "\n", durable=True)
    return wanted


def mlflow_address(root: Path) -> Address:
    """MLflow's database of the store at ``root``."""
    known = noted(root)
    return root / MLFLOW_FILE if known is None else known.mlflow


def _checked(databases: Databases) -> Databases:
    """The same. Raises InputError, which never shows what could be a password."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    for name, address in databases.named():
        try:
            url = make_url(address)
        except (ArgumentError, ValueError):  # the latter of a port that is no number
            raise InputError(f"the address of the database of {name} is none", hint=FORM) from None
        if url.password is not None or SHOWN_SECRETS & url.query.keys():
            raise InputError(
                f"the address of the database of {name} holds a password, which would be shown",
                hint=f"Leave it out; the password goes to {SECRETS}",
            )
        if url.drivername != "postgresql" or not url.database:
            raise InputError(
                f"the address of the database of {name} is not of the form {FORM}", file=address
            )
    if databases.dagster == databases.mlflow:
        raise one_for_both(databases.mlflow)
    return databases


def one_for_both(address: str) -> InputError:
    """That a database was named for both programs."""
    return InputError(
        "Dagster and MLflow have tables of the same names and need a database each", file=address
    )


def driven(address: str) -> str:
    """An address as SQLAlchemy takes it: with the driver that is installed."""
    return address.replace("postgresql://", "postgresql+psycopg2://", 1)


def engine(address: Address, wait: float = WAIT) -> "Engine":
    """Of an existing database; it keeps no connection open. ``wait``: for a locked one, seconds."""
    from sqlalchemy import NullPool, create_engine

    if isinstance(address, Path):
        return create_engine(
            "sqlite://", creator=lambda: connect(address, wait), poolclass=NullPool
        )
    try:
        return create_engine(
            driven(address), poolclass=NullPool, connect_args={"connect_timeout": CONNECT_S}
        )
    except ModuleNotFoundError as error:
        raise InputError(
            "this store has its databases on PostgreSQL, whose client is not installed",
            hint="Install it: pip install 'dance-pose-pipeline[postgres]'",
        ) from error


@contextmanager
def connection_to(address: Address, wait: float = WAIT) -> "Iterator[Connection]":
    """A connection to an existing database that ends with the block; a change is committed.

    Raises InputError when a server cannot be reached, else SQLAlchemyError.
    """
    from sqlalchemy.exc import OperationalError

    used = engine(address, wait)
    try:
        opened = used.connect()
    except OperationalError as error:
        if isinstance(address, Path):
            raise
        raise away(address, error) from error
    with opened:
        yield opened
        opened.commit()


def away(address: str, error: Exception | None = None) -> InputError:
    """That the server of a database cannot be used, with why and what to do."""
    why = str(getattr(error, "orig", None) or "").strip().splitlines()
    said = f" ({why[0]})" if why else ""
    hint = f"Start the server, or look at the network between, {AGAIN}"
    if "does not exist" in said:
        hint = f"Create the role and the database (createdb), {AGAIN}"
    elif "password" in said:
        hint = f"Name the password by {SECRETS}, {AGAIN}"
    return InputError(f"the database cannot be reached{said}", file=address, hint=hint)


def reach(databases: Databases | None) -> None:
    """Raise InputError when a database on PostgreSQL cannot be reached."""
    for _, address in databases.named() if databases is not None else ():
        with connection_to(address):
            pass


@contextmanager
def loss_reported(databases: Databases | None) -> Iterator[None]:
    """Errors that come from a server that went away leave as InputError; others as they are."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        why = None if databases is None else _of_database(error)
        if databases is None or why is None:
            raise
        reach(databases)  # the usual case: it is still away
        raise InputError(
            f"the database ended the work ({why}); it can be reached again",
            file=databases.dagster,
            hint="Give the same command again: it continues from there. If it ends so again, mend "
            "that on the database's server",
        ) from error


def without_retries(record: logging.LogRecord) -> bool:
    """A filter of the root logger: Dagster says for each retry what the error says at the end."""
    return not str(record.msg).startswith("Retrying failed database connection")


def _of_database(error: BaseException | None) -> str | None:
    """What PostgreSQL or the connection to it said, in an error or one that it was raised from.

    None when they said nothing. It may be a full disk or a missing right as well as a lost
    connection.
    """
    while error is not None:
        # Raised in another process, an error has its causes as text.
        text = f"{type(error).__module__}.{type(error).__name__} {error}"
        if any(name in text for name in ("DagsterPostgresException", "psycopg2", "DB connection")):
            said = str(getattr(error, "orig", None) or error).strip().splitlines()
            return said[0] if said else type(error).__name__
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def alone(databases: Databases | None, what: str) -> Iterator[None]:
    """Waits until no other process, on whatever machine, does ``what`` with these databases.

    Files of SQLite are not shared between machines: for them this does nothing. Where the
    connection is lost meanwhile, the work goes on to its end, and a line says so.
    """
    if databases is None:
        yield
        return
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    lock = {"lock": _lock_number(what)}
    with connection_to(databases.mlflow) as connection:
        # It ends with the connection, also with one whose process was killed.
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), lock)
        connection.commit()  # a server may end connections that are idle in a transaction
        try:
            yield
        finally:
            try:
                connection.execute(text("SELECT pg_advisory_unlock(:lock)"), lock)
            except DBAPIError:
                connection.rollback()  # of the lost connection: nothing more is asked of it
                logging.getLogger(__name__).warning(
                    f"The connection to PostgreSQL that held the lock {what} was lost. The work "
                    "went on; if another machine worked at the same time, repeat the command"
                )


def _lock_number(what: str) -> int:
    """PostgreSQL names its locks by numbers of 64 bits."""
    return int.from_bytes(sha256(what.encode()).digest()[:8], signed=True)


def wait_for_locks() -> None:
    """From now on, this process waits :data:`WAIT` for a database of SQLite that is in use.

    Dagster's storages of runs and schedules leave it at :data:`SQLITE_WAIT`, after which a run
    fails whose state cannot be written. A connection that asks for another time keeps it.
    """
    from sqlalchemy import Engine, event

    if not event.contains(Engine, "connect", _be_patient):
        event.listen(Engine, "connect", _be_patient)


def _be_patient(connection: Any, record: object) -> None:
    if not isinstance(connection, sqlite3.Connection):
        return  # of PostgreSQL
    (now,) = connection.execute("PRAGMA busy_timeout").fetchone()
    if now == 1000 * SQLITE_WAIT:
        connection.execute(f"PRAGMA busy_timeout = {1000 * WAIT:.0f}")


@contextmanager
def held_open() -> Iterator[None]:
    """Within the block, what is written to SQLite databases waits for the disk less often.

    Dagster connects anew for every event. Of a database with a write-ahead log (WAL), the last
    connection that is closed copies the log into the file and waits for the disk, so one more is
    held here until the end. A commit does not wait for the disk either: one that was done outlives
    the process however it ends, and only a power cut can take the last ones back, which damages
    nothing; the stages that they told of are made again.
    """
    from sqlalchemy import Engine, event

    held: dict[str, sqlite3.Connection] = {}
    adding = Lock()

    def hold(connection: Any, record: object) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return  # of PostgreSQL
        with adding, suppress(sqlite3.Error):  # who works with a damaged one is told of it then
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                return
            connection.execute("PRAGMA synchronous = NORMAL")
            path = connection.execute("PRAGMA database_list").fetchone()[2]
            if path not in held:
                held[path] = sqlite3.connect(path, check_same_thread=False)
                held[path].execute("PRAGMA schema_version").fetchone()  # it opens the file now

    event.listen(Engine, "connect", hold)
    try:
        yield
    finally:
        event.remove(Engine, "connect", hold)
        for connection in held.values():
            connection.close()


def tables_of(connection: "Connection") -> set[str]:
    """The names of a database's tables."""
    from sqlalchemy import inspect

    return set(inspect(connection).get_table_names())


def connect(path: Path, timeout: float = WAIT) -> sqlite3.Connection:
    """A connection to the existing database ``path``; transactions are begun by the caller.

    It is opened for writing even by those who only read: where a process was killed in a
    transaction, the next to open the database rolls it back, and one that may only read fails with
    "attempt to write a readonly database". On a disk that cannot be written SQLite opens it for
    reading by itself. Raises sqlite3.OperationalError when there is no such file.
    """
    return sqlite3.connect(
        f"{path.as_uri()}?mode=rw", timeout=timeout, isolation_level=None, uri=True
    )


def damage(error: sqlite3.DatabaseError, path: Path) -> str:
    """What an error of opening the database ``path`` says of the file."""
    if error.sqlite_errorcode == sqlite3.SQLITE_CORRUPT:
        return f"is damaged or was cut off ({path.stat().st_size} bytes are there)"
    return f"is damaged ({error})"
