"""The data set: all clips joined, split by group, augmented (training split only)."""

from contextlib import suppress
from typing import Final

import dagster as dg
import polars as pl

from dance_models.config import AugmentConfig, SplitConfig
from dance_models.errors import InputError
from dance_models.tables import (
    SPLIT_MANIFEST,
    SPLIT_ROWS,
    conform,
    read_metadata,
    read_table,
    table_metadata,
    write_table,
)
from dance_models.text import first_lines
from pipelines import previews
from pipelines.assets.annotations import pose_annotations
from pipelines.assets.clips import pose_tracks, sampled_frames
from pipelines.assets.conditions import WHEN_CLIPS_ARE_DONE, WHEN_DATASET_CHANGED
from pipelines.assets.joined_clips import joined_clips
from pipelines.checks.dataset import DATASET_CHECKS, MANIFEST_CHECKS, SPLIT_CHECKS
from pipelines.checks.dataset_clips import CLIPS, PARTS, complete_clips, write_clips
from pipelines.stage import Inputs, Metadata, Stage, StageContext, inputs_digest
from pipelines.storage.store import Store

GROUP: Final = "dataset"
SPLIT_TABLES: Final = ("train_split", "val_split", "test_split")
HISTORY: Final = "split_history"  # a table beside the manifest


# --- pose_dataset -----------------------------------------------------------------------------


def _pose_dataset_inputs(context: StageContext[None]) -> Inputs:
    """The three tables of every clip that passed its own checks, and the limits of the checks."""
    store = context.store
    complete, left_out = complete_clips(store)
    tables = {c: [store.digest(part, c) for part in PARTS] for c in complete}
    return {"clips": tables, "left_out": left_out, "quality": context.profile.quality}


@Stage(
    deps=[sampled_frames, pose_tracks, pose_annotations],
    inputs=_pose_dataset_inputs,
    checks=DATASET_CHECKS,
    outputs=lambda store, clip: [store.table(CLIPS)],
    group=GROUP,
    version="5",
    kinds={"parquet"},
    automation_condition=WHEN_CLIPS_ARE_DONE,
)
def pose_dataset(context: StageContext[None]) -> Metadata:
    """One row a sampled frame: image, estimated keypoints, annotated keypoints if there are any.

    Clips that a check stopped are left out. Only clips that changed since the last time are joined
    and compared anew.
    """
    store, quality = context.store, context.profile.quality
    codes = [pose_dataset.version, DATASET_CHECKS.code]
    made_with = inputs_digest({"codes": codes, "quality": quality})
    table, clips = joined_clips(store, quality, made_with)
    left_out = [one.left_out for one in clips if one.left_out is not None]
    reasons = (f"A clip is left out: {reason}" for reason in left_out)
    for line in first_lines(reasons, "clips that are left out"):
        context.log.warning(line)
    path = store.table("pose_dataset")
    write_table(table, path)
    write_clips(store, clips, made_with)
    by_style = table.group_by("style").agg(
        clips=pl.col("clip").n_unique(),
        frames=pl.len(),
        annotated=pl.col("annotation").is_not_null().sum(),
        person_found=pl.col("keypoints").is_not_null().sum(),
    )
    return {
        **previews.table_metadata(table, path),
        "clips": table["clip"].n_unique(),
        "left_out": previews.markdown_list(left_out),
        "by_style": previews.records(by_style.sort("style")),
    }


# --- split_manifest ---------------------------------------------------------------------------


OF_CLIP: Final = ("clip", "style", "performer", "take")


def _annotated_clips(store: Store) -> pl.DataFrame:
    """clip, style, performer, take of every clip with at least one annotated frame, sorted."""
    # Of these columns alone: the poses of 10,000 clips take half a gigabyte.
    table = read_table(store.made("pose_dataset"), [*OF_CLIP, "annotation"])
    annotated = table.filter(pl.col("annotation").is_not_null())
    return annotated.select(OF_CLIP).unique().sort("clip")


