"""Who won against the best row without a network, in tables and sentences."""

from typing import Any

import polars as pl
import pytest

from dance_models.evaluation.scores import PAIRED_SCORES, PREDICTION_SCORES, RECOGNITION_SCORES
from dance_models.report.verdict import CONTESTS, doubt, duels, judged_split, short_table, winners

RECOGNITION, PREDICTION = CONTESTS


def _recognition(split: str = "test", **values: tuple[float, float, float]) -> pl.DataFrame:
    """PCK of methods at the thresholds 0.05, 0.1 and 0.2."""
    rows = [
        {
            "method": method, "input": "raw", "style": "all", "joint": joint,
            "metric": "pck_torso", "threshold": threshold, "value": value if joint == "all" else 0,
            "n_clips": 3, "n_takes": 3, "n_frames": 9, "seed": None, "split": split,
        }
        for method, own in values.items()
        for threshold, value in zip((0.05, 0.1, 0.2), own, strict=True)
        for joint in ("neck", "all")
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=RECOGNITION_SCORES)


def _prediction(**values: tuple[float, float, float, float]) -> pl.DataFrame:
    """Errors of methods at 80, 160, 320 and 400 ms from annotated poses; from raw ones zero."""
    rows = [
        {
            "method": method, "input": given, "style": "all", "metric": "mpjpe_torso",
            "horizon_ms": ms, "value": value if given == "annotated" else 0.0,
            "n_clips": 3, "n_takes": 3, "n_windows": 9, "seed": None, "split": "test",
        }
        for method, own in values.items()
        for ms, value in zip((80, 160, 320, 400), own, strict=True)
        for given in ("annotated", "raw")
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=PREDICTION_SCORES)


POSES = _recognition(
    raw=(0.50, 0.70, 0.90),
    flow=(0.60, 0.71, 0.91),
    kalman=(0.59, 0.70, 0.90),
    calibrated=(0.40, 0.80, 1.00),
    mkff_st_gcn=(0.625, 0.78, 0.98),
    st_gcn=(0.61, 0.70, 0.90),
    smoothnet=(0.50, 0.60, 0.70),
    hbrnn=(0.10, 0.20, 0.30),
)
FORECASTS = _prediction(
    zero_velocity=(20, 40, 80, 90), ar=(10, 30, 60, 70), stga_net=(8, 31, 65.5, 70)
)


def test_the_best_row_without_a_network_is_looked_for_in_each_cell() -> None:
    found = [(duel.point, duel.other, duel.gain) for duel in duels(RECOGNITION, POSES)]
    assert found == [(0.05, "flow", 2.5), (0.1, "calibrated", -2.0), (0.2, "calibrated", -2.0)]
    assert [duel.gain for duel in duels(PREDICTION, FORECASTS)] == [2.0, -1.0, -5.5, 0.0]


def test_gains_are_those_of_the_printed_values() -> None:
    """83.2 - 80.4 is 2.8 to whoever reads the table, whatever the other decimals are."""
    table = _recognition(
        raw=(0.1, 0.1, 0.1), calibrated=(0.8324, 0.5, 0.5), mkff_st_gcn=(0.8036, 0.5, 0.5)
    )
    assert duels(RECOGNITION, table)[0].gain == pytest.approx(-2.8)


def test_winners_are_one_sentence() -> None:
    assert winners(POSES, FORECASTS) == (
        "the best row without a network is beaten by mkff_st_gcn at 1 of 3 distances and stga_net "
        "at 1 of 4 horizons: mkff_st_gcn is 2.5 points better than flow at 5 % and is 2.0 and "
        "2.0 points worse than calibrated at 10 % and 20 %; stga_net is 2.0 % of a torso better "
        "than ar at 80 ms and is 1.0 and 5.5 % of a torso worse than ar at 160 ms and 320 ms and "
        "is level with ar at 400 ms."
    )
    assert winners(POSES.clear(), FORECASTS).startswith(
        "the best row without a network is beaten by stg"
    )
    assert winners(POSES.clear(), FORECASTS.clear()) == ""


def test_the_short_table_has_the_rows_that_matter() -> None:
    table = short_table(RECOGNITION, POSES)
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["raw", "the estimator's own poses", "50.0", "70.0", "90.0"],
        ["flow", "best without a network", "60.0", "71.0", "91.0"],
        ["calibrated", "best without a network", "40.0", "80.0", "100.0"],
        ["mkff_st_gcn", "a trained network", "62.5", "78.0", "98.0"],
        ["st_gcn", "a trained network", "61.0", "70.0", "90.0"],
        ["smoothnet", "a trained network", "50.0", "60.0", "70.0"],
    ]
    assert table.header == ("method", "what it is", "5 %", "10 %", "20 %")


def test_the_folds_count_when_there_are_any() -> None:
    folds = _recognition("folds", raw=(0.1, 0.1, 0.1), mkff_st_gcn=(0.2, 0.2, 0.2))
    both = pl.concat([POSES, folds])
    assert (judged_split(POSES), judged_split(both)) == ("test", "folds")
    assert [duel.gain for duel in duels(RECOGNITION, both)] == [10.0, 10.0, 10.0]


@pytest.mark.parametrize(
    ("p_floor", "takes", "text"),
    [
        (None, 1, "with 1 take to test on no difference can be told from chance"),
        (0.25, 3, "with 3 takes to test on no difference can be told from chance"),
        (0.001, 25, "only differences that the report marks are more than chance in its 25 takes"),
    ],
)
def test_what_the_takes_do_not_show(p_floor: float | None, takes: int, text: str) -> None:
    row: dict[str, Any] = {
        "task": "recognition", "method": "mkff_st_gcn", "other": "raw", "input": "raw",
        "style": "all", "metric": "pck_torso", "n_takes": takes, "p_floor": p_floor,
        "split": "test",
    }  # fmt: skip
    assert doubt(pl.DataFrame([row], schema=PAIRED_SCORES), "test") == text
