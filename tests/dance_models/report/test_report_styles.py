"""A page about clips of many styles shows those with the most frames."""

from dataclasses import replace

import polars as pl

from dance_models.evaluation.scores import RECOGNITION_SCORES
from dance_models.report.build import MOST_STYLES, Results, with_fewer_styles
from dance_models.report_tables.results import Provenance


def _results(styles: int) -> Results:
    """A row for each style; the later ones have more frames."""
    rows = [{"style": f"style_{i:04d}", "n_frames": 100 + i} for i in range(styles)]
    blank = dict.fromkeys(RECOGNITION_SCORES)
    rows.append({"style": "all", "n_frames": 10**6})
    scores = pl.DataFrame([{**blank, **row} for row in rows], schema=RECOGNITION_SCORES)
    return Results(
        scores,
        scores,
        scores,
        [],
        {},
        {},
        {},
        Provenance("c", "0", ()),
        {},
        lambda clip, frame: None,
    )


def test_few_styles_are_all_shown() -> None:
    results = _results(MOST_STYLES)
    assert with_fewer_styles(results) == (results, 0)


def test_of_many_styles_those_with_the_most_frames_are_shown() -> None:
    fewer, left_out = with_fewer_styles(_results(10_000))
    assert left_out == 10_000 - MOST_STYLES
    shown = {f"style_{10_000 - 1 - i:04d}" for i in range(MOST_STYLES)}
    assert fewer.styles == shown
    for scores in (fewer.recognition, fewer.prediction, fewer.paired):
        assert set(scores["style"]) == {*shown, "all"}
    assert with_fewer_styles(replace(fewer, styles=None))[1] == 0