def _split_manifest_inputs(context: StageContext[SplitConfig]) -> Inputs:
    """The annotated clips and the ratios, not the frames: more frames do not change the splits."""
    store = context.store
    table = store.made("pose_dataset")
    clips = store.fact(table, "annotated clips", lambda: _annotated_clips(store).rows())
    return {"clips": clips, "config": context.config}


def _assigned_before(store: Store) -> tuple[pl.DataFrame | None, int | None]:
    """What every clip was assigned last, also those that are away, and to how many folds.

    Assigned anew, clips would be in other splits than before. A manifest that is lost or damaged is
    what the tables of the splits say of it, if any do; a wrong bit may also rename a column.
    """
    found: list[pl.DataFrame] = []
    folds = None
    with suppress(InputError, LookupError, ValueError):
        # It is written first, so it is as new as the manifest at least.
        found.append(_assigned_in(store, HISTORY))
        folds = int(read_metadata(store.table(HISTORY))["folds"])
    try:
        found.append(_assigned_in(store, "split_manifest"))
    except InputError:
        for split in SPLIT_TABLES:
            with suppress(InputError):
                found.append(_assigned_in(store, split).unique())
    if not found:
        return None, None
    return pl.concat(found).unique("clip", keep="first").sort("clip"), folds


def _kept_assignments(store: Store, config: SplitConfig) -> tuple[pl.DataFrame | None, int | None]:
    """What was assigned before, if anything can have been trained from it.

    Nothing was where a split has no clip, as while the first ones come one by one, and there are no
    tables of the splits: kept, all of them would stay in training.
    """
    from dance_models.data.splits import lacks_a_split

    before, folds = _assigned_before(store)
    if before is None or any(store.table(split).exists() for split in SPLIT_TABLES):
        return before, folds
    return (None, None) if lacks_a_split(before, config) else (before, folds)


def _assigned_in(store: Store, table: str) -> pl.DataFrame:
    """The columns of a manifest in a table. Raises InputError when it is lost or damaged."""
    return read_table(store.table(table), columns=[*SPLIT_MANIFEST])


@Stage(
    deps=[pose_dataset],
    inputs=_split_manifest_inputs,
    config=lambda profile: profile.split,
    checks=MANIFEST_CHECKS,
    outputs=lambda store, clip: [store.table(HISTORY)],
    group=GROUP,
    version="2",
    kinds={"parquet"},
    automation_condition=WHEN_DATASET_CHANGED,
)
def split_manifest(context: StageContext[SplitConfig]) -> Metadata:
    """Which clip is in which split, stored as data.

    70/15/15 by group (the take when `clips.csv` gives one, else the clip), stratified by style,
    and grouped k-fold beside it. New clips are assigned without moving old ones, and one that was
    away, or without annotations, comes back to where it was. Until there is a clip in each split,
    nothing is trained and all are assigned anew.
    """
    from dance_models.data.splits import all_assigned, assign_splits

    store, config = context.store, context.config
    path = store.table("split_manifest")
    before = _kept_assignments(store, config)
    clips = _annotated_clips(store)
    if not clips.height:
        raise dg.Failure(
            "No clip has annotations, so there is nothing to train on. Give a folder with "
            "`dance run --annotations DIR`; in the web UI, put the files into "
            f"{store.raw_annotations}, observe `raw_annotations` and materialize again."
        )
    table = assign_splits(clips, config, *before)
    every = all_assigned(table, config, *before)
    write_table(every, store.table(HISTORY), table_metadata(folds=str(config.folds)))
    write_table(table, path)
    counts = table.group_by("split", "style").agg(clips=pl.len(), groups=pl.col("group").n_unique())
    return {
        **previews.table_metadata(table, path),
        "counts": previews.records(counts.sort("split", "style")),
        "manifest": previews.records(table, limit=100),
    }


