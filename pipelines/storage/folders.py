"""Which folders were named: no file in them may be missed, or dropped while one is away."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

import polars as pl

from dance_models.errors import InputError
from dance_models.tables import Schema, write_table
from pipelines.storage.registration import one_at_a_time, read_registered
from pipelines.storage.store import Store

Content = Literal["clips", "annotations", "motion", "tracks"]
Dropped = Literal["annotations", "motion"]  # files of these are dropped when they were deleted

REGISTERED_FOLDERS: Final[Schema] = {
    "folder": pl.String,  # absolute
    "content": pl.String,  # "clips", "annotations", "motion" or "tracks"
}


class AwayError(InputError):
    """A registered file cannot be read, as its folder is not there."""


def registered_folders(store: Store) -> pl.DataFrame:
    """One row a folder and content (schema ``REGISTERED_FOLDERS``)."""
    return read_registered(store, "registered_folders", REGISTERED_FOLDERS)


def remember_folders(store: Store, content: Content, folders: Iterable[Path]) -> None:
    """Add folders to the table, without single files. The caller holds the registrations' lock."""
    rows = {(str(folder.resolve()), content) for folder in folders if not folder.is_file()}
    known = set(registered_folders(store).rows())
    if rows <= known:
        return
    table = pl.DataFrame(sorted(known | rows), schema=REGISTERED_FOLDERS, orient="row")
    write_table(table, store.table("registered_folders"), {}, durable=True)


@one_at_a_time
def remember_tracks(store: Store, folder: Path | None) -> None:
    """Keep the folder of ``--tracks``, in place of the one before; None: there is none."""
    others = registered_folders(store).filter(pl.col("content") != "tracks").rows()
    rows = [*others, *([(str(folder.resolve()), "tracks")] if folder is not None else [])]
    table = pl.DataFrame(sorted(rows), schema=REGISTERED_FOLDERS, orient="row")
    if not table.equals(registered_folders(store)):
        write_table(table, store.table("registered_folders"), {}, durable=True)


# --- folders that are away ----------------------------------------------------------------------


def away_files(store: Store, content: Dropped, paths: Iterable[str]) -> dict[str, Path]:
    """The registered files that are away, with the folder that is not there.

    Such as that of a disk that is not mounted. A file that is missing from a folder that is there
    was deleted.
    """
    # The store's own as it is named: it may be a link, and the table has where that leads.
    named = [store.raw_annotations if content == "annotations" else store.raw_motion]
    named += [Path(f) for f in registered_folders(store).filter(content=content)["folder"]]
    found: dict[str, Path] = {}
    for path in map(Path, paths):
        if not _is_there(path):
            folders = [f for f in sorted(named) if path.is_relative_to(f)] or [path.parent]
            if not any(map(_is_there, folders)):
                found[str(path)] = folders[0]
    return found


def away_folders(store: Store, content: Dropped) -> Mapping[str, int]:
    """Folders that are not there -> how many registered files are kept as they were read."""
    paths = read_registered(store, f"raw_{content}", {"path": pl.String})["path"]
    return Counter(str(folder) for folder in away_files(store, content, paths).values())


def refuse_away(store: Store, content: Dropped, path: Path) -> None:
    """Raise AwayError when a registered file is away."""
    if (folder := away_files(store, content, [str(path)]).get(str(path))) is not None:
        raise AwayError(
            f"a file of {content} cannot be read, as {folder} is not there",
            file=path,
            hint="Put it back and run again, or name where the files are now: dance run "
            f"--{content} DIR",
        )


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except OSError:  # also of a mount that fails
        return False
    return True
