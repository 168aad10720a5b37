"""The headline metrics of a report are grouped by method."""

import polars as pl

from dance_models.evaluation.report import _prediction_headline, _recognition_headline
from dance_models.evaluation.scores import PREDICTION_SCORES, RECOGNITION_SCORES


def test_methods_that_share_a_name_prefix_are_kept_apart() -> None:
    row = {
        "style": "all", "input": "annotated", "metric": "mpjpe_torso", "horizon_ms": 80,
        "split": "test", "seed": 0,
    }  # fmt: skip
    rows = [
        {**row, "method": "t_gcn", "value": 1.0},
        {**row, "method": "t_gcn_residual", "value": 2.0},
        {**row, "method": "t_gcn", "input": "raw", "value": 3.0},
        {**row, "method": "ar", "value": None},
    ]
    assert _prediction_headline(pl.DataFrame(rows, schema=dict(PREDICTION_SCORES))) == {
        "t_gcn": {"test_t_gcn_mpjpe_torso_80": 1.0},
        "t_gcn_residual": {"test_t_gcn_residual_mpjpe_torso_80": 2.0},
    }


def test_recognition_metrics_keep_their_names() -> None:
    row = {
        "method": "mkff_st_gcn", "style": "all", "joint": "all", "metric": "pck_torso",
        "threshold": 0.2, "split": "test", "seed": 0, "value": 0.5,
    }  # fmt: skip
    scores = pl.DataFrame([row], schema=dict(RECOGNITION_SCORES))
    assert _recognition_headline(scores) == {"mkff_st_gcn": {"test_mkff_st_gcn_pck_torso_0.2": 0.5}}
