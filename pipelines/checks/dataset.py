"""Checks on the data set and its splits."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import polars as pl

from dance_models.config import QualityConfig
from dance_models.tables import SPLIT_ROWS, conform
from pipelines.checks.asset_checks import AssetChecks, Check, Numbers
from pipelines.checks.dataset_clips import written_clips
from pipelines.checks.pictures import drawing
from pipelines.storage.clips import registered_clips
from pipelines.storage.store import Store

if TYPE_CHECKING:
    from dance_models.data.pose_runs import PoseRun
    from dance_models.quality.findings import Finding


def _pose_dataset(store: Store, config: QualityConfig, clip: str | None) -> "list[Finding]":
    """What was found while the data set was made, in the order of the checks."""
    order = [check.name for check in DATASET_CHECKS.checks]
    found = [finding for one in written_clips(store) for finding in one.findings]
    return sorted(found, key=lambda finding: order.index(finding.check))


def _split_manifest(store: Store, config: QualityConfig, clip: str | None) -> "list[Finding]":
    from dance_models.quality.dataset import (
        class_balance,
        enough_takes,
        shared_between_folds,
        shared_ids,
    )

    manifest = store.read("split_manifest")
    return [
        *shared_ids(manifest),
        *enough_takes(manifest),
        *class_balance(manifest, config),
        *shared_between_folds(_original_runs(store), config),
    ]


def _manifest_numbers(store: Store, clip: str | None) -> Numbers:
    from dance_models.quality.dataset import takes_of_splits

    manifest = store.read("split_manifest")
    takes = {f"{split}_takes": float(n) for split, n in takes_of_splits(manifest).items()}
    return {"enough_takes": takes, "class_balance": {"styles": manifest["style"].n_unique()}}


def _dataset_numbers(store: Store, clip: str | None) -> Numbers:
    clips = len(set(store.read_columns("pose_dataset", None, ["clip"])["clip"]))
    registered = registered_clips(store).height
    return {"clips_left_out": {"clips": clips, "left_out": registered - clips}}


def _original_runs(store: Store) -> "list[PoseRun]":
    """Runs of all splits by the manifest; the splits' own tables may not exist yet.

    Of a clip that is in two splits, which is another finding, the first.
    """
    from dance_models.data.assemble import pose_runs_from_rows

    manifest = store.read("split_manifest").unique("clip", keep="first", maintain_order=True)
    rows = store.read("pose_dataset").join(
        manifest.select("clip", "group", "split", "fold"), on="clip"
    )
    return pose_runs_from_rows(conform(rows.with_columns(variant=pl.lit(0)), SPLIT_ROWS))


def _split_table(
    store: Store, config: QualityConfig, clip: str | None, *, split: str
) -> "list[Finding]":
    from dance_models.quality.dataset import foreign_rows, shared_motion

    found = foreign_rows(store.read(f"{split}_split"), split, store.read("split_manifest"))
    if split == "train":
        return found
    runs: dict[str, list[PoseRun]] = {"train": [], "val": [], "test": []}
    for run in _original_runs(store):
        runs[run.split].append(run)
    found += shared_motion(runs["train"], runs[split], config)
    if split == "test":
        chosen_on = shared_motion(runs["val"], runs["test"], config, "in validation")
        found += [replace(one, severity="warn") for one in chosen_on]
    return found


DATASET_CHECKS = AssetChecks(
    "pose_dataset",
    (
        Check(
            "clips_left_out",
            "Every registered clip is in the data set: warns if not.",
        ),
        Check(
            "swapped_sides",
            "Left and right of estimate and annotation agree: warns if they are exchanged for "
            "six frames, leaves the clip out if they are in half of the frames.",
        ),
        Check(
            "estimate_distance",
            "Estimate and annotation show the same pose: warns if they are half a torso apart in a "
            "tenth of the frames.",
        ),
        Check(
            "duplicate_clips",
            "No clip is there twice, nor cut, encoded again or mirrored.",
        ),
    ),
    _pose_dataset,
    drawing("pose_annotations", "pose_tracks"),
    numbers=_dataset_numbers,
)
MANIFEST_CHECKS = AssetChecks(
    "split_manifest",
    (
        Check("split_leaks", "No clip and no take is in two splits.", blocking=True),
        Check(
            "enough_takes",
            "A take to train on, one for validation and one for the test. Without them no network "
            "can be selected and scored, and none is trained.",
            blocking=True,
        ),
        Check("class_balance", "Every style is in every split, and none outweighs the others."),
        Check(
            "shared_folds",
            "No clip shows the motion of a clip of another fold under another name: warns if so.",
        ),
    ),
    _split_manifest,
    numbers=_manifest_numbers,
    code="3",  # 3: folds are compared
)


def split_checks(split: str) -> AssetChecks:
    """The checks on the table of one split."""
    motion = Check(
        "shared_motion",
        "No clip shows the motion of a training clip under another name: warns if it is that of "
        "several together, or of a validation clip.",
        blocking=True,
    )
    foreign = Check(
        "foreign_rows",
        "Only rows of this split's clips, and augmented copies only in training.",
        blocking=True,
    )
    return AssetChecks(
        f"{split}_split",
        (foreign, *(() if split == "train" else (motion,))),
        partial(_split_table, split=split),
        drawing("pose_annotations"),
        code="1" if split == "train" else "3",  # 3: several together, and the test with validation
    )


SPLIT_CHECKS: Final = {split: split_checks(split) for split in ("train", "val", "test")}
