"""From Parquet rows to pose runs and back: the interface between polars and numpy."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.evidence import NUM_EVIDENCE
from dance_models.skeleton import DANCE_14
from dance_models.tables import POSE_DATASET, RENDERED_ROWS, SPLIT_ROWS, TRACKS, Schema, conform

_KEY: Final = ("clip", "variant", "run")
_FROM_TRACKS: Final = (
    "clip", "frame", "keypoints", "score", "landmarks", "evidence", "estimator",
)  # fmt: skip
# The tables hold poses of the default skeleton.
_JOINTS: Final = DANCE_14.num_joints
_POSE: Final = (_JOINTS, DANCE_14.dimensions)
_NUM_LANDMARKS: Final = DANCE_14.num_landmarks
# Columns about the estimator's landmarks, and how many numbers each of these has.
_OF_LANDMARKS: Final = {"landmarks": DANCE_14.dimensions + 1, "evidence": NUM_EVIDENCE}


def join_pose_dataset(
    frames: pl.DataFrame, tracks: pl.DataFrame, annotations: pl.DataFrame
) -> pl.DataFrame:
    """Sampled frames with their estimated and annotated keypoints; POSE_DATASET by clip, frame.

    Every sampled frame stays, with null for what is missing. Annotations of frames that were not
    sampled are left out. Raises InputError when a table holds a frame twice.
    """
    for table, name in ((frames, "frames"), (tracks, "tracks"), (annotations, "annotations")):
        _check_unique(table, ("clip", "frame"), name)
    found = conform(tracks, {name: TRACKS[name] for name in _FROM_TRACKS})
    truth = annotations.select(
        "clip",
        "frame",
        pl.col("keypoints").alias("annotation"),
        "visibility",
        *(["derived"] if "derived" in annotations.columns else []),
    )
    key = ["clip", "frame"]
    joined = frames.join(found, on=key, how="left").join(truth, on=key, how="left")
    return conform(joined, POSE_DATASET).sort(key)


def _check_unique(table: pl.DataFrame, key: Sequence[str], name: str) -> None:
    twice = table.select(key).filter(pl.struct(key).is_duplicated())
    if twice.height:
        first = twice.row(0, named=True)
        raise InputError(
            f"the {name} table holds this frame {twice.height} times"
            if twice.unique().height == 1
            else f"the {name} table holds {twice.unique().height} frames more than once",
            file=first["clip"],
            frame=first["frame"],
        )


def pose_runs_from_rows(rows: pl.DataFrame) -> list[PoseRun]:
    """Split rows (SPLIT_ROWS) as pose runs, sorted by clip, variant, run.

    Null keypoints become NaN, null scores and visibilities 0. ``landmarks`` is (T, 0, 3) and
    ``evidence`` (T, 0, E) when the whole table has none. Raises InputError when a frame appears
    twice, or when the frames of one run are not contiguous: a window must never cross a gap.
    """
    rows = conform(rows, _schema("consensus" in rows.columns)).sort(*_KEY, "frame")
    _check_unique(rows, (*_KEY, "frame"), "split")
    arrays = {
        "frame": rows["frame"].to_numpy(),
        "time_s": rows["time_s"].to_numpy(),
        "estimate": dense(rows["keypoints"], _POSE, np.nan),
        "score": dense(rows["score"], (_JOINTS,), 0),
        **{
            name: dense(rows[name], (_NUM_LANDMARKS, count), np.nan)
            for name, count in _OF_LANDMARKS.items()
        },
        "annotation": dense(rows["annotation"], _POSE, np.nan),
        "visibility": dense(rows["visibility"], (_JOINTS,), 0).astype(np.uint8),
        "derived": dense(rows["derived"], (_JOINTS,), 0).astype(np.bool_),
    }
    if "consensus" in rows.columns:
        arrays["consensus"] = dense(rows["consensus"], _POSE, np.nan)
    arrays["visibility"][~np.isfinite(arrays["annotation"]).all(axis=-1)] = 0
    arrays["annotation"][arrays["visibility"] == 0] = np.nan
    for name in _OF_LANDMARKS:  # the same for all runs: they are stored as one array
        if np.isnan(arrays[name]).all():
            arrays[name] = arrays[name][:, :0]
    lengths = rows.group_by(_KEY, maintain_order=True).len()["len"].to_list()
    runs, start = [], 0
    for length in lengths:
        runs.append(_one_run(rows.row(start, named=True), arrays, slice(start, start + length)))
        start += length
    return runs


def _schema(consensus: bool) -> Schema:
    """The rows' columns: rendered motion has a consensus too."""
    return RENDERED_ROWS if consensus else SPLIT_ROWS


