"""Opening the SQLite databases of a store beside Dagster and MLflow, and what is wrong with one."""

import sqlite3
from pathlib import Path

WAIT = 60.0  # seconds that a locked database is waited for


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
