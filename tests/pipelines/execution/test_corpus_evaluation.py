"""Which clips ``dance evaluate`` scores."""

from pathlib import Path

import polars as pl

from dance_models.tables import write_table
from pipelines.execution.corpus_evaluation import given_clips
from pipelines.storage.clips import RAW_CLIPS
from pipelines.storage.store import Store


def test_clips_of_an_earlier_evaluation_are_not_scored_again(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path / "store"))
    paths = [tmp_path / name for name in ("a/1.mp4", "a/x/2.mp4", "ab/3.mp4", "b/4.mp4")]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    rows = [*paths, tmp_path / "a" / "gone.mp4"]
    plain = [{"clip": path.stem, "path": str(path)} for path in rows]
    table = pl.DataFrame(plain, schema=dict(RAW_CLIPS))
    write_table(table, store.table("raw_clips"), {})
    for places, clips in (
        ([tmp_path / "a"], ["1", "2"]),
        ([tmp_path / "a", tmp_path / "b" / "4.mp4"], ["1", "2", "4"]),
        ([tmp_path / "c"], []),
    ):
        assert given_clips(store, places)["clip"].to_list() == clips
