"""Which folders of clips, annotations and tracks were named: no file in them may be missed."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

import polars as pl

from dance_models.tables import Schema, write_table
from pipelines.storage.registration import one_at_a_time, read_registered
from pipelines.storage.store import Store

Content = Literal["clips", "annotations", "tracks"]

REGISTERED_FOLDERS: Final[Schema] = {
    "folder": pl.String,  # absolute
    "content": pl.String,  # "clips", "annotations" or "tracks"
}


def registered_folders(store: Store) -> pl.DataFrame:
    """One row a folder and content (schema ``REGISTERED_FOLDERS``)."""
    return read_registered(store, "registered_folders", REGISTERED_FOLDERS)


def remember_folders(store: Store, content: Content, folders: Iterable[Path]) -> None:
    """Add folders to the table, without single files. The caller holds the registrations' lock."""
    rows = {(str(folder.resolve()), content) for folder in folders if not folder.is_file()}
    table = pl.DataFrame(
        sorted({*registered_folders(store).rows(), *rows}), schema=REGISTERED_FOLDERS, orient="row"
    )
    write_table(table, store.table("registered_folders"), {})


@one_at_a_time
def remember_tracks(store: Store, folder: Path | None) -> None:
    """Keep the folder of ``--tracks``, in place of the one before; None: there is none."""
    others = registered_folders(store).filter(pl.col("content") != "tracks").rows()
    rows = [*others, *([(str(folder.resolve()), "tracks")] if folder is not None else [])]
    table = pl.DataFrame(sorted(rows), schema=REGISTERED_FOLDERS, orient="row")
    if not table.equals(registered_folders(store)):
        write_table(table, store.table("registered_folders"), {})
