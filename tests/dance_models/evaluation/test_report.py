"""A report over folds and seeds, with real networks of a few weights."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from small_networks import SMALL, small_refiner

from dance_models.checkpoint import experiment_to_plain, save_checkpoint
from dance_models.config import (
    EvaluationConfig,
    RecognitionExperiment,
    TrainingConfig,
)
from dance_models.evaluation import divisions
from dance_models.evaluation.divisions import Trained
from dance_models.evaluation.report import Report, recognition_report
from dance_models.nets.mkff_st_gcn import MkffStGcn
from dance_models.report_tables.results import Provenance
from dance_models.training.synthetic import synthetic_runs

WHOLE, PART = "mkff_st_gcn.whole", "mkff_st_gcn.no_attention"


def _saved(model: MkffStGcn, path: Path) -> Path:
    experiment = experiment_to_plain(RecognitionExperiment(SMALL, TrainingConfig()))
    save_checkpoint({"model": model.state_dict(), "experiment": experiment}, path)
    return path


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """Nine clips of nine takes in three folds; the ablation is worse, in one seed of two."""
    runs = [
        replace(run, fold=i % 3, split=("train", "val", "test")[i % 3])
        for i, run in enumerate(synthetic_runs(9, 20))
    ]
    monkeypatch.setattr(divisions, "pose_runs_from_rows", lambda rows: runs)
    good = _saved(MkffStGcn(SMALL), tmp_path / "good.pt")  # returns the estimate
    bad = _saved(small_refiner(), tmp_path / "bad.pt")
    networks = {
        PART: Trained(good, (good,) * 3, fold_seeds=((bad,) * 3,)),
        WHOLE: Trained(good, (good,) * 3, fold_seeds=((good,) * 3,)),
        "mkff_st_gcn": Trained(good, (good,) * 3),
    }
    return recognition_report(
        [pl.DataFrame({"variant": [0]})],
        networks=networks,
        config=EvaluationConfig(bootstrap_samples=100),
        provenance=Provenance("made-up figures", "0" * 12),
    )


def test_seeds_of_the_folds_are_pooled(report: Report) -> None:
    cell = {"metric": "pck_torso", "threshold": 0.1, "style": "all", "joint": "all"}
    folds = report.scores.filter(split="folds", **cell)
    value = {(m, s): v for m, s, v in folds.select("method", "seed", "value").iter_rows()}
    assert value[PART, None] == pytest.approx((value[PART, 0] + value[PART, 1]) / 2)
    assert value[PART, 1] < value[PART, 0] == value[WHOLE, 0] == value["mkff_st_gcn", None]
    assert set(folds["n_takes"]) == {9}


def test_an_ablation_is_compared_with_the_whole_network_alone(report: Report) -> None:
    pairs = set(report.paired.filter(split="folds").select("method", "other").iter_rows())
    assert [pair for pair in pairs if PART in pair or WHOLE in pair] == [(PART, WHOLE)]
    assert ("mkff_st_gcn", "raw") in pairs
    tables = [t for t in report.tables if "ablations" in t.title]
    assert len(tables) == 2, "of the folds and of the fixed split"
    assert [row[0].text for row in tables[0].rows] == [WHOLE, PART]
    assert ", p 0." in tables[0].rows[1][2].text


def test_the_fixed_split_has_intervals_and_no_p_values(report: Report) -> None:
    fixed, folds = (report.paired.filter(split=split) for split in ("test", "folds"))
    assert fixed["p_holm"].is_null().all() and not folds["p_holm"].is_null().all()
    assert not fixed.filter(style="all")["ci_low"].is_null().any()
    notes = [note for table in report.tables for note in table.footnotes]
    assert "3 takes: values and intervals alone, nothing was tested." in notes
