"""Motion files for pre-training: registered by reference, and kept apart from what is judged."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dagster as dg
import polars as pl

from dance_models.errors import InputError
from dance_models.tables import SPLIT_ROWS, Schema, conform, file_digest, write_table
from pipelines.skip_rule import VERSION_TAG
from pipelines.storage.store import Store

if TYPE_CHECKING:
    from dance_models.data.pose_runs import PoseRun
    from dance_models.motion.leak import LeakReport, SharedPair

RAW_MOTION: Final[Schema] = {
    "source": pl.String,  # path below the folder that was registered; unique
    "path": pl.String,  # a file, or a folder with one JSON a frame
    "sha256": pl.String,
}
LEAKS: Final[Schema] = {
    "pretraining": pl.String,  # clip of the motion
    "evaluated": pl.String,  # clip of the corpus
    "message": pl.String,
}
VERDICT: Final = "pretraining_leaks"  # its metadata says which two tables were compared


# --- registration -----------------------------------------------------------------------------


def registered_motion(store: Store) -> pl.DataFrame:
    """One row a file (schema ``RAW_MOTION``), empty before the first registration."""
    path = store.table("raw_motion")
    return pl.read_parquet(path) if path.is_file() else pl.DataFrame(schema=RAW_MOTION)


def register_motion(
    store: Store, instance: dg.DagsterInstance, directories: Sequence[Path]
) -> pl.DataFrame:
    """Add the motion files of ``directories``; forget files that are gone. Returns all there are.

    A file whose content is known already is left out; one whose name is taken by another gets the
    name of its folder before it. Nothing is parsed here: a file that cannot be read is reported by
    ``pretraining_motion``. Raises InputError when there is no such directory.
    """
    from dance_models.motion.read import motion_sources

    rows = [row for row in registered_motion(store).to_dicts() if Path(row["path"]).exists()]
    by_path = {row["path"]: row for row in rows}
    for directory in directories:
        for source, path in motion_sources(directory).items():
            row = by_path.setdefault(str(path), {"source": source, "path": str(path)})
            row["sha256"] = _content(path)
            row["folder"] = directory.name
    table = pl.DataFrame(_named_once(by_path), schema=RAW_MOTION).sort("source")
    before = store.digest("raw_motion")
    if not (table.height or before):
        return table
    version = write_table(table, store.table("raw_motion"), {})
    if version != before:
        instance.report_runless_asset_event(
            dg.AssetObservation(asset_key="raw_motion", tags={VERSION_TAG: version})
        )
    return table


def _named_once(by_path: Mapping[str, dict[str, str]]) -> list[dict[str, str]]:
    names: set[str] = set()
    contents: set[str] = set()
    kept = []
    for row in by_path.values():
        folder = row.pop("folder", "")
        if row["sha256"] in contents:
            continue
        while row["source"] in names:
            row["source"] = f"{folder or 'other'}/{row['source']}"
        names.add(row["source"])
        contents.add(row["sha256"])
        kept.append(row)
    return kept


def _content(path: Path) -> str:
    """sha256 of a file, or of the names and contents of a folder's files."""
    if path.is_file():
        return file_digest(path)
    together = hashlib.sha256()
    for file in sorted(path.glob("*.json")):
        together.update(f"{file.name} {file_digest(file)}\n".encode())
    return together.hexdigest()


def motion_facts(store: Store) -> dict[str, Any]:
    """What ``pretraining_motion`` holds, for reports: files, hours, sha256."""
    used = store.read("pretraining_sources").filter(pl.col("problem").is_null())
    return {
        "files": used.height,
        "hours": round(float(used["seconds"].sum()) / 3600, 4),
        "sha256": store.digest("pretraining_motion"),
    }


def unused_motion(store: Store) -> dict[str, str]:
    """Files nothing of which is pre-trained on, with the reason."""
    path = store.table("pretraining_sources")
    if not path.is_file():
        return {}
    lost = pl.read_parquet(path).filter(pl.col("problem").is_not_null())
    return dict(lost.select("source", "problem").rows())


