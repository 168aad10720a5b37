"""The Parquet tables: their schemas, and reading and writing them.

Rewriting a table from the same input gives the same bytes, so the sha256 of the file is its data
version. Writes go to a temporary name beside the target and are renamed: a killed process leaves
the old table or the new one, never a part of one. What nothing can make again is written
``durable`` (:func:`~dance_models.files.replacing`): a power cut does no more than that, too.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from dance_models.errors import DamagedFileError
from dance_models.evidence import NUM_EVIDENCE
from dance_models.files import open_file, read_file, replacing
from dance_models.skeleton import DANCE_14
from dance_models.text import brief

if TYPE_CHECKING:
    import pyarrow as pa

# What a damaged table raises; polars panics where its bytes are of the right form and lie.
_UNREADABLE: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)

# A polars type is a class or an instance; a schema accepts both.
Schema = Mapping[str, pl.DataType | type[pl.DataType]]

# The tables hold poses of the default skeleton.
_JOINTS, _AXES = DANCE_14.num_joints, DANCE_14.dimensions
KEYPOINTS: Final = pl.Array(pl.Float32, (_JOINTS, _AXES))  # pixels; NaN or null where missing
SCORES: Final = pl.Array(pl.Float32, _JOINTS)  # the estimator's confidence, 0..1
VISIBILITY: Final = pl.Array(pl.UInt8, _JOINTS)  # 0 absent, 1 occluded, 2 visible
DERIVED: Final = pl.Array(pl.Boolean, _JOINTS)  # joints that follow from others, as neck and head
# The estimator's own landmarks (BlazePose's 33): x, y (pixels), visibility
LANDMARKS: Final = pl.Array(pl.Float32, (DANCE_14.num_landmarks, _AXES + 1))
# What dance_models.evidence.EVIDENCE names, for each of them
EVIDENCE: Final = pl.Array(pl.Float32, (DANCE_14.num_landmarks, NUM_EVIDENCE))
# Columns that were added later: tables from before lack them, and they read as null there.
_ADDED: Final = frozenset(
    {"evidence", "derived", "mirrored", "coded_width", "coded_height", "in_order", "remarks"}
)

# One row a clip, one file a clip: tables/clip_probe/<clip>.parquet
CLIP_PROBE: Final[Schema] = {
    "clip": pl.String,
    "style": pl.String,
    "performer": pl.String,
    "take": pl.String,
    "sha256": pl.String,
    "status": pl.String,  # "ok" or "quarantined"
    "reason": pl.String,  # why it was quarantined, else null
    "warnings": pl.List(pl.String),
    "remarks": pl.List(pl.String),  # those of them that a person should look at
    "codec": pl.String,
    "width": pl.Int32,  # as displayed: rotation and the shape of the pixels applied
    "height": pl.Int32,
    "coded_width": pl.Int32,  # of the pictures in the file
    "coded_height": pl.Int32,
    "rotation": pl.Int32,  # degrees, counter-clockwise, that displaying applies after mirroring
    "mirrored": pl.Boolean,  # whether displaying mirrors left to right
    "fps": pl.Float64,  # mean rate from the time stamps
    "nominal_frames": pl.Int64,  # what the container claims that a player shows
    "decoded_frames": pl.Int64,  # what decoding gave
    "image_numbers": pl.List(pl.Int64),  # of a folder of images, else empty
    "in_order": pl.Boolean,  # whether frames are told only by counting from the start of the file
    "variable_rate": pl.Boolean,
    "duration_s": pl.Float64,
    "time_s": pl.List(pl.Float64),  # presentation time of every decoded frame
    "motion": pl.List(pl.Float32),  # mean absolute luma change to the frame before, 0..255
    "signature": pl.List(pl.Binary),  # coarse luma of every frame, to cross-check decoders
}

# One row a sampled frame: tables/sampled_frames/<clip>.parquet
FRAMES: Final[Schema] = {
    "clip": pl.String,
    "style": pl.String,
    "performer": pl.String,
    "take": pl.String,
    "run": pl.Int32,  # contiguous source frames without a pause share a run
    "frame": pl.Int64,  # index in the source clip
    "time_s": pl.Float64,
    "image": pl.String,  # JPEG, relative to the store
    "width": pl.Int32,
    "height": pl.Int32,
    "backend": pl.String,  # "decord" or "pyav"
}

# One row a sampled frame; keypoints, scores, landmarks and evidence are null where no person was
# detected.
TRACKS: Final[Schema] = {
    "clip": pl.String,
    "run": pl.Int32,
    "frame": pl.Int64,
    "time_s": pl.Float64,
    "keypoints": KEYPOINTS,
    "score": SCORES,
    "landmarks": LANDMARKS,
    "evidence": EVIDENCE,
    "estimator": pl.String,
    "estimator_version": pl.String,
}

# One row an annotated frame: tables/pose_annotations/<clip>.parquet
ANNOTATIONS: Final[Schema] = {
    "clip": pl.String,
    "frame": pl.Int64,
    "keypoints": KEYPOINTS,  # NaN where visibility is 0
    "visibility": VISIBILITY,
    "derived": DERIVED,  # not annotated themselves; null where no joint is
    "source_file": pl.String,
    "annotator": pl.String,
}

# FRAMES joined with TRACKS and ANNOTATIONS (null where a frame is not annotated).
POSE_DATASET: Final[Schema] = {
    **{k: v for k, v in FRAMES.items() if k != "backend"},
    **{k: TRACKS[k] for k in ("keypoints", "score", "landmarks", "evidence", "estimator")},
    "annotation": KEYPOINTS,
    "visibility": VISIBILITY,
    "derived": DERIVED,
}

# One row a sampled frame of an annotated clip; the pixels are in person_crops.npy beside it.
PERSON_CROPS: Final[Schema] = {
    "clip": pl.String,
    "run": pl.Int32,
    "frame": pl.Int64,
    "scale": pl.Float64,  # frame pixels a crop pixel
    "offset": pl.Array(pl.Float64, 2),  # frame x, y of the crop's first pixel
    "found": pl.Boolean,  # whether the box is of this frame's own estimate
}

# One row a clip: tables/split_manifest.parquet
SPLIT_MANIFEST: Final[Schema] = {
    "clip": pl.String,
    "style": pl.String,
    "performer": pl.String,
    "group": pl.String,  # the take when the manifest gives one, else the clip
    "split": pl.String,  # "train", "val" or "test"
    "fold": pl.Int32,  # 0..k-1, the fold in which the group is held out
}

# POSE_DATASET rows with their split; variant 0 is the original, 1.. are augmented copies.
SPLIT_ROWS: Final[Schema] = {
    **POSE_DATASET,
    "group": pl.String,
    "split": pl.String,
    "fold": pl.Int32,
    "variant": pl.Int32,
}

# Of rendered motion: also where the estimator's views of a frame agree that each joint is.
RENDERED_ROWS: Final[Schema] = {
    **SPLIT_ROWS,
    "consensus": KEYPOINTS,  # null where there is none, NaN where it is not trusted
}

# One row a finding of the checks on an asset: tables/findings/<asset>[/<clip>].parquet
FINDINGS: Final[Schema] = {
    "check": pl.String,
    "severity": pl.String,  # "warn", or "error": nothing is made from the clip or table
    "clip": pl.String,  # or the network, for checks on models; "" on a whole table
    "frame": pl.Int64,  # index in the source clip, null where it is about all of it
    "joint": pl.String,
    "value": pl.Float64,
    "limit": pl.Float64,
    "message": pl.String,
    "other": pl.String,  # the clip that it was compared with
    "other_frame": pl.Int64,
}

# One row a registered clip: tables/dataset_clips.parquet, beside the data set
DATASET_CLIPS: Final[Schema] = {
    "clip": pl.String,
    "made_of": pl.String,  # sha256 over those of its tables, null where they do not fit together
    "left_out": pl.String,  # why it is not in the data set, null when it is
    "findings": pl.List(pl.Struct(FINDINGS)),
}


def table_metadata(**extra: str) -> dict[str, str]:
    """Key-value metadata that every pose table carries: joint names and skeleton id."""
    return {"skeleton": DANCE_14.id, "joints": json.dumps(DANCE_14.names), **extra}


def conform(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Order and cast the columns of ``frame`` to ``schema``; raises polars errors if it cannot.

    A column that was added to the schema later (``_ADDED``) is null where ``frame`` lacks it.
    """
    absent = _ADDED.difference(frame.columns)
    return frame.select(
        (pl.lit(None).alias(name) if name in absent else pl.col(name)).cast(dtype)
        for name, dtype in schema.items()
    )


