"""What was not used of the annotations and of the folders that were named, and why.

One row for each thing: :data:`ANNOTATION_REPORT`. The command line prints it in groups, the web UI
shows it as the asset ``annotation_report``.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import polars as pl

from dance_models.annotations.parsed_file import frame_list
from dance_models.annotations.unread import UnusedImages, also_resolved, unread_files
from dance_models.errors import DamagedFileError
from dance_models.tables import read_table, write_table
from dance_models.text import first_lines, printable
from dance_models.video.images import clip_files
from pipelines.storage.annotation_problems import (
    ANNOTATION_REPORT,
    file_problems,
    folder_problems,
    report_row,
)
from pipelines.storage.annotations import registered_annotations
from pipelines.storage.clips import registered_clips
from pipelines.storage.folders import registered_folders
from pipelines.storage.pointers import NOTE, mirrors
from pipelines.storage.store import Store

# A repair that names a joint made the joint absent.
LOST: Final = pl.col("action").is_in(("dropped", "not read")) | (
    (pl.col("action") == "repaired") & pl.col("joint").is_not_null()
)


def annotation_report(store: Store) -> pl.DataFrame:
    """Everything that is not used (schema ``ANNOTATION_REPORT``), from what the store holds now."""
    clips = registered_clips(store)["clip"].to_list()
    tables = [store.table("annotation_problems", clip) for clip in clips]
    found = [
        folder_problems(store).select(*ANNOTATION_REPORT),
        pl.DataFrame(_unread_files(store), schema=ANNOTATION_REPORT),
        file_problems(store).select(*ANNOTATION_REPORT),
        *(table for path in tables if (table := _problems(store, path)) is not None),
    ]
    # A problem of a file as a whole is in the import of every clip that the file mentions.
    return pl.concat(found).unique(maintain_order=True)


def _problems(store: Store, path: Path) -> pl.DataFrame | None:
    """The problems of a clip, if any; None where its table is missing, or damaged and made again.

    Most are empty, which is known sooner than they are read.
    """
    try:
        return read_table(path) if store.height(path) else None
    except DamagedFileError:
        return None


def write_report(store: Store, report: pl.DataFrame) -> None:
    """Write the table of the asset ``annotation_report``.

    One that is the same stays as it is: every run comes here, and a new time would have it hashed
    again, and sent to the bucket of a store again.
    """
    path = store.table("annotation_report")
    with suppress(DamagedFileError):
        if path.is_file() and read_table(path).equals(report):
            return
    write_table(report, path, {})


def _unread_files(store: Store) -> Iterator[dict[str, Any]]:
    """Files in the named folders that nothing reads; images beside annotations are no loss."""
    used = [Path(path) for path in registered_annotations(store)["path"]]
    used += [file for path in registered_clips(store)["path"] for file in _files_of(Path(path))]
    known = also_resolved([*used, *(mirror / NOTE for mirror in mirrors(store))])
    folders = registered_folders(store).filter(pl.col("content").is_in(["clips", "annotations"]))
    of_clips = [Path(folder) for folder in folders.filter(content="clips")["folder"]]
    seen = {Path(file) for file in folder_problems(store)["file"]}
    for folder in map(Path, folders["folder"]):
        for unread in unread_files(folder, known) if folder.is_dir() else ():
            path, why = unread
            if path in seen:
                continue
            seen.add(path)
            among_clips = any(path.is_relative_to(clips) for clips in of_clips)
            noted = isinstance(unread, UnusedImages) and not among_clips
            yield report_row(printable(str(path)), "noted" if noted else "not read", why)


def _files_of(clip: Path) -> list[Path]:
    try:
        return clip_files(clip)
    except OSError:
        return []  # the folder cannot be read, which is a problem of its own


# --- for the command line ---------------------------------------------------------------------


def report_lines(report: pl.DataFrame) -> list[str]:
    """The report in groups, one line each, losses first; of very many the first."""
    groups: dict[tuple[object, ...], list[dict[str, Any]]] = {}
    shown = report.filter(pl.col("action") != "empty").sort(LOST, descending=True)
    for row in shown.to_dicts():
        groups.setdefault(_group(row), []).append(row)
    return first_lines(map(_line, groups.values()), "kinds of losses")


def _group(row: dict[str, Any]) -> tuple[object, ...]:
    """Rows of one line: same folder, kind of file, clip, joint and message but for its numbers."""
    file = Path(row["file"])
    message = re.sub(r"-?\d+(\.\d+)?", "#", row["message"])
    kind = (file.parent, file.suffix.lower())
    return (row["action"], *kind, row["clip"], row["joint"], message)


def _line(rows: list[dict[str, Any]]) -> str:
    first = rows[0]
    frames = sorted({row["frame"] for row in rows if row["frame"] is not None})
    more = len({row["file"] for row in rows}) - 1
    where = [first["file"] + (f" and {_plural(more, 'more file')}" if more else "")]
    if first["action"] == "not read":
        where.append("not read")
    if first["clip"]:
        where.append(f"clip {first['clip']}")
    if len(frames) == 1:
        where.append(f"frame {frames[0]}")
    if first["joint"]:
        where.append(f"joint {first['joint']}")
    lost = sum(row["rows"] for row in rows)
    count = f" [{_plural(lost, 'row')}]" if lost else ""
    return f"{': '.join(where)}: {first['message']}{frame_list(frames)}{count}"


def _plural(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def report_sum(store: Store, report: pl.DataFrame) -> str:
    """What was read and what was lost, in one line."""
    clips = registered_clips(store)["clip"]
    tables = [store.table("pose_annotations", clip) for clip in clips]
    read = sum(store.height(path) or 0 for path in tables)  # what is damaged is made again
    repaired = report.filter(action="repaired")
    counts = (
        (int(report["rows"].sum()), "row", " dropped"),
        (repaired.filter(LOST).height, "joint", " dropped"),
        (report.filter(action="not read")["file"].n_unique(), "file", " not read"),
        (repaired.filter(~LOST).height, "repair", ""),
    )
    parts = [_plural(count, what) + done for count, what, done in counts if count]
    line = f"{_plural(read, 'annotated frame')} read; {', '.join(parts) or 'nothing dropped'}"
    return f"{line}, see {store.table('annotation_report')}" if parts else line


def lost_anything(report: pl.DataFrame) -> bool:
    """Whether anything that the user gave is not used."""
    return not report.filter(LOST).is_empty()