# --- leaks ------------------------------------------------------------------------------------


def corpus_runs(store: Store) -> "list[PoseRun]":
    """All clips of the data set, whatever their split: folds evaluate every one of them."""
    from dance_models.data.assemble import pose_runs_from_rows

    rows = store.read("pose_dataset").with_columns(
        group=pl.col("clip"), split=pl.lit(""), fold=pl.lit(0), variant=pl.lit(0)
    )
    return pose_runs_from_rows(conform(rows, SPLIT_ROWS).sort("clip", "frame"))


def motion_pose_runs(store: Store) -> "list[PoseRun]":
    """What ``pretraining_motion`` holds."""
    from dance_models.data.assemble import pose_runs_from_rows

    rows = store.read("pretraining_motion")
    return pose_runs_from_rows(rows) if rows.height else []


def without_shared(
    runs: "Sequence[PoseRun]", evaluated: "Sequence[PoseRun]"
) -> "tuple[list[PoseRun], list[SharedPair], LeakReport]":
    """The runs whose file shares no motion with any evaluated clip; why others go; the last look.

    A file goes with all its views. What is left is compared again: a window is reported with the
    nearest one alone, and a file may be there twice.
    """
    from dance_models.motion.leak import shared_windows

    kept = list(runs)
    pairs: list[SharedPair] = []
    while True:
        report = shared_windows(kept, evaluated)
        if report.clean:
            return kept, pairs, report
        pairs += report.pairs
        named = {pair.pretraining for pair in report.pairs}
        leaking = {run.group for run in kept if run.clip in named}
        kept = [run for run in kept if run.group not in leaking]


def leak_message(pair: "SharedPair") -> str:
    """Both clips, and where they are alike."""
    return (
        f"motion {pair.pretraining} at {pair.pretraining_s:.1f} s is clip {pair.evaluated} at "
        f"{pair.evaluated_s:.1f} s{', mirrored' if pair.mirrored else ''}: "
        f"{100 * pair.share:.0f} % of the clip's windows are shared, the nearest "
        f"{pair.distance_percent:.1f} % of the torso apart"
    )


def write_verdict(store: Store, report: "LeakReport") -> None:
    """Keep what comparing today's two tables gave: it takes a minute."""
    rows = [
        {"pretraining": p.pretraining, "evaluated": p.evaluated, "message": leak_message(p)}
        for p in report.pairs
    ]
    table = pl.DataFrame(rows, schema=LEAKS)
    nearest = report.nearest_percent
    facts = {
        "threshold_percent": report.threshold_percent,
        # infinite: there was nothing to compare, such as no window that moves
        "nearest_percent": round(nearest, 1) if math.isfinite(nearest) else None,
        "motion_windows": report.pretraining_windows,
        "evaluated_windows": report.evaluated_windows,
    }
    write_table(table, store.table(VERDICT), {**_compared(store), "facts": json.dumps(facts)})


def _compared(store: Store) -> dict[str, str]:
    return {name: store.digest(name) for name in ("pretraining_motion", "pose_dataset")}


def leak_verdict(store: Store) -> tuple[list[str], dict[str, Any]]:
    """Messages of what today's motion and data set share, and how they were compared.

    Compares them only when the verdict that is kept is of other tables.
    """
    from dance_models.motion.leak import shared_windows

    path = store.table(VERDICT)
    known = pl.read_parquet_metadata(path) if path.is_file() else {}
    if any(known.get(name) != digest for name, digest in _compared(store).items()):
        write_verdict(store, shared_windows(motion_pose_runs(store), corpus_runs(store)))
        known = pl.read_parquet_metadata(path)
    return pl.read_parquet(path)["message"].to_list(), json.loads(known["facts"])


def refuse_shared_motion(store: Store) -> None:
    """Raise InputError naming both clips when the motion holds what is judged."""
    messages, _ = leak_verdict(store)
    if messages:
        raise InputError(
            messages[0],
            file=store.table("pretraining_motion"),
            hint="Materialize pretraining_motion again: it leaves such files out",
        )
