"""Common parts of registering clips, annotation files and motion files.

Files are registered by reference: a table holds their paths and the sha256 of their content.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, cast

import dagster as dg
import polars as pl

from dance_models.errors import ChangedError
from dance_models.files import steady
from dance_models.tables import Schema
from pipelines.storage.locks import owned
from pipelines.storage.place import TABLES, Written, read_registry, written_at
from pipelines.storage.store import Store

P = ParamSpec("P")
T = TypeVar("T")

VERSION_TAG: Final = "dagster/data_version"  # Dagster's own tag of a data version


def read_registered(store: Store, asset: str, schema: Schema) -> pl.DataFrame:
    """A table of registered files, empty before the first registration.

    Columns that were added after it was written read as null. Raises InputError when the table is
    damaged: it holds what only the user can say.
    """
    return registered_in(store.table(asset), schema)


def registered_in(path: Path, schema: Schema) -> pl.DataFrame:
    """:func:`read_registered` of the file of a table."""
    if not path.is_file():
        return pl.DataFrame(schema=schema)
    table = read_registry(path)
    added = [pl.lit(None, kind).alias(c) for c, kind in schema.items() if c not in table.columns]
    return table.with_columns(added).select(*schema)


def indexed(store: Store, asset: str, index: Callable[[Path], T]) -> T:
    """What ``index`` makes of the file of a registry, kept until that is written again.

    For what every stage of every clip looks up: asking the table takes longer than all else.
    """
    path = store.table(asset)
    return cast("T", _indexed(path, written_at(path), index))


@lru_cache(maxsize=16)
def _indexed(path: Path, written: Written | None, index: Callable[[Path], Any]) -> Any:
    return index(path)


def accept_all(path: Path) -> bool:
    """A filter that accepts every file."""
    return True


@contextmanager
def registration_lock(store: Store) -> Iterator[None]:
    """The lock that every registration holds, which may read files for minutes.

    One that has to wait says for whom.
    """
    lock = store.table("raw_clips").with_name(".registry.lock")
    with owned(lock, "the registry of files", logging.getLogger(__name__).warning):
        yield


def one_at_a_time(
    register: Callable[Concatenate[Store, P], T],
) -> Callable[Concatenate[Store, P], T]:
    """Serialise the registrations of one store.

    Each reads a table, adds to it and writes it back. A sensor and the command line that did so
    at the same time would lose each other's files. Two machines that share a bucket are told: a
    registry is replaced only as it was read.
    """

    @wraps(register)
    def locked(store: Store, /, *arguments: P.args, **named: P.kwargs) -> T:
        with registration_lock(store):
            registered = register(store, *arguments, **named)
            if (remote := store.remote) is not None:
                remote.commit(map(store.table, TABLES))
            return registered

    return cast("Callable[Concatenate[Store, P], T]", locked)


def other_content(
    rows: Iterable[Mapping[str, Any]], content: Callable[[Path], str | None]
) -> Path | None:
    """The first registered file of ``rows`` whose content is not the registered sha256."""
    pairs = ((Path(row["path"]), row["sha256"]) for row in rows)
    return next((path for path, sha256 in pairs if content(path) != sha256), None)


@contextmanager
def as_registered(
    files: Callable[[], Sequence[Path]], wrong: Callable[[], Path | None], learn: Callable[[], None]
) -> Iterator[None]:
    """Read registered files: what is read within the context has the registered content.

    ``files`` are those that are read, and ``wrong`` finds one whose content is another one than
    is registered. When it does, or when a file changes within the context, even if it is put
    back, the registry is told with ``learn`` and ChangedError raised: what was read is of no use.
    """
    try:
        with steady(files):
            changed = wrong()
            if changed is not None:
                raise ChangedError(changed, "the file changed since it was registered")
            yield
    except ChangedError:
        learn()
        raise


def report_version(
    instance: dg.DagsterInstance,
    asset: str,
    version: str,
    clip: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Report to Dagster the data version of a source asset, or of one clip of it."""
    instance.report_runless_asset_event(
        dg.AssetObservation(
            asset_key=asset,
            partition=clip,
            metadata=metadata,
            tags={VERSION_TAG: version},
        )
    )