def dense(series: pl.Series, shape: tuple[int, ...], missing: float) -> NDArray[np.float32]:
    """(rows, *shape) with ``missing`` where a row or an element is null."""
    flat = np.full((len(series), int(np.prod(shape))), missing, np.float32)
    known = series.is_not_null().to_numpy()
    if known.any():
        values = series.drop_nulls().to_numpy().reshape(-1, flat.shape[1])
        flat[known] = values if np.isnan(missing) else np.nan_to_num(values, nan=missing)
    return flat.reshape(len(series), *shape)


def _one_run(first: dict[str, Any], arrays: dict[str, NDArray[Any]], rows: slice) -> PoseRun:
    part = {name: values[rows].copy() for name, values in arrays.items()}
    gap = np.flatnonzero(np.diff(part["frame"]) != 1)
    if gap.size:
        raise InputError(
            f"run {first['run']} jumps to frame {part['frame'][gap[0] + 1]}",
            file=first["clip"],
            frame=int(part["frame"][gap[0]]),
            hint="Frames of one run must follow each other; split the run at the gap",
        )
    return PoseRun(
        clip=first["clip"],
        style=first["style"],
        performer=first["performer"] or "",
        group=first["group"],
        split=first["split"],
        fold=first["fold"],
        run=first["run"],
        variant=first["variant"],
        width=first["width"],
        height=first["height"],
        **part,
    )


def rows_from_pose_runs(runs: Sequence[PoseRun], originals: pl.DataFrame) -> pl.DataFrame:
    """Rows of pose runs; take, image and estimator come from their original rows.

    Of SPLIT_ROWS, or of RENDERED_ROWS when a run has a consensus. ``originals`` holds the frames
    the runs were made from. Frames whose joints are all missing become null again. Sorted by clip,
    variant, frame. Raises InputError when an original frame is not there.
    """
    if not runs:
        return pl.DataFrame(schema=SPLIT_ROWS)
    kept = originals.select("clip", "frame", "take", "image", "estimator").unique(
        ["clip", "frame"], keep="first", maintain_order=True
    )
    agreed = any(np.isfinite(run.consensus).any() for run in runs)
    rows = pl.concat([_rows_of(run) for run in runs])
    joined = rows.join(kept, on=["clip", "frame"], how="left")
    lost = rows.join(kept, on=["clip", "frame"], how="anti")
    if lost.height:
        first = lost.row(0, named=True)
        raise InputError(
            "a frame of a run is not among the original rows",
            file=first["clip"],
            frame=first["frame"],
        )
    return conform(joined, _schema(agreed)).sort("clip", "variant", "frame")


def _rows_of(run: PoseRun) -> pl.DataFrame:
    found = np.array(np.isfinite(run.estimate).any(axis=(1, 2)) | (run.score > 0).any(axis=1))
    columns = {
        "keypoints": _nullable("keypoints", run.estimate, found),
        "score": _nullable("score", run.score, found),
        **{name: _landmark_column(name, getattr(run, name)) for name in _OF_LANDMARKS},
        "annotation": _nullable("annotation", run.annotation, run.annotated),
        "visibility": _nullable("visibility", run.visibility, run.annotated),
        "derived": _nullable("derived", run.derived, np.array(run.derived.any(axis=1))),
        "consensus": _nullable(
            "consensus", run.consensus, np.array(np.isfinite(run.consensus).any(axis=(1, 2)))
        ),
    }
    single = ("clip", "style", "performer", "group", "split", "fold", "run", "variant")
    return pl.DataFrame({"frame": run.frame, "time_s": run.time_s, **columns}).with_columns(
        *(pl.lit(getattr(run, name)).cast(SPLIT_ROWS[name]).alias(name) for name in single),
        pl.lit(run.width).cast(pl.Int32).alias("width"),
        pl.lit(run.height).cast(pl.Int32).alias("height"),
    )


def _landmark_column(name: str, values: NDArray[np.float32]) -> pl.Series:
    """Landmarks or evidence; null where a frame has none, and for another number of landmarks."""
    if values.shape[1] != _NUM_LANDMARKS:
        values = np.full((len(values), _NUM_LANDMARKS, _OF_LANDMARKS[name]), np.nan, np.float32)
    return _nullable(name, values, np.array(np.isfinite(values).any(axis=(1, 2))))


def _nullable(column: str, values: NDArray[Any], known: NDArray[np.bool_]) -> pl.Series:
    """A column of fixed-size arrays that is null where ``known`` is false."""
    series = pl.Series(column, values, dtype=RENDERED_ROWS[column])
    if known.all():
        return series
    mask = pl.Series("known", known)
    return pl.select(pl.when(mask).then(series).otherwise(None).alias(column)).to_series()
