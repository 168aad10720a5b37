"""What was dropped or repaired of annotations, as rows: of each clip, and of files as a whole."""

import logging
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import polars as pl

from dance_models.annotations.folder_index import AnnotationFile
from dance_models.annotations.parsed_file import Problem
from dance_models.errors import DamagedFileError
from dance_models.tables import Schema, read_table, write_table
from dance_models.text import printable
from dance_models.video.scan import Problem as Told
from pipelines.storage.place import Written, written_at
from pipelines.storage.store import Store

ANNOTATION_REPORT: Final[Schema] = {
    "file": pl.String,
    "clip": pl.String,  # null: of no clip, or of all
    "frame": pl.Int64,
    "joint": pl.String,
    # "dropped", "repaired", "noted", "empty" (nothing was annotated yet), "not read" (a file)
    "action": pl.String,
    "rows": pl.Int64,  # annotated people that are lost; 0 for a joint, a file or a repair
    "message": pl.String,  # why, and what to do
}
# Problems that the import of no clip reports, with the registered file that they are of.
FILE_PROBLEMS: Final[Schema] = {"path": pl.String, **ANNOTATION_REPORT}
# Problems of the folders of clips: of ``clips.csv``, and files that are no clips.
FOLDER_PROBLEMS: Final[Schema] = {"folder": pl.String, **ANNOTATION_REPORT}


def report_row(file: str, action: str, message: str) -> dict[str, Any]:
    """A row of ``ANNOTATION_REPORT`` about a whole file."""
    blank = dict.fromkeys(ANNOTATION_REPORT) | {"rows": 0}
    return {**blank, "file": file, "action": action, "message": message}


def _row(problem: Problem) -> dict[str, Any]:
    return {
        **report_row(problem.file, problem.action, problem.message),
        "clip": problem.clip,
        "frame": problem.frame,
        "joint": problem.joint,
        "rows": problem.rows if problem.action == "dropped" else 0,
    }


def write_problems(store: Store, clip: str, problems: Iterable[Problem]) -> pl.DataFrame:
    """Write what importing a clip dropped or repaired; the table."""
    table = pl.DataFrame([_row(problem) for problem in problems], schema=ANNOTATION_REPORT)
    write_table(table, store.table("annotation_problems", clip), {})
    return table


def folder_problems(store: Store) -> pl.DataFrame:
    """Problems of the folders of clips (schema ``FOLDER_PROBLEMS``); none when it is damaged."""
    return _said(store, "clip_folder_problems", FOLDER_PROBLEMS)


def has_folder_problems(store: Store) -> bool:
    """Whether the problems of the folders of clips are there, or that there were none."""
    return _table(store, "clip_folder_problems", FOLDER_PROBLEMS) is not None


def write_folder_problems(store: Store, found: Mapping[str, Iterable[dict[str, Any]]]) -> None:
    """Write rows of ``ANNOTATION_REPORT`` by folder; those of other folders stay.

    The caller holds the lock of the registrations.
    """
    kept = folder_problems(store).filter(~pl.col("folder").is_in(list(found)))
    rows = [{"folder": folder, **row} for folder, problems in found.items() for row in problems]
    table = pl.concat([kept, pl.DataFrame(rows, schema=FOLDER_PROBLEMS)])
    write_table(table, store.table("clip_folder_problems"), {})


def file_problems(store: Store) -> pl.DataFrame:
    """Problems of files as a whole (schema ``FILE_PROBLEMS``); none when it is damaged."""
    return _said(store, "annotation_file_problems", FILE_PROBLEMS)


def has_file_problems(store: Store) -> bool:
    """Whether the problems of the files that were read are there, or that there were none."""
    return _table(store, "annotation_file_problems", FILE_PROBLEMS) is not None


def write_file_problems(
    store: Store, read: Mapping[str, AnnotationFile], registered: Collection[str]
) -> None:
    """Write the problems of the files that were ``read``; those of other ``registered`` files stay.

    The caller holds the lock of the registrations.
    """
    kept = file_problems(store).filter(
        pl.col("path").is_in(list(registered)), ~pl.col("path").is_in(list(read))
    )
    rows = [
        {"path": path, **row}
        for path, entry in sorted(read.items())
        for row in (
            [report_row(path, "not read", entry.problem)]
            if entry.problem and not entry.problems
            else map(_row, entry.problems)
        )
    ]
    table = pl.concat([kept, pl.DataFrame(rows, schema=FILE_PROBLEMS)])
    write_table(
        table.sort("path", maintain_order=True), store.table("annotation_file_problems"), {}
    )


def said_of_files(store: Store, paths: Collection[str]) -> list[Told]:
    """The problems of some registered files, in the order of their paths, for people."""
    found = file_problems(store).filter(pl.col("path").is_in(list(paths)))
    return [Told(row["file"], _text(row)) for row in found.iter_rows(named=True)]


def _said(store: Store, asset: str, schema: Schema) -> pl.DataFrame:
    table = _table(store, asset, schema)
    return pl.DataFrame(schema=schema) if table is None else table


def _table(store: Store, asset: str, schema: Schema) -> pl.DataFrame | None:
    """A table that registering makes; None when it is missing or damaged."""
    path = store.table(asset)
    written = written_at(path)
    return None if written is None else _as_written(path, written, (*schema,))


@lru_cache(maxsize=4)
def _as_written(path: Path, written: Written, columns: tuple[str, ...]) -> pl.DataFrame | None:
    """As it was ``written``: that it is damaged is logged once, and it is asked for often."""
    try:
        return read_table(path).select(columns)
    except (DamagedFileError, pl.exceptions.ColumnNotFoundError):  # one bit renames a column
        logging.getLogger(__name__).warning(f"{path} is damaged; `dance run` makes it again")
        return None


def _text(row: Mapping[str, Any]) -> str:
    if row["action"] == "not read":
        return str(row["message"])
    problem = Problem(row["file"], row["message"], row["clip"], row["frame"], row["joint"])
    return str(problem).removeprefix(f"{printable(problem.file)}: ")
