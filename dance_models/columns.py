"""What the columns of the Parquet tables mean. `docs/data_contracts.md` and the web UI show it."""

from typing import Any, Final

import polars as pl

from dance_models.tables import Schema

# Columns that mean the same in most tables.
COMMON: Final[dict[str, str]] = {
    "clip": "key of the clip",
    "style": "of the dance",
    "performer": "who dances; empty when not given",
    "take": "the recording; empty when not given",
    "sha256": "of the file",
    "width": "pixels",
    "height": "pixels",
    "time_s": "seconds",
    "run": "contiguous source frames without a pause share a run",
    "frame": "index in the source clip, from 0",
    "image": "JPEG, path relative to the store",
    "keypoints": "the estimate, pixels",
    "score": "0-1",
    "landmarks": "x, y in pixels, visibility",
    "evidence": "as in `pose_tracks`",
    "estimator": "name of the estimator",
    "visibility": "0 absent, 1 occluded, 2 visible",
    "derived": "as in `pose_annotations`",
    "annotation": "pixels",
    "split": "`train` or `val`",
    "value": "what was measured",
    "method": "id of the row",
    "metric": "as in the score tables",
    "ci_low": "lower end of the interval",
    "ci_high": "upper end of the interval",
    "n_clips": "clips behind the value",
    "n_takes": "takes of these clips",
    "seed": "null on rows over several seeds",
}