def write_table(
    frame: pl.DataFrame,
    path: Path,
    metadata: Mapping[str, str] | None = None,
    *,
    durable: bool = False,
) -> str:
    """Write ``frame`` atomically as zstd Parquet and return the sha256 of the file."""
    with replacing(path, durable=durable) as part:
        frame.write_parquet(
            part,
            compression="zstd",
            row_group_size=4096,
            metadata=dict(metadata or table_metadata()),
        )
        return file_digest(part)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Read one Parquet table, or columns of it. Raises DamagedFileError when it cannot be read."""
    try:
        return _read(path, columns)
    except _UNREADABLE as error:
        raise _damaged("table", path, error) from error


def is_table(content: bytes) -> bool:
    """Whether the content of a file is a Parquet table that can be read."""
    try:
        _read(content, None)
    except _UNREADABLE:
        return False
    return True


def _read(source: Path | bytes, columns: Sequence[str] | None) -> pl.DataFrame:
    _scan_pages(source, columns)
    wanted = list(columns) if columns is not None else None
    # Else the folder "run[1]" would be a pattern, and the table of "run1" be read.
    return pl.read_parquet(source, columns=wanted, glob=False)


def read_columns(path: Path, columns: Sequence[str]) -> dict[str, list[Any]]:
    """The values of some columns of one Parquet table, none of a fixed shape; lists as arrays.

    Arrow alone reads them: of a small table that takes a third of the time of :func:`read_table`,
    which has it go first. Raises DamagedFileError when it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pa.OSFile(str(path)) as file:
            found = pq.ParquetFile(file).read(list(columns), use_threads=False)
        return {name: _values(found.column(name)) for name in columns}
    except (pa.ArrowException, UnicodeDecodeError, KeyError, OSError) as error:
        raise _damaged("table", path, error) from error


