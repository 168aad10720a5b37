"""Which folders were named as those of clips or of annotations: no file in them may be missed."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

import polars as pl

from dance_models.tables import Schema, write_table
from pipelines.storage.registration import read_registered
from pipelines.storage.store import Store

Content = Literal["clips", "annotations"]

REGISTERED_FOLDERS: Final[Schema] = {
    "folder": pl.String,  # absolute
    "content": pl.String,  # "clips" or "annotations"
}


def registered_folders(store: Store) -> pl.DataFrame:
    """One row a folder and content (schema ``REGISTERED_FOLDERS``)."""
    return read_registered(store, "registered_folders", REGISTERED_FOLDERS)


def remember_folders(store: Store, content: Content, folders: Iterable[Path]) -> None:
    """Add folders to the table. The caller holds the lock of the registrations."""
    rows = {(str(folder.resolve()), content) for folder in folders}
    table = pl.DataFrame(
        sorted({*registered_folders(store).rows(), *rows}), schema=REGISTERED_FOLDERS, orient="row"
    )
    write_table(table, store.table("registered_folders"), {})
