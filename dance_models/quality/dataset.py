"""Checks on the data set: leaks between splits, balance of styles, rows in the wrong split."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from dance_models.config import QualityConfig
from dance_models.data.pose_runs import PoseRun
from dance_models.motion.leak import SharedPair, shared_windows
from dance_models.quality.findings import Finding


def shared_ids(manifest: pl.DataFrame) -> list[Finding]:
    """Clips and groups (takes) of a manifest (SPLIT_MANIFEST) that are in more than one split."""
    found = []
    for column in ("clip", "group"):
        several = (
            manifest.group_by(column)
            .agg(pl.col("split").unique().sort(), pl.col("clip").min().alias("first"))
            .filter(pl.col("split").list.len() > 1)
            .sort(column)
        )
        for row in several.to_dicts():
            what = f"{column} {row[column]}" if column == "group" else "the clip"
            found.append(
                Finding(
                    check="split_leaks",
                    clip=row["first"],
                    message=f"{what} is in the splits {' and '.join(row['split'])}",
                    value=float(len(row["split"])),
                    limit=1.0,
                    severity="error",
                )
            )
    return found


def shared_between_folds(runs: Sequence[PoseRun], config: QualityConfig) -> list[Finding]:
    """Pairs of clips in different folds with the same motion: a network of one sees the other.

    The splits are compared by :func:`shared_motion`, but folds also divide the training clips. A
    warning, since who trains no folds loses nothing. See :mod:`dance_models.motion.leak` for what
    this cannot find.
    """
    found: dict[frozenset[str | None], Finding] = {}
    for fold in sorted({run.fold for run in runs}):
        others = [run for run in runs if run.fold != fold]
        evaluated = [run for run in runs if run.fold == fold]
        if not others:
            break
        for one in shared_motion(others, evaluated, config, "in another fold"):
            hint = "a network of either fold has seen it: give both the same take, or remove one"
            seen = replace(
                one, check="shared_folds", severity="warn", message=f"{one.message}; {hint}"
            )
            found.setdefault(frozenset((one.clip, one.other)), seen)
    return list(found.values())


def shared_motion(
    trained: Sequence[PoseRun],
    evaluated: Sequence[PoseRun],
    config: QualityConfig,
    where: str = "trained on",
) -> list[Finding]:
    """Evaluated clips whose motion is that of a training clip: a copy under another name.

    ``frame`` is where the two are most similar; the message says that the other is ``where``. A
    warning names what has enough of several clips together and of none alone: one that was cut
    together from them, or by chance. See :mod:`dance_models.motion.leak` for what this cannot find.
    """
    found = []
    for pair, also in _shared_pairs(trained, evaluated, config):
        others = f" and {also} others" if also else ""
        are = "are" if also else "is"
        message = (
            f"{100 * pair.share:.0f} % of its motion is that of {pair.pretraining}{others}"
            f"{', mirrored' if pair.mirrored else ''}, which {are} {where} "
            f"(at its second {pair.pretraining_s:.1f}, {pair.distance_percent:.1f} % of a torso "
            "apart)"
        )
        found.append(
            Finding(
                check="shared_motion",
                clip=pair.evaluated,
                frame=_frame_at(evaluated, pair.evaluated, pair.evaluated_s),
                other=pair.pretraining,
                other_frame=_frame_at(trained, pair.pretraining, pair.pretraining_s),
                message=message,
                value=pair.share,
                limit=config.shared_motion_share,
                severity="warn" if also else "error",
            )
        )
    return found


def _shared_pairs(
    trained: Sequence[PoseRun], evaluated: Sequence[PoseRun], config: QualityConfig
) -> list[tuple[SharedPair, int]]:
    """The pairs that share enough, and of how many further clips the share is, too.

    A window counts for its nearest training clip alone, so copies of one clip divide it among
    them. Where all of them together have enough of it and none has alone, each is compared alone.
    """

    def compared(before: Sequence[PoseRun], after: Sequence[PoseRun]) -> tuple[SharedPair, ...]:
        percent = config.shared_motion_percent
        return shared_windows(before, after, threshold_percent=percent, stride=2).pairs

    by_clip: dict[str, list[SharedPair]] = {}
    for pair in compared(trained, evaluated):
        by_clip.setdefault(pair.evaluated, []).append(pair)
    limit = config.shared_motion_share
    found: list[tuple[SharedPair, int]] = []
    for clip, pairs in by_clip.items():
        enough = [pair for pair in pairs if pair.share >= limit]
        together = sum(pair.share for pair in pairs)
        if not enough and together >= limit:
            after = [run for run in evaluated if run.clip == clip]
            for name in [pair.pretraining for pair in pairs]:
                alone = compared([run for run in trained if run.clip == name], after)
                enough += [pair for pair in alone if pair.share >= limit]
            if not enough:
                most = max(pairs, key=lambda pair: pair.share)
                found.append((replace(most, share=together), len(pairs) - 1))
        found += [(pair, 0) for pair in enough]
    return found


def _frame_at(runs: Sequence[PoseRun], clip: str, seconds: float) -> int:
    """The frame of a clip that is nearest to a time."""
    gaps = [
        (abs(float(time) - seconds), int(frame))
        for run in runs
        if run.clip == clip and run.variant == 0
        for time, frame in zip(run.time_s, run.frame, strict=True)
    ]
    return min(gaps)[1]


# Split -> what a training needs it for.
_USE: Final = {
    "train": "to train on",
    "val": "for validation, which selects the weights",
    "test": "for the test, which scores them",
}


def takes_of_splits(manifest: pl.DataFrame) -> dict[str, int]:
    """Groups (takes, or clips without one) in each split of a manifest (SPLIT_MANIFEST)."""
    counts = manifest.group_by("split").agg(pl.col("group").n_unique())
    return {**dict.fromkeys(_USE, 0), **dict(counts.iter_rows())}


def enough_takes(manifest: pl.DataFrame) -> list[Finding]:
    """Splits without a take: known before a training of minutes, not after it."""
    takes = takes_of_splits(manifest)
    empty = [split for split, count in takes.items() if not count]
    if not empty:
        return []
    there = ", ".join(f"{takes[split]} {use}" for split, use in _USE.items())
    message = (
        f"{manifest['group'].n_unique()} annotated takes: {there}. At least one of each is needed, "
        f"so annotate {len(empty)} more (clips of another take by `clips.csv`); nothing is "
        "trained before"
    )
    return [Finding("enough_takes", "", message, float(min(takes.values())), 1.0, "error")]


def class_balance(manifest: pl.DataFrame, config: QualityConfig) -> list[Finding]:
    """Styles missing from a split, and splits in which one style outnumbers another."""
    counts = manifest.group_by("split", "style").len()
    styles = sorted(manifest["style"].unique())
    found = []
    for split in ("train", "val", "test"):
        of = dict(counts.filter(split=split).select("style", "len").iter_rows())
        for style in styles:
            if style not in of:
                message = f"the {split} split has no clip of the style {style}"
                found.append(Finding("class_balance", "", message, 0.0, 1.0))
        if of and max(of.values()) > config.style_ratio * min(of.values()):
            most, least = max(of, key=lambda s: of[s]), min(of, key=lambda s: of[s])
            message = f"the {split} split has {of[most]} clips of {most} and {of[least]} of {least}"
            ratio = of[most] / of[least]
            found.append(Finding("class_balance", "", message, ratio, config.style_ratio))
    return found


def foreign_rows(rows: pl.DataFrame, split: str, manifest: pl.DataFrame) -> list[Finding]:
    """Rows (SPLIT_ROWS) that do not belong into the table of a split.

    These are rows of clips that the manifest puts elsewhere, and augmented copies outside training.
    """
    own = manifest.filter(pl.col("split") == split)["clip"]
    stray = rows.filter(~pl.col("clip").is_in(own.implode()) | (pl.col("split") != split))
    copies = rows.filter(pl.col("variant") > 0) if split != "train" else rows.clear()
    found = []
    for part, message in (
        (stray, f"rows of this clip are in the {split} split, where it does not belong"),
        (copies, f"augmented rows of this clip are in the {split} split"),
    ):
        firsts = part.group_by("clip").agg(pl.col("frame").min(), pl.len()).sort("clip")
        found += [
            Finding(
                check="foreign_rows",
                clip=clip,
                frame=frame,
                message=message,
                value=float(count),
                limit=0.0,
                severity="error",
            )
            for clip, frame, count in firsts.iter_rows()
        ]
    return found
