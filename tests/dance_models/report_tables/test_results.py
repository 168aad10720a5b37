"""Rendered tables claim no more than the long tables support."""

import polars as pl
import pytest

from dance_models.evaluation.scores import PAIRED_SCORES, PREDICTION_SCORES, RECOGNITION_SCORES
from dance_models.report_tables.claims import p_text
from dance_models.report_tables.results import (
    Provenance,
    leak_table,
    prediction_table,
    prediction_tables,
    recognition_table,
    recognition_tables,
)

FROM = Provenance("synthetic demo corpus", "0123456789abcdef", ("Not pre-trained.",))
THRESHOLDS = (0.05, 0.1, 0.2)
PCK = {"raw": 0.5, "calibrated": 0.6, "mkff_st_gcn": 0.7}


def scores(
    values: dict[str, float | None], clips: int = 12, style: str = "all", joint: str = "all"
) -> pl.DataFrame:
    rows = [
        {
            "method": method,
            "input": "raw",
            "style": style,
            "joint": joint,
            "metric": "pck_torso",
            "threshold": threshold,
            "value": value,
            "ci_low": None if value is None or clips < 2 else value - 0.05,
            "ci_high": None if value is None or clips < 2 else value + 0.05,
            "n_clips": clips,
            "n_takes": clips,
            "n_frames": 1234,
            "seed": 0,
            "split": "test",
        }
        for method, value in values.items()
        for threshold in THRESHOLDS
    ]
    return pl.DataFrame(rows, schema=dict(RECOGNITION_SCORES))


def comparisons(
    differences: dict[tuple[str, str], tuple[float, float]],
    clips: int = 12,
    task: str = "recognition",
) -> pl.DataFrame:
    columns = (
        [("pck_torso", t, None) for t in THRESHOLDS]
        if task == "recognition"
        else [("mpjpe_torso", None, ms) for ms in (80, 160, 320, 400)]
    )
    rows = [
        {
            "task": task,
            "method": method,
            "other": other,
            "input": "raw" if task == "recognition" else "annotated",
            "style": "all",
            "horizon_ms": ms,
            "threshold": threshold,
            "metric": metric,
            "difference": (low + high) / 2,
            "ci_low": low,
            "ci_high": high,
            "p_holm": 0.01,
            "p_floor": 0.005,
            "n_clips": clips,
            "n_takes": clips,
            "split": "test",
        }
        for (method, other), (low, high) in differences.items()
        for metric, threshold, ms in columns
    ]
    return pl.DataFrame(rows, schema=dict(PAIRED_SCORES))


CLEAR = comparisons(
    {
        ("calibrated", "raw"): (0.05, 0.15),
        ("mkff_st_gcn", "raw"): (0.1, 0.3),
        ("mkff_st_gcn", "calibrated"): (0.02, 0.2),
    }
)


def test_markdown_of_a_clear_win() -> None:
    text = recognition_table(scores(PCK), CLEAR, FROM).markdown()
    assert "| method | pck_torso@0.05 | pck_torso@0.1 | pck_torso@0.2 |" in text
    assert "| raw | 50.0 [45.0, 55.0] | 50.0 [45.0, 55.0] | 50.0 [45.0, 55.0] |" in text
    assert "| mkff_st_gcn | **70.0 [65.0, 75.0]** |" in text
    assert text.count("**") == 2 + 2 * 3  # the title and three cells
    assert "torso (neck to mid-hip" in text and "higher is better" in text and "%" in text
    assert "12 clips of 12 takes, 1234 frames, split: test, split manifest 0123456789ab" in text
    assert "12 takes: p cannot go below 0.00049, 0.005 after Holm's correction." in text
    assert "synthetic demo corpus" in text and "Not pre-trained." in text


def test_nothing_is_bold_without_support() -> None:
    unsure = comparisons(
        {
            ("calibrated", "raw"): (0.05, 0.15),
            ("mkff_st_gcn", "raw"): (0.1, 0.3),
            ("mkff_st_gcn", "calibrated"): (-0.01, 0.2),
        }
    )
    incomplete = CLEAR.filter(pl.col("other") != "calibrated")
    unlikely = CLEAR.with_columns(p_holm=pl.lit(0.06))
    untested = CLEAR.with_columns(p_holm=pl.lit(None, pl.Float64))
    unknown = CLEAR.with_columns(ci_low=pl.lit(None, pl.Float64), ci_high=pl.lit(None, pl.Float64))
    elsewhere = CLEAR.with_columns(split=pl.lit("folds"))
    for paired in (unsure, incomplete, unlikely, untested, unknown, elsewhere, CLEAR.clear()):
        table = recognition_table(scores(PCK), paired, FROM)
        assert not any(win for row in table.rows for _, win in row)


