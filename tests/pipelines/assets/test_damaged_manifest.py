"""A damaged or lost split manifest is made again without moving a clip to another split."""

from itertools import pairwise
from pathlib import Path

import polars as pl

from dance_models.config import SplitConfig
from dance_models.data.splits import assign_splits
from dance_models.tables import SPLIT_MANIFEST, table_metadata, write_table
from pipelines.assets.dataset import HISTORY, _assigned_before, _kept_assignments
from pipelines.storage.store import Store


def test_the_splits_tell_what_a_damaged_manifest_said(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    rows = [
        (clip, "ballet", "p", clip, split, fold)
        for fold, (clip, split) in enumerate((("a", "train"), ("b", "val"), ("c", "test")))
    ]
    manifest = pl.DataFrame(rows, schema=SPLIT_MANIFEST, orient="row")
    assert _assigned_before(store) == (None, None)
    write_table(manifest, store.table("split_manifest"))
    for split in ("train", "val", "test"):
        table = manifest.filter(pl.col("split") == split).with_columns(frame=pl.lit(0))
        write_table(pl.concat([table, table]), store.table(f"{split}_split"))
    found, _ = _assigned_before(store)
    assert found is not None and found.equals(manifest)
    store.table("split_manifest").write_bytes(b"cut")
    found, _ = _assigned_before(store)
    assert found is not None and found.equals(manifest)
    store.table("split_manifest").unlink()
    found, _ = _assigned_before(store)
    assert found is not None and found.equals(manifest)


def test_the_history_tells_of_clips_that_are_away(tmp_path: Path) -> None:
    """A clip of which it does not know is where the manifest has it; damaged, it tells nothing."""
    store = Store(root=str(tmp_path))
    rows = [(clip, "ballet", "p", clip, split, 0) for clip, split in ("ax", "bx", "cx")]
    every = pl.DataFrame(rows, schema=SPLIT_MANIFEST, orient="row")
    write_table(every.head(2), store.table(HISTORY), table_metadata(folds="7"))
    write_table(every.tail(2), store.table("split_manifest"))
    found, folds = _assigned_before(store)
    assert found is not None and found.equals(every)
    assert folds == 7
    store.table(HISTORY).write_bytes(b"cut")
    found, folds = _assigned_before(store)
    assert found is not None and found.equals(every.tail(2))
    assert folds is None


def test_a_bit_that_renames_a_column_is_damage(tmp_path: Path) -> None:
    """Every later run ended with an error of polars, since what was there before is read first."""
    store = Store(root=str(tmp_path))
    rows = [(clip, "ballet", "p", clip, "train", 0) for clip in "abc"]
    every = pl.DataFrame(rows, schema=SPLIT_MANIFEST, orient="row")
    write_table(every, store.table("train_split"))
    for name in ("split_manifest", HISTORY):
        wrong = every.rename({"performer": "terformer"})
        write_table(wrong, store.table(name), table_metadata(golds="7"))
        found, folds = _assigned_before(store)
        assert found is not None and found.equals(every)
        assert folds is None
    write_table(every, store.table(HISTORY), table_metadata(folds="x"))
    assert _assigned_before(store)[1] is None


def test_clips_that_come_one_by_one_are_not_all_trained_on(tmp_path: Path) -> None:
    """As dropped into the folder of an empty store on six days."""
    store, config = Store(root=str(tmp_path)), SplitConfig()
    rows = [
        (f"{s}_{n}", s, "p", None) for n in (1, 2) for s in ("ballet", "contemporary", "street")
    ]
    clips = pl.DataFrame(rows, schema=["clip", "style", "performer", "take"], orient="row")
    seen = []
    for count in range(1, len(rows) + 1):
        manifest = assign_splits(clips.head(count), config, *_kept_assignments(store, config))
        write_table(manifest, store.table(HISTORY), table_metadata(folds=str(config.folds)))
        write_table(manifest, store.table("split_manifest"))
        if set(manifest["split"]) == {"train", "val", "test"}:
            write_table(manifest.filter(split="train"), store.table("train_split"))
        seen.append(dict(manifest.select("clip", "split").iter_rows()))
    assert sorted(seen[1].values()) == ["train", "train"]
    assert sorted(seen[2].values()) == ["test", "train", "val"]
    for earlier, later in pairwise(seen[2:]):  # from then on nothing moves
        assert earlier.items() <= later.items()


def test_what_was_trained_on_stays_there_when_all_else_is_lost(tmp_path: Path) -> None:
    store, config = Store(root=str(tmp_path)), SplitConfig()
    rows = [(clip, "ballet", "p", clip, "train", 0) for clip in "abc"]
    trained = pl.DataFrame(rows, schema=SPLIT_MANIFEST, orient="row")
    write_table(trained, store.table("split_manifest"))
    assert _kept_assignments(store, config) == (None, None)
    write_table(trained, store.table("train_split"))
    for lost in ("split_manifest", None):
        found, _ = _kept_assignments(store, config)
        assert found is not None and found.equals(trained)
        if lost is not None:
            store.table(lost).unlink()