# Table (a section of docs/data_contracts.md) -> the columns that are its own.
TABLES: Final[dict[str, dict[str, str]]] = {
    "raw_clips": {
        "clip": (
            "key of the clip, made from the name of the file or of the folder of images: "
            "`[a-z0-9_-]+`"
        ),
        "style": "from `clips.csv`, else the folder, else `unknown`",
        "performer": "from `clips.csv`, else empty",
        "take": "from `clips.csv`, else empty; clips of one take share a split",
        "path": "where the file, the folder of images or the pointer is; clips are not copied",
        "sha256": "of the file, or over the images and their rate; empty when it cannot be read",
        "corpus": "what reports call the corpus that the clip came with",
        "fps": "frame rate of a folder of images by `clips.csv`, else empty",
        "size": (
            "bytes of the file when it was read, of a folder of all images; null of files in a "
            "store that is in a bucket, and where an earlier version registered the clip"
        ),
        "mtime_ns": "when the file was written last, of a folder its latest image; null as above",
        "members": (
            "of a folder, a digest over name, size and time of each of its images and its rate; "
            "null of a file, and as above"
        ),
    },
    "raw_annotations": {
        "path": "where the file is",
        "clips": "clips that the file annotates",
        "problem": "why the file cannot be used, else null",
        "readings": "a digest of what was read of each of these clips",
        "chosen_clip": "with `--clip`: the clip of images whose names give none; else null",
        "chosen_first_frame": "with `--first-frame`: the number of a clip's first frame; else null",
        "format": "id in `dance formats`; of an archive, those of its files",
        "people": "the most annotated people in one frame",
        "frames": "annotated frames",
        "joints": "different joints of the skeleton",
        "dropped": "annotated people that were left out while reading",
        "size": (
            "bytes of the file when it was read; null of files that cannot be read or are in a "
            "store that is in a bucket, and where an earlier version registered it"
        ),
        "mtime_ns": "when the file was written last; null as above",
        "reader": "a digest of the code that read the file; null as above",
    },
    "raw_motion": {
        "source": "path below the registered folder; unique",
        "path": "a file, or a folder with one JSON per frame",
        "sha256": "of the content",
    },
    "registered_folders": {
        "folder": "absolute path",
        "content": "`clips`, `annotations`, `motion` or `tracks`",
    },
    "clip_probe": {
        "clip": "as registered",
        "style": "as registered",
        "performer": "as registered",
        "take": "as registered",
        "status": "`ok` or `quarantined`",
        "reason": "why it was quarantined, else null",
        "warnings": "what is unusual about the file",
        "remarks": "those of them that a person should look at",
        "codec": "of the video stream",
        "width": "pixels as displayed: rotation and the shape of the pixels applied",
        "height": "pixels as displayed",
        "coded_width": "pixels of the pictures in the file",
        "coded_height": "pixels of the pictures in the file",
        "rotation": "degrees, counter-clockwise, that displaying applies after mirroring",
        "mirrored": "whether displaying mirrors left to right",
        "fps": "frames a second, mean from the time stamps",
        "nominal_frames": "frames that the container claims a player shows",
        "decoded_frames": "frames that decoding gave",
        "image_numbers": "of a folder of images: the number of each frame's image; else empty",
        "in_order": "whether frames are told only by counting from the start of the file",
        "variable_rate": "whether the intervals differ",
        "duration_s": "seconds",
        "time_s": "presentation time of every decoded frame, seconds",
        "motion": "mean absolute luma change to the frame before, 0-255",
        "signature": "coarse luma of every frame, to check later decoding",
    },
    "sampled_frames": {
        "backend": "`decord` or `pyav`",
    },
    "pose_tracks": {
        "score": "the estimator's confidence, 0-1",
        "landmarks": (
            "BlazePose's own landmarks: x, y in pixels, visibility; null for other estimators"
        ),
        "evidence": (
            "what BlazePose says about each landmark beside its position (below); null for "
            "other estimators"
        ),
        "estimator": "its name",
        "estimator_version": "changes whenever the same images would give other keypoints",
    },
    "pose_annotations": {
        "frame": "index in the source clip",
        "keypoints": "pixels; NaN where visibility is 0",
        "derived": (
            "joints that the file has no place for and that follow from others; null where none is"
        ),
        "source_file": "name of the annotation file",
        "annotator": "as the file states it, else empty",
    },
    "annotation_report": {
        "file": "the annotation file, or the file that nothing reads",
        "clip": "null: of no clip, or of all",
        "frame": "null: of no single frame",
        "joint": "null: of no single joint",
        "action": (
            "`dropped`, `repaired`, `noted`, `empty` (not annotated yet), `not read` (a file)"
        ),
        "rows": "annotated people that are lost",
        "message": "why, and what to do",
    },
    "pose_dataset": {},
    "dataset_clips": {
        "made_of": "sha256 over those of its tables; null where they are not there or do not fit",
        "left_out": "why it is not in the data set; null when it is",
        "findings": "what the checks on the data set say of it: rows as in `findings`",
    },
    "split_manifest": {
        "group": "the take when given, else the clip; a group is never divided",
        "split": "`train`, `val` or `test`",
        "fold": "from 0; the fold in which the group is held out",
    },
    "split_history": {
        "group": "the take when given, else the clip; a group is never divided",
        "split": "as in the manifest that the clip was in last",
        "fold": "likewise; null when there are another number of folds since",
    },
    "split_rows": {
        "image": "JPEG of the original frame",
        "group": "as in the manifest",
        "split": "as in the manifest",
        "fold": "as in the manifest",
        "variant": "0 is the original, 1 and up are augmented copies",
    },
    "rendered_motion": {
        "clip": "one view of one piece",
        "style": "`rendered`",
        "performer": "the body",
        "take": "null",
        "image": "null",
        "estimator": "null",
        "annotation": "exact, pixels",
        "visibility": "0 absent, 1 occluded, 2 visible; 0 outside of the picture",
        "group": "the take of the motion",
        "fold": "0",
        "variant": "0",
        "consensus": (
            "where the estimator's views agree that the joint is, pixels; NaN where they do not"
        ),
    },
    "augmentation_audit": {
        "variant": "1 and up",
        "flip": "whether the run was mirrored",
        "rotation_deg": "degrees, clockwise on screen",
        "scale": "factor about the image's centre",
        "jitter_px": "standard deviation of the noise on the estimate, pixels",
        "dropped_joints": "joints removed from the estimate",
        "joints_left_image": "annotated joints that left the image and became absent",
    },
    "person_crops": {
        "scale": "frame pixels per crop pixel",
        "offset": "x, y in the frame of the crop's first pixel",
        "found": "whether the box comes from this frame's own estimate",
    },
    "pretraining_sources": {
        "source": "as registered",
        "kind": "`bvh`, `positions`, `kinetics` or `tracks`",
        "clips": "views",
        "frames": "over all views",
        "seconds": "over all views",
        "problem": "why the file is not used, else null",
    },
    "pretraining_leaks": {
        "pretraining": "clip of the motion",
        "evaluated": "clip of the corpus",
        "message": "where they are alike, and how close",
    },
    "findings": {
        "check": "name of the check",
        "severity": "`warn`, or `error`: what depends on the clip or table is not made",
        "clip": "the clip, or the network; empty for a whole table",
        "frame": "index in the source clip, null when it is about all of it",
        "joint": "null when it is about no single joint",
        "limit": "what is allowed",
        "message": "one sentence",
        "other": "the clip it was compared with",
        "other_frame": "a frame of that clip",
    },
    "recognition_scores": {
        "input": "always `raw`: what is refined",
        "style": "a style, or `all`",
        "joint": "a joint, `all` (mean over 14) or `all_but_head_top` (mean over 13)",
        "metric": (
            "`pck_torso`, `pck_bbox`, `mpjpe_torso`, `mpjpe_px`, `accel_torso`, `found`, `lag`"
        ),
        "threshold": "of PCK: 0.05, 0.1 or 0.2; else null",
        "n_frames": "frames behind the value",
        "split": "`test`, `folds`, or `frames` for the demonstration of a leak",
    },
    "prediction_scores": {
        "input": "`annotated`, `refined` or `raw`",
        "style": "a style, or `all`",
        "horizon_ms": "80, 160, 320 or 400",
        "metric": (
            "`mpjpe_torso`, `mae_px`, `bone_angle`, `skill`; a suffix (`.slow`, "
            "`.left_wrist`) is a part of the windows or joints"
        ),
        "n_windows": "windows behind the value",
        "split": "`test` or `folds`",
    },
    "paired": {
        "task": "`recognition` or `prediction`",
        "other": "the row it is compared with",
        "input": "of both",
        "style": "a style, or `all`",
        "horizon_ms": "prediction only, else null",
        "threshold": "PCK only, else null",
        "difference": "`method` minus `other`, in the metric's unit",
        "ci_low": "lower end of the paired interval",
        "ci_high": "upper end of the paired interval",
        "p_holm": (
            "corrected over the styles and the thresholds or horizons of one comparison; null "
            "where nothing was tested (splits `test` and `frames`)"
        ),
        "p_floor": "the smallest that `p_holm` can be with so many takes",
        "n_clips": "clips in both",
        "n_takes": "takes in both",
        "split": "`test`, `folds` or `frames`",
    },
}