def test_a_comparison_counts_in_either_direction() -> None:
    turned = comparisons(
        {
            ("raw", "mkff_st_gcn"): (-0.3, -0.1),
            ("calibrated", "mkff_st_gcn"): (-0.2, -0.02),
        }
    )
    table = recognition_table(scores(PCK), turned, FROM)
    assert [any(win for _, win in row) for row in table.rows] == [False, False, True]


def test_a_leak_is_stated_and_never_marked_as_a_win() -> None:
    names = ("raw", "mkff_st_gcn", "mkff_st_gcn.frame_split")
    table = scores(dict(zip(names, (0.5, 0.7, 0.8), strict=True)))
    for order, (low, high) in ((names[1:], (-0.15, -0.05)), (names[:0:-1], (0.05, 0.15))):
        paired = comparisons({(order[0], order[1]): (low, high)})
        shown = leak_table(table, paired, FROM)
        assert not any(win for row in shown.rows for _, win in row)
        assert "At 0.05 the leak adds 10.0 points [5.0, 15.0]." in shown.footnotes[1]


def test_a_leak_in_one_take_is_stated_without_an_interval() -> None:
    names = ("raw", "mkff_st_gcn", "mkff_st_gcn.frame_split")
    table = scores(dict(zip(names, (0.5, 0.7, 0.8), strict=True)), clips=1)
    paired = comparisons({(names[2], names[1]): (0.05, 0.15)}, clips=1)
    nothing = pl.lit(None, pl.Float64)
    shown = leak_table(table, paired.with_columns(ci_low=nothing, ci_high=nothing), FROM)
    assert "At 0.05 the leak adds 10.0 points. At 0.1" in shown.footnotes[1]
    assert "nan" not in shown.markdown()


def test_a_single_row_is_never_marked_as_best() -> None:
    table = recognition_table(scores({"raw": 0.5}), CLEAR, FROM)
    assert not any(win for row in table.rows for _, win in row)


def test_plain_text_is_aligned_and_marks_wins() -> None:
    text = recognition_table(scores(PCK), CLEAR, FROM).text()
    lines = text.splitlines()
    start = lines.index(next(line for line in lines if line.startswith("method")))
    column = lines[start].index("pck_torso@0.1")
    assert all(line[column - 2 : column] == "  " for line in lines[start : start + 5])
    assert "70.0 [65.0, 75.0] *" in text and "**" not in text and "|" not in text


def test_a_missing_value_is_shown_as_not_available() -> None:
    empty = recognition_table(scores({}), CLEAR.clear(), FROM)
    assert "| n/a | n/a | n/a | n/a |" in empty.markdown()
    assert "no annotated clips" in empty.markdown()
    missing = recognition_table(scores({"raw": None, "calibrated": 0.6}, clips=3), CLEAR, FROM)
    assert "| raw | n/a | n/a | n/a |" in missing.markdown()
    assert "| calibrated | 60.0 [55.0, 65.0] |" in missing.markdown()
    assert recognition_table(scores(PCK), CLEAR, FROM, style="street").rows[0][1][0] == "n/a"


def test_one_take_is_printed_without_an_interval() -> None:
    text = recognition_table(scores(PCK, clips=1), CLEAR.clear(), FROM).markdown()
    assert "| raw | 50.0 | 50.0 | 50.0 |" in text and "one take" in text
    assert "1 clip of 1 take, 1234 frames" in text


def test_a_table_says_how_small_p_can_get() -> None:
    few = CLEAR.with_columns(n_takes=pl.lit(4, pl.Int64), p_holm=0.375, p_floor=0.375)
    text = recognition_table(scores(PCK), few, FROM).markdown()
    assert (
        "4 takes: p cannot go below 0.12, 0.38 after Holm's correction, so nothing is claimed."
        in text
    )
    untested = few.with_columns(p_holm=pl.lit(None, pl.Float64), p_floor=pl.lit(None, pl.Float64))
    text = recognition_table(scores(PCK), untested, FROM).markdown()
    assert "4 takes: values and intervals alone, nothing was tested." in text


WHOLE, PART = "mkff_st_gcn.whole", "mkff_st_gcn.no_attention"