def _values(column: "pa.ChunkedArray") -> list[Any]:
    import pyarrow as pa

    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        return list(column.to_pylist())
    # A clip's time stamps as Python's numbers take thirty times as long. By way of polars: Arrow's
    # own arrays of NumPy import pandas.
    return [pl.Series(one.values).to_numpy() if one.is_valid else None for one in column]


def _scan_pages(source: Path | bytes, columns: Sequence[str] | None) -> None:
    """Decode the pages of a table, or of columns of it, and make nothing of them.

    Some changed bytes in the header of a page end the process in polars, so that no error would
    name the file. Arrow's reader, which raises for them, goes first. It does not make the table: it
    fails on a null in a column of fixed shape.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        opened = io.BytesIO(source) if isinstance(source, bytes) else source
        with pq.ParquetFile(opened) as file:
            file.scan_contents(list(columns) if columns is not None else None)
    except (pa.ArrowException, UnicodeDecodeError) as error:  # both may be ValueErrors
        raise OSError(str(error)) from error


def read_metadata(path: Path) -> dict[str, str]:
    """The key-value metadata of a table. Raises DamagedFileError when it cannot be read."""
    try:
        return pl.read_parquet_metadata(path)
    except _UNREADABLE as error:
        raise _damaged("table", path, error) from error


def table_height(path: Path) -> int:
    """Rows of a table. Raises DamagedFileError when it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        raise _damaged("table", path, error) from error


def read_note(path: Path) -> dict[str, Any]:
    """A JSON object that this package wrote. Raises DamagedFileError when it cannot be read."""
    try:
        plain = json.loads(read_file(path))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged("file", path, error) from error
    if not isinstance(plain, dict):
        raise _damaged("file", path, ValueError("it is no JSON object"))
    return plain


def _damaged(what: str, path: Path, error: Exception) -> DamagedFileError:
    return DamagedFileError(
        f"the {what} cannot be read, it is damaged or cut off ({brief(error)})",
        file=path,
        hint="`dance run` makes it again",
    )


def file_digest(path: Path) -> str:
    """sha256 of a regular file, hexadecimal. Raises OSError for anything else."""
    with open_file(path) as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_text(path: Path, text: str, *, durable: bool = False) -> None:
    """Write a text file atomically (UTF-8)."""
    with replacing(path, durable=durable) as part:
        part.write_text(text, encoding="utf-8")
