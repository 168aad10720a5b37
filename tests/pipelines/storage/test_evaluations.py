"""What ``dance evaluate`` keeps: a store for each corpus, and tables that the report shows."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from dance_models.errors import InputError
from dance_models.evaluation.scores import PAIRED_SCORES, RECOGNITION_SCORES
from dance_models.files import part_of
from pipelines.assets import evaluation
from pipelines.storage import evaluations as storage
from pipelines.storage.evaluations import Evaluation, corpus_store, evaluations, write_evaluation
from pipelines.storage.folders import remember_folders
from pipelines.storage.store import Store

ABOUT = Evaluation("mkff_st_gcn", "annotation", "f00d", "a corpus", "abcd", ("Trained on clips.",))


def _clips(tmp_path: Path, *names: str) -> list[Path]:
    folders = [tmp_path / name / "street" / "clips" for name in names]
    for folder in folders:
        folder.mkdir(parents=True)
    return folders


def test_folders_of_the_same_two_names_are_two_corpora(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path / "store")).initialise()
    here, there = _clips(tmp_path, "here", "there")
    first = corpus_store(store, here)
    assert first.path.name == "street-clips"
    remember_folders(first, "clips", [here])
    assert corpus_store(store, here).path == first.path
    second = corpus_store(store, there)
    assert second.path != first.path
    remember_folders(second, "clips", [there])
    assert corpus_store(store, there).path == second.path


@pytest.mark.parametrize("name", ["what?", "50%20off", "f\udcfcr", "ü" * 125])
def test_a_corpus_may_lie_in_a_folder_whose_name_no_store_can_have(
    name: str, tmp_path: Path
) -> None:
    """The store's own path was blamed, and no other --store helped."""
    store = Store(root=str(tmp_path / "store")).initialise()
    (tmp_path / name / "clips").mkdir(parents=True)
    (tmp_path / f"{name}2" / "clips").mkdir(parents=True)
    own = corpus_store(store, tmp_path / name / "clips")
    assert own.path.parent == store.path / "evaluations"
    assert own.path.is_dir()
    assert corpus_store(store, tmp_path / name / "clips").path == own.path
    assert corpus_store(store, tmp_path / f"{name}2" / "clips").path != own.path


def test_the_report_is_made_again_when_the_numbers_of_an_evaluation_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same network may be scored again on more clips of the same corpus."""
    store = Store(root=str(tmp_path / "store"))
    corpus = Store(root=str(store.path / "evaluations" / "street-clips"))
    monkeypatch.setattr(evaluation, "scored_rows", lambda store, rows: [])
    monkeypatch.setattr(
        evaluation, "_evaluations", lambda store: evaluations(store, {"mkff_st_gcn": "f00d"})
    )
    found = []
    for clips in (3, 4, 4):
        scores = pl.DataFrame([{"n_clips": clips}], schema=dict(RECOGNITION_SCORES))
        tables = {"scores": scores, "paired": pl.DataFrame(schema=dict(PAIRED_SCORES))}
        write_evaluation(corpus, ABOUT, tables, "")
        context = SimpleNamespace(store=store)
        found.append(evaluation._html_report_inputs(context))  # type: ignore[arg-type]
    assert found[0] != found[1] == found[2]
    (corpus.reports / "mkff_st_gcn_paired.parquet").unlink()
    assert evaluations(store, {"mkff_st_gcn": "f00d"}) == []


def test_a_full_disk_leaves_the_last_evaluation_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the new tables would stand beside the facts of the old ones."""
    store = Store(root=str(tmp_path / "store"))
    corpus = Store(root=str(store.path / "evaluations" / "street-clips"))

    def write(clips: int) -> None:
        scores = pl.DataFrame([{"n_clips": clips}], schema=dict(RECOGNITION_SCORES))
        tables = {"scores": scores, "paired": pl.DataFrame(schema=dict(PAIRED_SCORES))}
        write_evaluation(corpus, ABOUT, tables, "")

    left = part_of(corpus.reports / ABOUT.stem).name.replace(f".{os.getpid()}-", ".0-")
    (corpus.reports / left).mkdir(parents=True)  # of a call that was killed
    write(3)
    monkeypatch.setattr(storage, "write_text", _full)
    with pytest.raises(InputError, match="the disk is full"):
        write(4)
    (kept,) = evaluations(store, {"mkff_st_gcn": "f00d"})
    assert kept.scores["n_clips"].to_list() == [3]
    assert len(list(corpus.reports.iterdir())) == 4


def _full(path: Path, text: str) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
