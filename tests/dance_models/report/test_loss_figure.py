"""The figure of trainings shows all of their epochs, and which one is used."""

from pathlib import Path

import polars as pl
import pytest
from matplotlib.figure import Figure

from dance_models.checkpoint import save_checkpoint
from dance_models.evaluation.scores import PREDICTION_SCORES, RECOGNITION_SCORES
from dance_models.report import build, figures
from dance_models.report.build import Results
from dance_models.report.page import Page
from dance_models.report_tables.results import Provenance

LOSSES = (0.4, 0.3, 0.2, 0.1)
SCORES = (8.0, 4.0, 6.0, 7.0)  # overfitted after the second epoch


def _saved(path: Path, epochs: int) -> Path:
    rows = zip(LOSSES[:epochs], SCORES[:epochs], strict=True)
    history = [
        {"epoch": i, "train_loss": loss, "score": score} for i, (loss, score) in enumerate(rows, 1)
    ]
    save_checkpoint({"history": history}, path)
    return path


def test_all_epochs_are_drawn_and_the_best_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "mkff_st_gcn"
    best, last = _saved(tmp_path / "best.pt", 2), _saved(tmp_path / "last.pt", 4)
    drawn: list[Figure] = []

    def kept(figure: Figure) -> bytes:
        drawn.append(figure)
        return b""

    monkeypatch.setattr(figures, "_png", kept)
    results = Results(
        pl.DataFrame(schema=RECOGNITION_SCORES), pl.DataFrame(schema=PREDICTION_SCORES),
        pl.DataFrame(), [], {name: best}, {}, {name: last}, Provenance("c", "0", ()), {},
        lambda clip, frame: None,
    )  # fmt: skip
    build._figures(Page("a"), results, "test")
    (figure,) = drawn
    left, right = figure.axes
    assert list(left.lines[0].get_ydata()) == list(LOSSES)
    assert list(left.lines[0].get_xdata()) == [0.25, 0.5, 0.75, 1.0]
    curve, dot = right.lines
    assert list(curve.get_ydata()) == [1.0, 0.5, 0.75, 0.875]
    assert (list(dot.get_xdata()), list(dot.get_ydata())) == ([0.5], [0.5])
