"""What scratch of a store in a bucket remembers of objects, in a database of SQLite.

For each object the file that it was made of or fetched into (size, time, MD5) and its ETag, and how
much travelled so far.
"""

import hashlib
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from dance_models.errors import InputError
from pipelines.storage.databases import damage
from pipelines.storage.disk import AGAIN

KNOWN: Final = ".remote.known"  # in scratch


class Kept(NamedTuple):
    """A file as it was when it was sent or fetched, and the ETag of its object."""

    size: int
    mtime_ns: int
    md5: str
    # "" when another machine deleted the object: the file is not sent again as it is, unless a
    # manifest names it.
    etag: str


class Traffic(NamedTuple):
    """How much travelled between scratch and bucket."""

    sent: int = 0  # files
    sent_bytes: int = 0
    fetched: int = 0
    fetched_bytes: int = 0

    def since(self, before: "Traffic") -> "Traffic":
        """What came after ``before``."""
        return Traffic(*(now - then for now, then in zip(self, before, strict=True)))

    def __str__(self) -> str:
        return (
            f"{self.sent} files sent ({self.sent_bytes:,} bytes), "
            f"{self.fetched} fetched ({self.fetched_bytes:,} bytes)"
        )


@dataclass(frozen=True)
class Notes:
    """The notes of the scratch ``root``; any number of processes may use them."""

    root: Path

    def known(self, names: Collection[str] | None = None) -> dict[str, Kept]:
        """What is remembered of objects: of all, or of these names."""
        with self.opened() as notes:
            if names is None:
                rows = notes.execute("SELECT * FROM known").fetchall()
            else:
                one = "SELECT * FROM known WHERE name = ?"
                rows = [row for name in names for row in notes.execute(one, (name,))]
        return {name: Kept(*kept) for name, *kept in rows}

    def remember(self, name: str, kept: Kept) -> None:
        """Remember an object, in the place of what was remembered of it."""
        with self.opened() as notes:
            notes.execute("INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?, ?)", (name, *kept))

    def forget(self, names: Iterable[str]) -> None:
        """Remember nothing of some objects."""
        with self.opened() as notes:
            notes.executemany("DELETE FROM known WHERE name = ?", [(name,) for name in names])

    def traffic(self) -> Traffic:
        """What travelled since scratch is there, by all processes."""
        with self.opened() as notes:
            return Traffic(*notes.execute("SELECT * FROM traffic").fetchone())

    def count(self, more: Traffic) -> None:
        """Add what travelled."""
        added = ", ".join(f"{name} = {name} + ?" for name in Traffic._fields)
        with self.opened() as notes:
            notes.execute(f"UPDATE traffic SET {added}", more)

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """The database, in one transaction. Raises InputError when it is damaged."""
        path = self.root / KNOWN
        try:
            with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as notes:
                notes.execute("PRAGMA synchronous = OFF")  # losing it costs comparisons, no data
                notes.execute("BEGIN IMMEDIATE")
                if not notes.execute("SELECT 1 FROM sqlite_master").fetchone():
                    columns = "size INTEGER, mtime_ns INTEGER, md5 TEXT, etag TEXT"
                    notes.execute(f"CREATE TABLE known (name TEXT PRIMARY KEY, {columns})")
                    notes.execute(f"CREATE TABLE traffic ({', '.join(Traffic._fields)})")
                    notes.execute("INSERT INTO traffic VALUES (0, 0, 0, 0)")
                yield notes
                notes.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise  # a lock, a full disk: reported as of any database
            hint = f"Delete it, {AGAIN}: objects and files are compared once more, no data is lost"
            raise InputError(
                f"what is remembered of the bucket {damage(error, path)}", file=path, hint=hint
            ) from error


def md5_of(path: Path) -> str:
    """MD5 of a file, as servers have it for the ETag of most objects."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
