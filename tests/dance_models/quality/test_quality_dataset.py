"""Leaks, imbalance and foreign rows are found in small hand-made tables."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from quality_cases import standing

from dance_models.config import QualityConfig
from dance_models.data.pose_runs import PoseRun
from dance_models.evidence import no_evidence
from dance_models.quality.dataset import (
    class_balance,
    enough_takes,
    foreign_rows,
    shared_between_folds,
    shared_ids,
    shared_motion,
    takes_of_splits,
)
from dance_models.quality.findings import findings_of_table, findings_table, lines

CONFIG = QualityConfig()


def _manifest(rows: list[tuple[str, str, str, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["clip", "style", "group", "split"], orient="row")


CLEAN = _manifest(
    [
        (f"{style}_{i}", style, f"{style}_{i}", split)
        for style in ("ballet", "street")
        for i, split in enumerate(("train", "train", "val", "test"))
    ]
)


def test_clips_and_takes_in_two_splits_are_errors() -> None:
    assert not shared_ids(CLEAN)
    twice = pl.concat([CLEAN, _manifest([("ballet_0", "ballet", "ballet_0", "test")])])
    found = shared_ids(twice)
    assert {f.clip for f in found} == {"ballet_0"}
    assert {f.severity for f in found} == {"error"}
    take = _manifest([("a", "x", "duo", "train"), ("b", "x", "duo", "val")])
    assert [str(f) for f in shared_ids(take)] == ["a: group duo is in the splits train and val"]


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (["train"], "1 annotated takes: 1 to train on, 0 for validation"),
        (["train", "train"], "annotate 2 more"),
        (["train", "train", "test"], "0 for validation, which selects the weights, 1 for the test"),
        (["train", "val", "test"], None),
    ],
)
def test_every_split_needs_a_take(splits: list[str], message: str | None) -> None:
    manifest = _manifest([(f"c{i}", "ballet", f"c{i}", s) for i, s in enumerate(splits)])
    found = enough_takes(manifest)
    if message is None:
        assert not found
    else:
        (error,) = found
        assert error.severity == "error"
        assert message in error.message


def test_takes_are_counted_not_clips() -> None:
    duo = _manifest(
        [("a", "x", "duo", "train"), ("b", "x", "duo", "train"), ("c", "x", "c", "val")]
    )
    assert takes_of_splits(duo) == {"train": 1, "val": 1, "test": 0}


def test_imbalance_is_reported() -> None:
    assert not class_balance(CLEAN, CONFIG)
    lacking = CLEAN.filter(~((pl.col("style") == "street") & (pl.col("split") == "test")))
    (found,) = class_balance(lacking, CONFIG)
    assert str(found) == "the test split has no clip of the style street"
    many = [(f"b{i}", "ballet", f"b{i}", "train") for i in range(15)]
    (found,) = class_balance(pl.concat([CLEAN, _manifest(many)]), CONFIG)
    assert "17 clips of ballet and 2 of street" in found.message


def test_foreign_rows_are_reported() -> None:
    rows = pl.DataFrame(
        [("ballet_2", 7, 0, "val"), ("ballet_2", 8, 1, "val"), ("ballet_0", 3, 0, "val")],
        schema=["clip", "frame", "variant", "split"],
        orient="row",
    )
    found = foreign_rows(rows, "val", CLEAN)
    assert [(f.clip, f.frame) for f in found] == [("ballet_0", 3), ("ballet_2", 8)]
    assert "augmented" in found[1].message
    augmented = rows.filter(clip="ballet_0").with_columns(split=pl.lit("train"), variant=1)
    assert not foreign_rows(augmented, "train", CLEAN)


def _run(clip: str, seed: int, split: str, start: int = 0, frames: int = 120) -> PoseRun:
    """A standing body whose joints each move slowly on a path drawn by ``seed``."""
    rng = np.random.default_rng(seed)
    poses = standing(200, clip, first=0)
    ways = np.cumsum(rng.normal(0, 1, (200, 14, 2)), axis=0)
    points = (poses.keypoints + 4 * ways)[start : start + frames].astype(np.float32)
    frame = np.arange(frames)
    return PoseRun(
        clip=clip, style="x", performer="", group=clip, split=split, fold=0, run=0, variant=0,
        width=320, height=240, frame=frame, time_s=frame / 30, estimate=points,
        score=np.ones((frames, 14), np.float32),
        landmarks=np.zeros((frames, 0, 3), np.float32), evidence=no_evidence(frames),
        annotation=points,
        visibility=np.full((frames, 14), 2, np.uint8),
    )  # fmt: skip


def test_a_training_clip_under_another_name_is_found_by_its_motion() -> None:
    learnt = [_run("a", 0, "train"), _run("b", 1, "train")]
    assert not shared_motion(learnt, [_run("c", 2, "test")], CONFIG)
    (found,) = shared_motion(learnt, [_run("c", 2, "test"), _run("d", 1, "test", 40)], CONFIG)
    assert (found.clip, found.other, found.severity) == ("d", "b", "error")
    assert found.frame is not None
    assert found.other_frame == found.frame + 40


def test_clips_of_two_folds_with_the_same_motion_are_found_once() -> None:
    """Folds divide the training clips, too: nothing else compares those."""
    runs = [replace(_run(name, seed, "train"), fold=seed) for seed, name in enumerate("abc")]
    assert not shared_between_folds(runs, CONFIG)
    assert not shared_between_folds(runs[:1], CONFIG)
    copy = replace(_run("copy", 1, "train", 40), fold=2)
    (found,) = shared_between_folds([*runs, copy], CONFIG)
    assert (found.check, found.severity) == ("shared_folds", "warn")
    assert {found.clip, found.other} == {"b", "copy"}
    assert "which is in another fold" in found.message
    assert not shared_between_folds([*runs, replace(copy, fold=1)], CONFIG)


def test_several_copies_of_a_clip_in_training_do_not_hide_each_other() -> None:
    """Each window counts for the nearest copy alone, so that none of five had enough of them."""
    rng, copied = np.random.default_rng(0), _run("d", 1, "test")

    def copy(number: int) -> PoseRun:
        noise = rng.normal(0, 0.3, copied.annotation.shape).astype(np.float32)
        moved = copied.annotation + noise
        return replace(copied, clip=f"b{number}", split="train", annotation=moved)

    copies = [copy(number) for number in range(5)]
    found = shared_motion([_run("a", 0, "train"), *copies], [copied], CONFIG)
    assert {finding.other for finding in found} == {run.clip for run in copies}
    assert {finding.clip for finding in found} == {"d"}
    assert min(finding.value for finding in found) >= CONFIG.shared_motion_share


def test_a_clip_cut_together_from_four_training_clips_is_warned_of() -> None:
    """None of the four has enough of it alone."""
    learnt = [_run(name, seed, "train", frames=200) for seed, name in enumerate("abcde")]
    cut = _run("cut", 9, "test", frames=200)
    parts = [run.annotation[50 * at : 50 * at + 50] for at, run in enumerate(learnt[:4])]
    cut = replace(cut, annotation=np.concatenate(parts))
    (found,) = shared_motion(learnt, [cut, _run("other", 7, "test")], CONFIG)
    assert (found.clip, found.severity) == ("cut", "warn")
    assert found.value > CONFIG.shared_motion_share
    assert found.other in set("abcd")
    assert f"is that of {found.other} and 3 others, which are trained on" in found.message


def test_findings_round_trip_through_their_table_and_are_summarised_per_clip() -> None:
    found = shared_ids(pl.concat([CLEAN, CLEAN.with_columns(split=pl.lit("test"))]))
    assert findings_of_table(findings_table(found)) == found
    summary = lines(found)
    assert len(summary) == len({f.clip for f in found})
    assert summary[0].startswith("split_leaks: ballet_0: ")
    assert "(and 1 more)" in summary[0]
