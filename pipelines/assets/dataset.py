"""The data set: all clips joined, split by group, augmented (training split only)."""

from collections.abc import Callable
from typing import Any

import dagster as dg
import polars as pl

from dance_models.config import AugmentConfig, SplitConfig
from dance_models.tables import POSE_DATASET, SPLIT_ROWS, conform, write_table
from pipelines import previews
from pipelines.assets.annotations import pose_annotations
from pipelines.assets.clips import pose_tracks, sampled_frames
from pipelines.automation.dataset import WHEN_CLIPS_ARE_DONE, WHEN_DATASET_CHANGED
from pipelines.checks.dataset import (
    DATASET_CHECKS,
    MANIFEST_CHECKS,
    PARTS,
    SPLIT_CHECKS,
    complete_clips,
    usable_clips,
)
from pipelines.settings import AugmentSettings, SplitSettings, active_profile
from pipelines.skip_rule import Inputs, Made, Result, run_stage
from pipelines.storage.store import Store

GROUP = "dataset"


# --- pose_dataset -----------------------------------------------------------------------------


def pose_dataset_inputs(store: Store, config: None, clip: str | None) -> Inputs:
    """The three tables of every clip that stood its own checks, and the limits of those to come."""
    complete, left_out = complete_clips(store)
    tables = {c: [store.digest(part, c) for part in PARTS] for c in complete}
    quality = active_profile().quality
    return {"code": "2", "clips": tables, "left_out": left_out, "quality": quality}


@dg.asset(
    deps=[sampled_frames, pose_tracks, pose_annotations],
    group_name=GROUP,
    code_version="2",
    check_specs=DATASET_CHECKS.specs(),
    kinds={"parquet"},
    automation_condition=WHEN_CLIPS_ARE_DONE,
)
def pose_dataset(context: dg.AssetExecutionContext, store: Store) -> Result:
    """One row a sampled frame: image, estimated keypoints, annotated keypoints where there are.

    Clips that a check stopped are left out.
    """

    def make() -> Made:
        from dance_models.data.assemble import join_pose_dataset

        clips, left_out = usable_clips(store, active_profile().quality)
        for reason in left_out.values():
            context.log.warning(f"A clip is left out: {reason}")
        tables = [join_pose_dataset(*(store.read(part, c) for part in PARTS)) for c in clips]
        table = pl.concat([t for t in tables if t.height] or [pl.DataFrame(schema=POSE_DATASET)])
        table = table.sort("clip", "frame")
        path = store.table("pose_dataset")
        version = write_table(table, path)
        by_style = table.group_by("style").agg(
            clips=pl.col("clip").n_unique(),
            frames=pl.len(),
            annotated=pl.col("annotation").is_not_null().sum(),
            person_found=pl.col("keypoints").is_not_null().sum(),
        )
        return Made(
            version,
            {
                **previews.table_metadata(table, path),
                "clips": table["clip"].n_unique(),
                "left_out": previews.markdown_list(left_out.values()),
                "by_style": previews.records(by_style.sort("style")),
            },
        )

    return run_stage(context, store, pose_dataset_inputs(store, None, None), make, DATASET_CHECKS)


# --- split_manifest ---------------------------------------------------------------------------


def _annotated_clips(store: Store) -> pl.DataFrame:
    """clip, style, performer, take of every clip with at least one annotated frame, sorted."""
    return (
        store.read("pose_dataset")
        .filter(pl.col("annotation").is_not_null())
        .select("clip", "style", "performer", "take")
        .unique()
        .sort("clip")
    )


def split_manifest_inputs(store: Store, config: SplitConfig, clip: str | None) -> Inputs:
    """The annotated clips and the ratios, not the frames: more frames leave the splits alone."""
    return {"code": "1", "clips": _annotated_clips(store).rows(), "config": config}


@dg.asset(
    deps=[pose_dataset],
    group_name=GROUP,
    code_version="1",
    check_specs=MANIFEST_CHECKS.specs(),
    kinds={"parquet"},
    automation_condition=WHEN_DATASET_CHANGED,
)
def split_manifest(
    context: dg.AssetExecutionContext, config: SplitSettings, store: Store
) -> Result:
    """Which clip is in which split, stored as data.

    70/15/15 by group (the take when `clips.csv` gives one, else the clip), stratified by style,
    and grouped k-fold beside it. New clips are assigned without moving old ones.
    """
    split = config.value()

    def make() -> Made:
        from dance_models.data.splits import assign_splits

        path = store.table("split_manifest")
        previous = store.read("split_manifest") if path.is_file() else None
        clips = _annotated_clips(store)
        if not clips.height:
            raise dg.Failure(
                "No clip has annotations, so there is nothing to train on. Give a folder with "
                "`dance run --annotations DIR`; in the web UI, put the files into "
                f"{store.raw_annotations}, observe `raw_annotations` and materialize again."
            )
        table = assign_splits(clips, split, previous)
        version = write_table(table, path)
        counts = table.group_by("split", "style").agg(
            clips=pl.len(), groups=pl.col("group").n_unique()
        )
        return Made(
            version,
            {
                **previews.table_metadata(table, path),
                "counts": previews.records(counts.sort("split", "style")),
                "manifest": previews.records(table, limit=100),
            },
        )

    inputs = split_manifest_inputs(store, split, None)
    return run_stage(context, store, inputs, make, MANIFEST_CHECKS)


