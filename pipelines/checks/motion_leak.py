"""Whether the motion for pre-training shares anything with the evaluated clips.

The comparison takes a minute, so its result is kept in a table: ``pretraining_leaks`` for
``pretraining_motion``, ``rendered_leaks`` for ``rendered_motion``. The metadata of that table name
the two tables that were compared, by digest.
"""

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from dance_models.errors import DamagedFileError, InputError
from dance_models.tables import SPLIT_ROWS, Schema, conform, read_metadata, read_table, write_table
from pipelines.storage.store import Store, making

if TYPE_CHECKING:
    from dance_models.data.pose_runs import PoseRun
    from dance_models.motion.leak import LeakReport, SharedPair

LEAKS: Final[Schema] = {
    "pretraining": pl.String,  # clip of the motion
    "evaluated": pl.String,  # clip of the data set
    "message": pl.String,
}
MOTION: Final = "pretraining_motion"
RENDERED: Final = "rendered_motion"
VERDICTS: Final = {MOTION: "pretraining_leaks", RENDERED: "rendered_leaks"}


# --- the two sides of the comparison ----------------------------------------------------------


def corpus_runs(store: Store) -> "list[PoseRun]":
    """All clips of the data set in any split: folds evaluate every one of them."""
    from dance_models.data.assemble import pose_runs_from_rows

    rows = store.read("pose_dataset").with_columns(
        group=pl.col("clip"), split=pl.lit(""), fold=pl.lit(0), variant=pl.lit(0)
    )
    return pose_runs_from_rows(conform(rows, SPLIT_ROWS).sort("clip", "frame"))


def motion_pose_runs(store: Store, motion: str = MOTION) -> "list[PoseRun]":
    """The runs of ``pretraining_motion`` or ``rendered_motion``."""
    from dance_models.data.assemble import pose_runs_from_rows

    rows = store.read(motion)
    return pose_runs_from_rows(rows) if rows.height else []


# --- leaving leaking files out ----------------------------------------------------------------


def without_shared_motion(
    runs: "Sequence[PoseRun]", evaluated: "Sequence[PoseRun]"
) -> "tuple[list[PoseRun], list[SharedPair], LeakReport]":
    """Leave out every file that shares motion with an evaluated clip, with all its views.

    Returns the runs that are kept, the shared pairs, and the report of the last comparison. The
    rest is compared again until nothing is shared, because a window is reported with its nearest
    neighbour alone, and a file may be there twice.
    """
    from dance_models.motion.leak import shared_windows

    kept = list(runs)
    pairs: list[SharedPair] = []
    while True:
        report = shared_windows(kept, evaluated)
        if report.clean:
            return kept, pairs, report
        pairs += report.pairs
        shared = {pair.pretraining for pair in report.pairs}
        leaking = {run.group for run in kept if run.clip in shared}
        kept = [run for run in kept if run.group not in leaking]


def leak_message(pair: "SharedPair") -> str:
    """Both clips, and where they match."""
    return (
        f"motion {pair.pretraining} at {pair.pretraining_s:.1f} s is clip {pair.evaluated} at "
        f"{pair.evaluated_s:.1f} s{', mirrored' if pair.mirrored else ''}: "
        f"{100 * pair.share:.0f} % of the clip's windows are shared, the nearest "
        f"{pair.distance_percent:.1f} % of the torso apart"
    )


# --- the verdict ------------------------------------------------------------------------------


def write_verdict(store: Store, report: "LeakReport", motion: str = MOTION) -> None:
    """Keep the result of comparing the current two tables."""
    rows = [
        {"pretraining": p.pretraining, "evaluated": p.evaluated, "message": leak_message(p)}
        for p in report.pairs
    ]
    table = pl.DataFrame(rows, schema=LEAKS)
    nearest = report.nearest_percent
    facts = {
        "threshold_percent": report.threshold_percent,
        # infinite when there was nothing to compare, for example no window with motion in it
        "nearest_percent": round(nearest, 1) if math.isfinite(nearest) else None,
        "motion_windows": report.pretraining_windows,
        "evaluated_windows": report.evaluated_windows,
    }
    metadata = {**_compared_tables(store, motion), "facts": json.dumps(facts)}
    write_table(table, store.table(VERDICTS[motion]), metadata)


def _compared_tables(store: Store, motion: str) -> dict[str, str]:
    return {name: store.digest(name) for name in (motion, "pose_dataset")}


def leak_verdict(store: Store, motion: str = MOTION) -> tuple[list[str], dict[str, Any]]:
    """A message for each shared pair of the current tables, and how they were compared.

    Compares them only when the stored verdict is of other tables.
    """
    from dance_models.motion.leak import shared_windows

    path = store.table(VERDICTS[motion])
    try:
        metadata = read_metadata(path) if path.is_file() else {}
    except DamagedFileError:  # then they are compared again
        metadata = {}
    if any(
        metadata.get(name) != digest for name, digest in _compared_tables(store, motion).items()
    ):
        report = shared_windows(motion_pose_runs(store, motion), corpus_runs(store))
        write_verdict(store, report, motion)
        metadata = read_metadata(path)
    return read_table(path)["message"].to_list(), json.loads(metadata["facts"])


def refuse_shared_motion(store: Store, motion: str = MOTION) -> None:
    """Raise InputError naming both clips when the motion holds an evaluated clip."""
    messages, _ = leak_verdict(store, motion)
    if messages:
        raise InputError(
            messages[0],
            file=store.table(motion),
            hint=f"{making(motion)}; it leaves such files out",
        )