def test_ablations_are_compared_with_the_whole_network_of_their_length_alone() -> None:
    values = scores({**PCK, PART: 0.75, WHOLE: 0.72})
    paired = pl.concat([CLEAR, comparisons({(PART, WHOLE): (0.01, 0.05)})])
    tables = recognition_tables(values, paired, FROM)
    assert [row[0][0] for row in tables[0].rows] == list(PCK)
    assert tables[0].rows[2][1].win, "an ablation takes no win away"
    ablations = tables[1]
    assert "ablations, points of PCK" in ablations.title
    assert [cell.text for cell in ablations.rows[0]] == [WHOLE, "72.0", "72.0", "72.0"]
    assert ablations.rows[1][1] == ("+3.0 [+1.0, +5.0], p 0.010", True)
    assert "12 takes: p cannot go below" in ablations.markdown()
    without = recognition_tables(scores(PCK), CLEAR, FROM)
    assert not any("ablations" in table.title for table in without)


def test_no_p_value_is_printed_as_zero() -> None:
    assert [p_text(p) for p in (0.0004, 0.0005, 0.0124, 1.0)] == [
        "p < 0.001", "p 0.001", "p 0.012", "p 1.000"
    ]  # fmt: skip


def test_ablations_of_clips_without_a_torso_are_not_available() -> None:
    paired = comparisons({(PART, WHOLE): (0.01, 0.05)}).with_columns(
        **{name: pl.lit(None, pl.Float64) for name in ("difference", "ci_low", "ci_high")}
    )
    ablations = recognition_tables(scores({PART: None, WHOLE: None}), paired, FROM)[1]
    assert [[cell.text for cell in row[1:]] for row in ablations.rows] == [["n/a"] * 3] * 2


def test_each_seed_has_a_row_and_only_the_pooled_one_may_win() -> None:
    pooled = scores(PCK).with_columns(seed=pl.lit(None, pl.Int64))
    single = scores({"mkff_st_gcn": 0.72})
    table = recognition_table(pl.concat([pooled, single]), CLEAR, FROM)
    names = [row[0][0] for row in table.rows]
    assert names == ["raw", "calibrated", "mkff_st_gcn", "mkff_st_gcn (seed 0)"]
    assert [row[1][1] for row in table.rows] == [False, False, True, False]


def horizon_scores(values: dict[str, float], metric: str = "mpjpe_torso") -> pl.DataFrame:
    rows = [
        {
            "method": method,
            "input": given,
            "style": style,
            "horizon_ms": ms,
            "metric": metric,
            "value": value * ms / 80,
            "ci_low": value * ms / 80 - 1,
            "ci_high": value * ms / 80 + 1,
            "n_clips": 12,
            "n_takes": 11,
            "n_windows": 300 if given == "annotated" else 290,
            "seed": 0,
            "split": "test",
        }
        for style in ("all", "ballet")
        for method, value in values.items()
        for given in ("annotated", "raw")
        for ms in (80, 160, 320, 400)
    ]
    return pl.DataFrame(rows, schema=dict(PREDICTION_SCORES))


def test_prediction_lower_is_better_and_inputs_are_compared_apart() -> None:
    paired = comparisons({("stga_net", "zero_velocity"): (-5, -1)}, task="prediction")
    table = prediction_table(horizon_scores({"zero_velocity": 9, "stga_net": 4}), paired, FROM)
    assert table.header[:3] == ("method", "input", "mpjpe_torso 80 ms")
    assert table.rows[2][:3] == (
        ("stga_net", False),
        ("annotated", False),
        ("4.0 [3.0, 5.0]", True),
    )
    assert not any(win for row in (table.rows[0], table.rows[1], table.rows[3]) for _, win in row)
    assert "lower is better" in table.title and "% of torso" in table.title
    assert "12 clips of 11 takes, 290-300 windows" in table.markdown()


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("bone_angle", "0.240 ["), ("mae_px", "0.2 ["), ("skill", "24.0 [")],
)
def test_units_of_the_other_metrics(metric: str, expected: str) -> None:
    table = prediction_table(
        horizon_scores({"ar": 0.24}, metric), CLEAR.clear(), FROM, metric=metric
    )
    assert table.rows[0][2][0].startswith(expected)


def test_sets_of_tables_cover_every_style() -> None:
    both = pl.concat(
        [scores(PCK), scores(PCK, style="ballet", clips=2), scores(PCK, joint="all_but_head_top")]
    )
    titles = [t.title for t in recognition_tables(both, CLEAR, FROM)]
    assert sum("(style ballet)" in t for t in titles) == 1
    assert sum("13 joints without head_top" in t for t in titles) == 1
    tables = prediction_tables(horizon_scores({"ar": 4}), CLEAR.clear(), FROM)
    assert len(tables) == 5
    assert all(t.markdown() and t.text() for t in tables)
    assert recognition_tables(both.clear(), CLEAR, FROM)[0].rows[0][0][0] == "n/a"
