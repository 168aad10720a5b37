"""A damaged or lost split manifest is made again without moving a clip to another split."""

from pathlib import Path

import polars as pl

from dance_models.tables import SPLIT_MANIFEST, write_table
from pipelines.assets.dataset import _assigned_before
from pipelines.storage.store import Store


def test_the_splits_tell_what_a_damaged_manifest_said(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    rows = [
        (clip, "ballet", "p", clip, split, fold)
        for fold, (clip, split) in enumerate((("a", "train"), ("b", "val"), ("c", "test")))
    ]
    manifest = pl.DataFrame(rows, schema=SPLIT_MANIFEST, orient="row")
    assert _assigned_before(store) is None
    write_table(manifest, store.table("split_manifest"))
    for split in ("train", "val", "test"):
        table = manifest.filter(pl.col("split") == split).with_columns(frame=pl.lit(0))
        write_table(pl.concat([table, table]), store.table(f"{split}_split"))
    found = _assigned_before(store)
    assert found is not None and found.equals(manifest)
    store.table("split_manifest").write_bytes(b"cut")
    found = _assigned_before(store)
    assert found is not None and found.equals(manifest)
    store.table("split_manifest").unlink()
    found = _assigned_before(store)
    assert found is not None and found.equals(manifest)
