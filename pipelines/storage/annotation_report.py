"""What was not used of the annotations and of the folders that were named, and why.

One row for each thing: :data:`ANNOTATION_REPORT`. The command line prints it in groups, the web UI
shows it as the asset ``annotation_report``.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import polars as pl

from dance_models.annotations.parsed_file import Problem, frame_list
from dance_models.tables import Schema, write_table
from pipelines.storage.annotations import registered_annotations
from pipelines.storage.clips import CORPUS_FILE, registered_clips
from pipelines.storage.folders import registered_folders
from pipelines.storage.store import Store

ANNOTATION_REPORT: Final[Schema] = {
    "file": pl.String,
    "clip": pl.String,  # null: of no clip, or of all
    "frame": pl.Int64,
    "joint": pl.String,
    # "dropped", "repaired", "empty" (nothing was annotated yet), "not read" (a file),
    # "not registered" (annotations of a clip that is not in the store)
    "action": pl.String,
    "rows": pl.Int64,  # annotated rows that are lost; 0 for a joint, a file or a repair
    "message": pl.String,  # why, and what to do
}
# A repair that names a joint made the joint absent.
LOST: Final = pl.col("action").is_in(("dropped", "not read", "not registered")) | (
    (pl.col("action") == "repaired") & pl.col("joint").is_not_null()
)
MOST_LINES: Final = 40
_READ_ELSEWHERE: Final = frozenset({"clips.csv", CORPUS_FILE, "fps"})


def write_problems(store: Store, clip: str, problems: Iterable[Problem]) -> pl.DataFrame:
    """Write what importing a clip dropped or repaired; returns the table."""
    rows = [
        {
            "file": p.file,
            "clip": p.clip,
            "frame": p.frame,
            "joint": p.joint,
            "action": p.action,
            "rows": p.rows if p.action == "dropped" else 0,
            "message": p.message,
        }
        for p in problems
    ]
    table = pl.DataFrame(rows, schema=ANNOTATION_REPORT)
    write_table(table, store.table("annotation_problems", clip), {})
    return table


def annotation_report(store: Store) -> pl.DataFrame:
    """Everything that is not used (schema ``ANNOTATION_REPORT``), from what the store holds now."""
    clips = registered_clips(store)["clip"].to_list()
    tables = [store.table("annotation_problems", clip) for clip in clips]
    rows = [*_unusable_files(store), *_of_unknown_clips(store, clips), *_unread_files(store)]
    found = [
        pl.DataFrame(rows, schema=ANNOTATION_REPORT),
        *(pl.read_parquet(table) for table in tables if table.is_file()),
    ]
    # A problem of a file as a whole is in the import of every clip that the file mentions.
    return pl.concat(found).unique(maintain_order=True)


def write_report(store: Store, report: pl.DataFrame) -> None:
    """Write the table of the asset ``annotation_report``."""
    write_table(report, store.table("annotation_report"), {})


def _row(file: str, action: str, message: str, **more: Any) -> dict[str, Any]:
    blank = dict.fromkeys(ANNOTATION_REPORT) | {"rows": 0}
    return {**blank, "file": file, "action": action, "message": message, **more}


def _unusable_files(store: Store) -> Iterator[dict[str, Any]]:
    """Annotation files that cannot be used as a whole."""
    for row in registered_annotations(store).to_dicts():
        if row["problem"]:
            yield _row(row["path"], "not read", row["problem"])


def _of_unknown_clips(store: Store, clips: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Annotations of clips that are not registered."""
    for row in registered_annotations(store).to_dicts():
        counts = dict(zip(row["clips"], row.get("poses") or [], strict=False))
        for clip in row["clips"]:
            if clip not in clips:
                message = unregistered(clip, clips)
                lost = counts.get(clip, 0)
                yield _row(row["path"], "not registered", message, clip=clip, rows=lost)


def unregistered(clip: str, clips: Sequence[str]) -> str:
    """Why annotations of a clip are not used, with the registered clip of the nearest name."""
    near = get_close_matches(clip, clips, n=1, cutoff=0.5)
    named = f"; the nearest name is {near[0]!r}" if near else ""
    return (
        f"no clip {clip!r} is registered{named}. Give its video with --clips, or name the file's "
        "images or folder after the clip"
    )


def _unread_files(store: Store) -> Iterator[dict[str, Any]]:
    """Files in the named folders that nothing reads."""
    used = {*registered_clips(store)["path"], *registered_annotations(store)["path"]}
    seen: set[str] = set()
    for folder in registered_folders(store)["folder"]:
        for path in map(str, _files(Path(folder))):
            if path not in used | seen and not any(p in used for p in map(str, Path(path).parents)):
                seen.add(path)
                yield _row(path, "not read", "nothing reads files of this kind")


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and name not in _READ_ELSEWHERE:
                yield Path(place) / name


# --- for the command line ---------------------------------------------------------------------


def report_lines(report: pl.DataFrame) -> list[str]:
    """The report in groups, one line each, losses first; at most ``MOST_LINES``."""
    groups: dict[tuple[object, ...], list[dict[str, Any]]] = {}
    shown = report.filter(pl.col("action") != "empty").sort(LOST, descending=True)
    for row in shown.to_dicts():
        groups.setdefault(_group(row), []).append(row)
    lines = [_line(rows) for rows in groups.values()]
    more = len(lines) - MOST_LINES
    return [*lines[:MOST_LINES], *([f"and {more} more kinds of losses"] if more > 0 else [])]


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
    if first["clip"] and first["action"] != "not registered":
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
    read = sum(pl.scan_parquet(t).select(pl.len()).collect().item() for t in tables if t.is_file())
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