# --- augmented_train --------------------------------------------------------------------------


def _split_rows(store: Store, split: str) -> pl.DataFrame:
    """Original rows of one split (schema SPLIT_ROWS, variant 0), sorted."""
    manifest = store.read("split_manifest").filter(pl.col("split") == split)
    rows = store.read("pose_dataset").join(
        manifest.select("clip", "group", "split", "fold"), on="clip"
    )
    return conform(rows.with_columns(variant=pl.lit(0)), SPLIT_ROWS).sort("clip", "frame")


def augmented_train_inputs(store: Store, config: AugmentConfig, clip: str | None) -> Inputs:
    """The data set, the splits and the augmentation."""
    return {
        "code": "1",
        "pose_dataset": store.digest("pose_dataset"),
        "split_manifest": store.digest("split_manifest"),
        "config": config,
    }


@dg.asset(
    deps=[pose_dataset, split_manifest],
    group_name=GROUP,
    code_version="1",
    kinds={"parquet"},
    automation_condition=WHEN_DATASET_CHANGED,
)
def augmented_train(
    context: dg.AssetExecutionContext, config: AugmentSettings, store: Store
) -> dg.MaterializeResult[Any]:
    """Augmented copies of the training runs: one geometric draw a run and variant, audited.

    Made after splitting, so that no variant of a clip can cross into another split. A reflection
    swaps left and right; visibility is recomputed; jitter and dropout touch the estimate only.
    """
    augment = config.value()

    def make() -> Made:
        from dance_models.data.assemble import pose_runs_from_rows, rows_from_pose_runs
        from dance_models.data.augment import augment_run

        rows = _split_rows(store, "train")
        runs, audit = [], []
        for run in pose_runs_from_rows(rows):
            for variant in range(1, augment.variants + 1):
                copy, drawn = augment_run(run, augment, variant)
                runs.append(copy)
                audit.append({"clip": run.clip, "run": run.run, "variant": variant, **drawn})
        table = rows_from_pose_runs(runs, rows) if runs else pl.DataFrame(schema=SPLIT_ROWS)
        path = store.table("augmented_train")
        version = write_table(table, path)
        drawn_table = pl.DataFrame(audit)
        write_table(drawn_table, store.table("augmentation_audit"), {})
        return Made(
            version,
            {
                **previews.table_metadata(table, path),
                "drawn": previews.records(drawn_table),
            },
        )

    return run_stage(context, store, augmented_train_inputs(store, augment, None), make)


# --- the three splits -------------------------------------------------------------------------


def _train_rows(store: Store) -> pl.DataFrame:
    """Originals and augmented copies of the training split."""
    return pl.concat([_split_rows(store, "train"), store.read("augmented_train")])


def _split_inputs(split: str) -> Callable[[Store, None, str | None], Inputs]:
    def inputs(store: Store, config: None, clip: str | None) -> Inputs:
        parts = [
            "pose_dataset",
            "split_manifest",
            *(["augmented_train"] if split == "train" else []),
        ]
        return {"code": "1", "split": split, **{part: store.digest(part) for part in parts}}

    return inputs


train_split_inputs = _split_inputs("train")
val_split_inputs = _split_inputs("val")
test_split_inputs = _split_inputs("test")


def _split_asset(
    split: str, rows: Callable[[Store], pl.DataFrame], description: str
) -> dg.AssetsDefinition:
    deps = [pose_dataset, split_manifest, *([augmented_train] if split == "train" else [])]
    name = f"{split}_split"

    @dg.asset(
        name=name,
        deps=deps,
        group_name=GROUP,
        code_version="1",
        check_specs=SPLIT_CHECKS[split].specs(),
        kinds={"parquet"},
        automation_condition=WHEN_DATASET_CHANGED,
        description=description,
    )
    def split_asset(context: dg.AssetExecutionContext, store: Store) -> Result:
        def make() -> Made:
            table = rows(store)
            path = store.table(name)
            version = write_table(table, path)
            counts = table.group_by("clip", "style", "variant").agg(frames=pl.len())
            return Made(
                version,
                {
                    **previews.table_metadata(table, path),
                    "clips": table["clip"].n_unique(),
                    "rows": previews.records(counts.sort("clip", "variant"), limit=100),
                },
            )

        inputs = _split_inputs(split)(store, None, None)
        return run_stage(context, store, inputs, make, SPLIT_CHECKS[split])

    return split_asset


train_split = _split_asset(
    "train", _train_rows, "What the networks learn from: training clips and their augmented copies."
)
val_split = _split_asset(
    "val", lambda store: _split_rows(store, "val"), "What models and parameters are chosen on."
)
test_split = _split_asset(
    "test",
    lambda store: _split_rows(store, "test"),
    "Scored once a model and seed, never chosen on.",
)