_NAMES: Final[dict[type[pl.DataType], str]] = {
    pl.Boolean: "bool",
    pl.Binary: "binary",
    pl.Float32: "float32",
    pl.Float64: "float64",
    pl.Int32: "int32",
    pl.Int64: "int64",
    pl.Struct: "struct",
    pl.String: "string",
    pl.UInt8: "uint8",
}


def meaning(table: str, column: str) -> str:
    """What a column of a table means. Raises KeyError when it is described nowhere."""
    own = TABLES[table]
    return own[column] if column in own else COMMON[column]


def type_name(dtype: Any) -> str:
    """A column's type in words: ``float32[14, 2]`` is an array of that shape."""
    if isinstance(dtype, pl.Array):
        scalar = type_name(dtype.inner).partition("[")[0]
        return f"{scalar}[{', '.join(map(str, dtype.shape))}]"
    if isinstance(dtype, pl.List):
        return f"list[{type_name(dtype.inner)}]"
    kind: type[pl.DataType] = dtype if isinstance(dtype, type) else type(dtype)
    return _NAMES.get(kind) or str(dtype)


def described(table: str, schema: Schema) -> list[tuple[str, str, str]]:
    """Name, type and meaning of every column of a table."""
    return [(name, type_name(dtype), meaning(table, name)) for name, dtype in schema.items()]
