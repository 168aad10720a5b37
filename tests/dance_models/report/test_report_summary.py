from typing import Any

import polars as pl

from dance_models.evaluation.scores import PAIRED_SCORES, RECOGNITION_SCORES
from dance_models.report.summary import by_input, gains, losses_by_style, summary


def _paired(*rows: dict[str, Any]) -> pl.DataFrame:
    fixed = {
        "task": "prediction", "method": "stga_net", "other": "ar", "input": "annotated",
        "style": "all", "horizon_ms": 80, "threshold": None, "metric": "mpjpe_torso",
        "difference": -1.0, "ci_low": -2.0, "ci_high": -0.5, "p_holm": 0.001, "p_floor": 0.001,
        "n_clips": 30, "n_takes": 25, "split": "folds",
    }  # fmt: skip
    return pl.DataFrame([{**fixed, **row} for row in rows], schema=PAIRED_SCORES)


def test_better_open_and_worse_are_distinguished() -> None:
    table = _paired(
        {"horizon_ms": 80},
        {"horizon_ms": 160, "ci_high": 0.5},
        {"horizon_ms": 320, "ci_low": 0.5, "ci_high": 2.0},
    )
    assert summary(table, "folds") == [
        "stga_net is better than ar at 80 ms; it cannot be told from ar at 160 ms; "
        "it is worse than ar at 320 ms."
    ]


def test_rows_with_one_outcome_share_a_sentence() -> None:
    table = _paired(
        *({"other": other, "horizon_ms": ms} for other in ("ar", "ridge") for ms in (80, 160)),
        *(
            {"other": other, "horizon_ms": ms, "ci_high": high}
            for other in ("simlpe", "dmgnn")
            for ms, high in ((80, 0.5), (160, -0.5))
        ),
        {"other": "traj_gcn", "horizon_ms": 80},
    )
    assert summary(table, "folds") == [
        "stga_net is better than ar, ridge at 80, 160 ms.",
        "stga_net is better than simlpe, dmgnn at 160 ms; it cannot be told from them at 80 ms.",
        "stga_net is better than traj_gcn at 80 ms.",
    ]


def test_losses_on_raw_poses_share_a_sentence_too() -> None:
    worse = {"input": "raw", "ci_low": 0.5, "ci_high": 2.0}
    table = _paired(
        *({**worse, "other": other, "horizon_ms": 80} for other in ("ridge", "simlpe")),
        {**worse, "other": "ar", "horizon_ms": 160},
    )
    assert by_input(table, "folds") == [
        "From raw poses stga_net is worse than ridge, simlpe at 80 ms.",
        "From raw poses stga_net is worse than ar at 160 ms.",
    ]


def test_the_corrected_p_value_counts_too() -> None:
    assert "cannot be told" in summary(_paired({"p_holm": 0.2}), "folds")[0]


def test_the_direction_of_a_pair_and_of_a_metric_do_not_matter() -> None:
    turned = _paired({"method": "ar", "other": "stga_net", "ci_low": 0.5, "ci_high": 2.0})
    assert summary(turned, "folds") == ["stga_net is better than ar at 80 ms."]
    pck = _paired(
        {
            "task": "recognition", "method": "mkff_st_gcn", "other": "raw", "input": "raw",
            "metric": "pck_torso", "threshold": 0.05, "horizon_ms": None,
            "ci_low": 0.1, "ci_high": 0.2,
        }
    )  # fmt: skip
    assert summary(pck, "folds") == ["mkff_st_gcn is better than raw at threshold 0.05."]


def test_few_takes_support_no_claim() -> None:
    few = {"n_takes": 4, "p_holm": 0.125, "p_floor": 0.125}
    assert summary(_paired(few), "folds") == [
        "stga_net: 4 takes: p cannot go below 0.12, 0.12 after Holm's correction, so nothing is "
        "claimed."
    ]
    untested = {"n_takes": 4, "p_holm": None, "p_floor": None}
    assert summary(_paired(untested), "folds") == [
        "stga_net: 4 takes: values and intervals alone, nothing was tested."
    ]
    assert by_input(_paired({**untested, "input": "raw"}), "folds") == []


def test_losses_in_a_style_are_named() -> None:
    table = _paired({"style": "ballet", "ci_low": 0.5, "ci_high": 2.0}, {"style": "street"})
    assert losses_by_style(table, "folds") == ["stga_net is worse than ar in ballet at 80 ms."]


def test_gains_are_fractions_of_the_trivial_rows_error() -> None:
    recognition = pl.DataFrame(
        [
            {"method": m, "input": "raw", "style": "all", "joint": "all", "metric": "pck_torso",
             "threshold": 0.05, "value": v, "seed": None, "split": "folds"}
            for m, v in (("raw", 0.5), ("mkff_st_gcn", 0.6))
        ]
    )  # fmt: skip
    prediction = pl.DataFrame(
        [
            {"method": m, "input": given, "style": "all", "metric": "mpjpe_torso",
             "horizon_ms": 80, "value": v, "seed": None, "split": "folds"}
            for m, given, v in (
                ("zero_velocity", "annotated", 8.0), ("stga_net", "annotated", 2.0),
                ("zero_velocity", "raw", 8.0), ("stga_net", "raw", 9.0),
            )
        ]
    )  # fmt: skip
    assert gains(recognition, prediction, "folds") == [
        "mkff_st_gcn takes away 20.0 % at 0.05 of the misses of raw.",
        "stga_net takes away 75.0 % at 80 ms of the error of zero_velocity.",
    ]
    assert gains(recognition, prediction, "test") == []


def test_a_network_that_is_worse_takes_nothing_away() -> None:
    table = pl.DataFrame(
        [
            {"method": m, "input": "annotated", "style": "all", "metric": "mpjpe_torso",
             "horizon_ms": ms, "value": v, "seed": None, "split": "folds"}
            for m, ms, v in (
                ("zero_velocity", 80, 8.0), ("stga_net", 80, 10.0),
                ("zero_velocity", 160, 20.0), ("stga_net", 160, 10.0),
                ("zero_velocity", 320, 9.0), ("stga_net", 320, 9.001),
            )
        ]
    )  # fmt: skip
    assert gains(pl.DataFrame(schema=RECOGNITION_SCORES), table, "folds") == [
        "stga_net takes away 50.0 % at 160, 0.0 % at 320 ms of the error of zero_velocity.",
        "stga_net adds 25.0 % at 80 ms to the error of zero_velocity.",
    ]


def test_forecasts_from_estimated_poses_are_compared_with_all_rows() -> None:
    table = _paired(
        {"input": "refined"},
        {"input": "raw", "ci_low": 0.5, "ci_high": 2.0},
        {"input": "raw", "horizon_ms": 160, "ci_low": 0.5, "ci_high": 2.0},
        {"input": "raw", "horizon_ms": 320},
        {"input": "raw", "other": "ridge", "p_holm": 0.2},
        {"input": "annotated", "other": "ridge"},
    )
    assert by_input(table, "folds") == [
        "From refined poses stga_net is better than ar at 80 ms.",
        "From raw poses stga_net is better than ar at 320 ms; it is worse than ar at 80, 160 ms.",
        "From raw poses stga_net cannot be told from ridge at 80 ms.",
    ]
    assert by_input(_paired({}), "folds") == []
