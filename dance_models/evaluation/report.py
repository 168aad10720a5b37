"""Both reports from the split tables and the checkpoints: fit on train, tune on val, score test."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dance_models.config import EvaluationConfig
from dance_models.data.assemble import pose_runs_from_rows
from dance_models.data.forecast_windows import ForecastWindows, cut_windows
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.evaluation.calibration import fit_calibration
from dance_models.evaluation.filters import tuned_filters
from dance_models.evaluation.forecasts import trivial_forecasters
from dance_models.evaluation.render_tables import (
    Provenance,
    Table,
    prediction_tables,
    recognition_tables,
)
from dance_models.evaluation.scores import (
    paired_prediction_scores,
    paired_recognition_scores,
    prediction_scores,
    recognition_scores,
)
from dance_models.training.inference import (
    forecast,
    load_forecaster,
    load_refiner,
    refine_observed,
    refine_runs,
)
from dance_models.training.prediction import annotated_poses

SPLIT = "test"
TRAIN_STRIDE = 2  # frames between the windows that linear forecasters are fitted on


@dataclass(frozen=True, eq=False)
class Report:
    """Long tables, what is rendered from them, and the headline numbers by name."""

    scores: pl.DataFrame
    paired: pl.DataFrame
    tables: list[Table]
    headline: dict[str, float]

    @property
    def markdown(self) -> str:
        """All tables as Markdown."""
        return "\n".join(table.markdown() for table in self.tables)

    @property
    def text(self) -> str:
        """The first table for a terminal."""
        return self.tables[0].text()


def _originals(rows: pl.DataFrame) -> list[PoseRun]:
    return pose_runs_from_rows(rows.filter(pl.col("variant") == 0))


def _tuning_runs(train: list[PoseRun], val: list[PoseRun]) -> list[PoseRun]:
    """What parameters are tuned on: validation, or training when the corpus is too small."""
    return val or train


def _judged(test: pl.DataFrame) -> list[PoseRun]:
    runs = [run for run in _originals(test) if run.annotated.any()]
    if not runs:
        raise InputError(
            "there is no annotated clip in the test split",
            hint="Annotate at least three clips (takes) of a style",
        )
    return runs


def recognition_report(
    train: pl.DataFrame,
    val: pl.DataFrame,
    test: pl.DataFrame,
    *,
    checkpoint: Path,
    config: EvaluationConfig,
    provenance: Provenance,
) -> Report:
    """Score raw, filters, calibration and the network on test (split tables, SPLIT_ROWS).

    Raises InputError when test has no annotated clip.
    """
    learn, tune_on, judge = _originals(train), _originals(val), _judged(test)
    tune_on = _tuning_runs(learn, tune_on)
    predictions: dict[str, Sequence[NDArray[np.floating]]] = {}
    for tuned in tuned_filters(tune_on):
        predictions[tuned.name] = tuned(judge)
    predictions["calibrated"] = fit_calibration(learn, tune_on)(judge)
    predictions["mkff_st_gcn"] = refine_runs(load_refiner(checkpoint), judge)
    scores = recognition_scores(judge, predictions, config, SPLIT, config.seed)
    paired = paired_recognition_scores(judge, predictions, config, SPLIT)
    tables = recognition_tables(scores, paired, provenance)
    return Report(scores, paired, tables, _recognition_headline(scores))


def _recognition_headline(scores: pl.DataFrame) -> dict[str, float]:
    rows = scores.filter(
        (pl.col("metric") == "pck_torso") & (pl.col("style") == "all") & (pl.col("joint") == "all")
        & pl.col("method").is_in(["raw", "calibrated", "mkff_st_gcn"])
    )  # fmt: skip
    return {
        f"test_{row['method']}_pck_torso_{row['threshold']:g}": row["value"]
        for row in rows.iter_rows(named=True)
        if row["value"] is not None
    }


def prediction_report(
    train: pl.DataFrame,
    val: pl.DataFrame,
    test: pl.DataFrame,
    *,
    refiner: Path,
    forecaster: Path,
    config: EvaluationConfig,
    provenance: Provenance,
) -> Report:
    """Score trivial rows and the network on test, from annotated, refined and raw poses.

    All rows are fitted on annotated training windows. Raises InputError when test has no window.
    """
    learn, tune_on, judge = _originals(train), _originals(val), _judged(test)
    tune_on = _tuning_runs(learn, tune_on)
    fit_on = cut_windows(learn, annotated_poses(learn), stride=TRAIN_STRIDE)
    rows = trivial_forecasters(
        fit_on, cut_windows(tune_on, annotated_poses(tune_on), stride=TRAIN_STRIDE)
    )
    network = load_forecaster(forecaster)
    windows = _test_windows(judge, refiner, config.window_stride)
    forecasts: dict[tuple[str, str], NDArray[np.floating]] = {}
    for given, cut in windows.items():
        for name, row in rows:
            forecasts[name, given] = row(cut.observed)
        forecasts["stga_net", given] = forecast(network, cut.observed)
    scores = prediction_scores(windows, judge, forecasts, config, SPLIT, config.seed)
    paired = paired_prediction_scores(windows, judge, forecasts, config, SPLIT)
    tables = prediction_tables(scores, paired, provenance)
    return Report(scores, paired, tables, _prediction_headline(scores))


def _test_windows(runs: list[PoseRun], refiner: Path, stride: int) -> dict[str, ForecastWindows]:
    """Windows by input; the refiner sees the observed frames alone."""
    annotated = cut_windows(runs, annotated_poses(runs), stride=stride)
    raw = cut_windows(runs, [run.estimate for run in runs], stride=stride)
    if not len(annotated):
        raise InputError(
            "no annotated test run is long enough for a prediction window (1.44 s without a gap)",
            hint="Annotate longer runs of contiguous frames",
        )
    refined = refine_observed(load_refiner(refiner), runs, raw)
    return {
        "annotated": annotated,
        "refined": ForecastWindows(refined, raw.future, raw.run, raw.anchor),
        "raw": raw,
    }


def _prediction_headline(scores: pl.DataFrame) -> dict[str, float]:
    rows = scores.filter(
        (pl.col("metric") == "mpjpe_torso") & (pl.col("style") == "all")
        & (pl.col("input") == "annotated")
        & pl.col("method").is_in(["zero_velocity", "ar", "stga_net"])
    )  # fmt: skip
    return {
        f"test_{row['method']}_mpjpe_torso_{row['horizon_ms']}": row["value"]
        for row in rows.iter_rows(named=True)
        if row["value"] is not None
    }
