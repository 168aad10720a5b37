"""Both reports from the split tables and the checkpoints: fit on train, tune on val, score test.

Twice when networks were trained on folds: over all clips, each judged by what never saw its group
(``split`` is "folds"), and on the fixed split ("test").
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dance_models.config import EvaluationConfig
from dance_models.data.assemble import pose_runs_from_rows
from dance_models.data.crops import Crops
from dance_models.data.folds import fold_count, fold_runs
from dance_models.data.forecast_windows import ForecastWindows, cut_windows
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.evaluation.calibration import fit_calibration
from dance_models.evaluation.filters import tuned_filters
from dance_models.evaluation.forecasts import Forecaster, trivial_forecasters
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
from dance_models.training.crop_inference import recognised_runs
from dance_models.training.inference import (
    forecast,
    load_forecaster,
    load_refiner,
    refine_observed,
)
from dance_models.training.prediction import annotated_poses

TEST, FOLDS = "test", "folds"
TRAIN_STRIDE = 2  # frames between the windows that linear forecasters are fitted on
REFINE_STRIDE = 2  # frames between the windows whose refinements are averaged

Poses = list[NDArray[np.floating]]
Forecasts = dict[tuple[str, str], NDArray[np.floating]]  # (method, input) -> (N, 10, 14, 2)


@dataclass(frozen=True)
class Trained:
    """Checkpoints of one network: of the fixed split and, in order, of the folds."""

    best: Path
    folds: tuple[Path, ...] = ()


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


@dataclass(frozen=True, eq=False)
class Part:
    """One division of the runs, and the checkpoints that were trained on it."""

    learn: list[PoseRun]
    tune: list[PoseRun]
    judge: list[PoseRun]
    checkpoints: dict[str, Path]


def _part(runs: Sequence[PoseRun], checkpoints: Mapping[str, Path]) -> Part:
    by_split = {s: [run for run in runs if run.split == s] for s in ("train", "val", "test")}
    judge = [run for run in by_split["test"] if run.annotated.any()]
    # A corpus too small for validation tunes on what it trains on.
    tune = by_split["val"] or by_split["train"]
    return Part(by_split["train"], tune, judge, dict(checkpoints))


def _divisions(
    splits: Sequence[pl.DataFrame], networks: Mapping[str, Trained]
) -> Iterator[tuple[str, list[Part]]]:
    """("folds", its parts) when there are networks of folds, then ("test", [the fixed split]).

    Raises InputError when the test split has no annotated clip.
    """
    rows = pl.concat([table.filter(pl.col("variant") == 0) for table in splits])
    runs = pose_runs_from_rows(rows)
    if any(trained.folds for trained in networks.values()):
        yield (
            FOLDS,
            [
                _part(
                    fold_runs(runs, fold),
                    {name: t.folds[fold] for name, t in networks.items() if t.folds},
                )
                for fold in range(fold_count(runs))
            ],
        )
    fixed = _part(runs, {name: trained.best for name, trained in networks.items()})
    if not fixed.judge:
        raise InputError(
            "there is no annotated clip in the test split",
            hint="Annotate at least three clips (takes) of a style",
        )
    yield TEST, [fixed]


# --- recognition ------------------------------------------------------------------------------


def recognition_report(
    splits: Sequence[pl.DataFrame],
    *,
    networks: Mapping[str, Trained],
    config: EvaluationConfig,
    provenance: Provenance,
    crops: Crops | None = None,
) -> Report:
    """Score raw, filters, calibration and the networks; ``splits`` are train, val, test rows.

    ``crops`` are for networks that see pictures. Raises InputError when test has no annotated
    clip, and when crops are needed and not there.
    """
    scores, paired, tables = [], [], []
    for split, parts in _divisions(splits, networks):
        judge = [run for part in parts for run in part.judge]
        by_part = [_refined_poses(part, crops) for part in parts]
        predictions = {
            name: [pose for poses in by_part for pose in poses[name]] for name in by_part[0]
        }
        seed = None if split == FOLDS else config.seed
        scores.append(recognition_scores(judge, predictions, config, split, seed))
        paired.append(paired_recognition_scores(judge, predictions, config, split))
        tables += recognition_tables(scores[-1], paired[-1], provenance)
    return Report(pl.concat(scores), pl.concat(paired), tables, _recognition_headline(scores[-1]))


def _refined_poses(part: Part, crops: Crops | None) -> dict[str, Poses]:
    """What every row says of the judged runs of one part."""
    rows: dict[str, Poses] = {}
    for tuned in tuned_filters(part.tune):
        rows[tuned.name] = list(tuned(part.judge))
    rows["calibrated"] = list(fit_calibration(part.learn, part.tune)(part.judge))
    for name, checkpoint in part.checkpoints.items():
        rows[name] = list(recognised_runs(checkpoint, part.judge, crops, stride=REFINE_STRIDE))
    return rows


def _recognition_headline(scores: pl.DataFrame) -> dict[str, float]:
    rows = scores.filter(
        (pl.col("metric") == "pck_torso") & (pl.col("style") == "all") & (pl.col("joint") == "all")
    )
    return {
        f"test_{row['method']}_pck_torso_{row['threshold']:g}": row["value"]
        for row in rows.iter_rows(named=True)
        if row["value"] is not None
    }


# --- prediction -------------------------------------------------------------------------------


def prediction_report(
    splits: Sequence[pl.DataFrame],
    *,
    networks: Mapping[str, Trained],
    refiner: Trained,
    config: EvaluationConfig,
    provenance: Provenance,
) -> Report:
    """Score trivial rows and networks, from annotated, refined and raw poses.

    ``splits`` are train, val, test rows; ``refiner`` is the recognition network of the cascade.
    Raises InputError when test has no window.
    """
    scores, paired, tables = [], [], []
    rows = {**networks, REFINER: refiner}
    for split, parts in _divisions(splits, rows):
        if not all(REFINER in part.checkpoints for part in parts):
            continue  # its cascade was not trained on folds
        judge = [run for part in parts for run in part.judge]
        by_part = [_forecasts(part, config.window_stride) for part in parts]
        windows = _joined_windows([w for w, _ in by_part], [len(p.judge) for p in parts])
        forecasts = {
            key: np.concatenate([said[key] for _, said in by_part]) for key in by_part[0][1]
        }
        if not len(windows["annotated"]):
            raise InputError(
                "no annotated test run is long enough for a prediction window (1.44 s without "
                "a gap)",
                hint="Annotate longer runs of contiguous frames",
            )
        seed = None if split == FOLDS else config.seed
        scores.append(prediction_scores(windows, judge, forecasts, config, split, seed))
        paired.append(paired_prediction_scores(windows, judge, forecasts, config, split))
        tables += prediction_tables(scores[-1], paired[-1], provenance)
    return Report(pl.concat(scores), pl.concat(paired), tables, _prediction_headline(scores[-1]))


REFINER = "refiner of the cascade"


def _forecasts(part: Part, stride: int) -> tuple[dict[str, ForecastWindows], Forecasts]:
    """Windows by input, and what every row forecasts from them."""
    windows = _judged_windows(part.judge, part.checkpoints[REFINER], stride)
    said: Forecasts = {}
    for given, cut in windows.items():
        for name, row in _trivial(part, given):
            said[name, given] = row(cut.observed)
    for name, checkpoint in part.checkpoints.items():
        if name != REFINER:
            network = load_forecaster(checkpoint)
            for given, cut in windows.items():
                said[name, given] = forecast(network, cut.observed)
    return windows, said


def _trivial(part: Part, given: str) -> list[tuple[str, Forecaster]]:
    """Trivial rows fitted on the input that they will see; for refined poses on annotated ones.

    Refining every training window would take longer than the trainings.
    """

    def cut(runs: list[PoseRun]) -> ForecastWindows:
        poses = [run.estimate for run in runs] if given == "raw" else annotated_poses(runs)
        return cut_windows(runs, poses, stride=TRAIN_STRIDE)

    return trivial_forecasters(cut(part.learn), cut(part.tune))


def _judged_windows(runs: list[PoseRun], refiner: Path, stride: int) -> dict[str, ForecastWindows]:
    """Windows by input; the refiner sees the observed frames alone."""
    annotated = cut_windows(runs, annotated_poses(runs), stride=stride)
    raw = cut_windows(runs, [run.estimate for run in runs], stride=stride)
    refined = refine_observed(load_refiner(refiner), runs, raw)
    return {
        "annotated": annotated,
        "refined": ForecastWindows(refined, raw.future, raw.run, raw.anchor),
        "raw": raw,
    }


def _joined_windows(
    parts: Sequence[Mapping[str, ForecastWindows]], runs: Sequence[int]
) -> dict[str, ForecastWindows]:
    """The windows of all parts, their run numbers counted over the runs of all parts."""
    first = np.concatenate([[0], np.cumsum(runs)[:-1]])
    return {
        given: ForecastWindows(
            np.concatenate([part[given].observed for part in parts]),
            np.concatenate([part[given].future for part in parts]),
            np.concatenate([part[given].run + n for part, n in zip(parts, first, strict=True)]),
            np.concatenate([part[given].anchor for part in parts]),
        )
        for given in parts[0]
    }


def _prediction_headline(scores: pl.DataFrame) -> dict[str, float]:
    rows = scores.filter(
        (pl.col("metric") == "mpjpe_torso") & (pl.col("style") == "all")
        & (pl.col("input") == "annotated")
    )  # fmt: skip
    return {
        f"test_{row['method']}_mpjpe_torso_{row['horizon_ms']}": row["value"]
        for row in rows.iter_rows(named=True)
        if row["value"] is not None
    }