# --- augmented_train --------------------------------------------------------------------------


def _split_rows(store: Store, split: str) -> pl.DataFrame:
    """Original rows of one split (schema SPLIT_ROWS, variant 0), sorted."""
    manifest = store.read("split_manifest").filter(pl.col("split") == split)
    rows = store.read("pose_dataset").join(
        manifest.select("clip", "group", "split", "fold"), on="clip"
    )
    return conform(rows.with_columns(variant=pl.lit(0)), SPLIT_ROWS).sort("clip", "frame")


def _augmented_train_inputs(context: StageContext[AugmentConfig]) -> Inputs:
    """The data set, the splits and the augmentation."""
    tables = ("pose_dataset", "split_manifest")
    return {**{t: context.store.digest(t) for t in tables}, "config": context.config}


@Stage(
    deps=[pose_dataset, split_manifest],
    inputs=_augmented_train_inputs,
    config=lambda profile: profile.augment,
    outputs=lambda store, clip: [store.table("augmentation_audit")],
    group=GROUP,
    version="2",
    kinds={"parquet"},
    automation_condition=WHEN_DATASET_CHANGED,
)
def augmented_train(context: StageContext[AugmentConfig]) -> Metadata:
    """Augmented copies of the training runs: one geometric draw a run and variant, audited.

    Made after splitting, so that no variant of a clip can cross into another split. A reflection
    swaps left and right; visibility is recomputed; jitter and dropout change the estimate only.
    """
    from dance_models.data.assemble import pose_runs_from_rows, rows_from_pose_runs
    from dance_models.data.augment import augment_run

    store, augment = context.store, context.config
    rows = _split_rows(store, "train")
    runs, audit = [], []
    for run in pose_runs_from_rows(rows):
        for variant in range(1, augment.variants + 1):
            copy, drawn = augment_run(run, augment, variant)
            runs.append(copy)
            audit.append({"clip": run.clip, "run": run.run, "variant": variant, **drawn})
    table = rows_from_pose_runs(runs, rows) if runs else pl.DataFrame(schema=SPLIT_ROWS)
    path = store.table("augmented_train")
    write_table(table, path)
    drawn_table = pl.DataFrame(audit)
    write_table(drawn_table, store.table("augmentation_audit"), {})
    return {**previews.table_metadata(table, path), "drawn": previews.records(drawn_table)}


# --- the three splits -------------------------------------------------------------------------


def _split_stage(split: str, description: str) -> Stage:
    upstream = [pose_dataset, split_manifest, *([augmented_train] if split == "train" else [])]
    name = f"{split}_split"

    def inputs(context: StageContext[None]) -> Inputs:
        tables = {dep.name: context.store.digest(dep.name) for dep in upstream}
        return {"split": split, **tables}

    @Stage(
        name=name,
        description=description,
        deps=upstream,
        inputs=inputs,
        checks=SPLIT_CHECKS[split],
        group=GROUP,
        version="2",
        kinds={"parquet"},
        automation_condition=WHEN_DATASET_CHANGED,
    )
    def split_table(context: StageContext[None]) -> Metadata:
        table = _split_rows(context.store, split)
        if split == "train":
            table = pl.concat([table, context.store.read("augmented_train")])
        path = context.store.table(name)
        write_table(table, path)
        counts = table.group_by("clip", "style", "variant").agg(frames=pl.len())
        return {
            **previews.table_metadata(table, path),
            "clips": table["clip"].n_unique(),
            "rows": previews.records(counts.sort("clip", "variant"), limit=100),
        }

    return split_table


train_split: Final = _split_stage(
    "train", "What the networks learn from: training clips and their augmented copies."
)
val_split: Final = _split_stage("val", "What models and parameters are selected on.")
test_split: Final = _split_stage(
    "test", "Scored once for each model and seed; nothing is selected on it."
)
SPLITS: Final = (train_split, val_split, test_split)
