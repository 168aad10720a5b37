"""Which clips ``dance evaluate`` scores, and with which weights of the estimator."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from motion_cases import dance_runs
from rich.console import Console

from dance_models.data.assemble import rows_from_pose_runs
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.tables import write_table
from pipelines.execution import corpus_evaluation
from pipelines.execution.corpus_evaluation import Corpus, _refuse_known_motion, given_clips
from pipelines.storage.clips import RAW_CLIPS
from pipelines.storage.evaluations import corpus_store
from pipelines.storage.store import Store
from pipelines.tracking.tracked_models import TrackedModel


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


def test_a_call_that_was_killed_while_it_copied_weights_leaves_no_part_of_them_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of them counts as none: other boxes for a model in ONNX, a download for others."""
    store = Store(root=str(tmp_path / "store")).initialise()
    store.weights.mkdir()
    for name in ("detector.tflite", "landmarks.tflite"):
        (store.weights / name).write_text(name)
    (tmp_path / "street" / "clips").mkdir(parents=True)
    monkeypatch.setattr(corpus_evaluation, "Session", lambda *_: None)
    model = TrackedModel("run", "stga_net", tmp_path / "best.pt")
    given = Corpus([tmp_path / "street" / "clips"], [], "smoke")
    copied = []

    def killed(source: Path, target: Path, **_: object) -> None:
        if copied:
            raise KeyboardInterrupt
        copied.append(Path(target).write_bytes(Path(source).read_bytes()))

    for name in ("copyfile", "copy2"):
        monkeypatch.setattr(shutil, name, killed)
    with pytest.raises(KeyboardInterrupt):
        corpus_evaluation._prepared(store, Console(), model, given, debug=False)
    monkeypatch.undo()
    monkeypatch.setattr(corpus_evaluation, "Session", lambda *_: None)
    corpus_evaluation._prepared(store, Console(), model, given, debug=False)
    own = corpus_store(store, given.clips[0]).weights
    assert {path.name: path.read_text() for path in own.iterdir()} == {
        name: name for name in ("detector.tflite", "landmarks.tflite")
    }


@pytest.mark.parametrize(("split", "used"), [(0, "trained on"), (1, "selected with")])
def test_clips_that_the_model_was_trained_on_or_selected_with_are_refused(
    split: int, used: str
) -> None:
    runs = dance_runs(("a", 1), ("b", 2), ("copy", 1), ("new", 3))
    rows = [_rows(run) for run in runs]
    known = [rows[1].clear(), rows[1].clear()]
    known[split] = rows[0]
    known[1 - split] = rows[1]
    with pytest.raises(InputError, match=f"copy is a, which the model was {used}"):
        _refuse_known_motion([*known, rows[2]], [])
    _refuse_known_motion([*known, rows[3]], [])
    _refuse_known_motion([rows[1], rows[1].clear(), rows[2]], [])


def _rows(run: PoseRun) -> pl.DataFrame:
    """SPLIT_ROWS of a run without images."""
    frames = {"clip": [run.clip] * len(run), "frame": run.frame}
    nothing = {name: pl.lit(None, pl.String) for name in ("take", "image", "estimator")}
    return rows_from_pose_runs([run], pl.DataFrame(frames).with_columns(**nothing))
