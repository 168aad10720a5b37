"""The CMU motion-prediction benchmark: training our networks on it, and its table.

Errors are at the frames called 80, 160, 320 and 400 ms, in mm. The published rows are the means
over all 38 joints (:meth:`CmuSkeleton.weights`); the plain mean over the 25 scored joints stands
beside it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.config import CmuProtocolConfig, PredictionExperiment
from dance_models.data.forecast_windows import ForecastWindows, cut_windows
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.evaluation.forecasts import (
    Forecaster,
    constant_velocity,
    fit_ridge,
    zero_velocity,
)
from dance_models.inference.forecast import forecast
from dance_models.inference.loading import load_forecaster
from dance_models.metrics.horizon import HORIZONS_MS, at_horizons, weighted_joint_error
from dance_models.metrics.torso import visible_annotation
from dance_models.motion.cmu_protocol import (
    CmuSkeleton,
    Motion,
    missing_files,
    scored_weights,
    scored_windows,
    training_runs,
)
from dance_models.report_tables.table import Table
from dance_models.skeletons.cmu_26 import CMU_26
from dance_models.tables import write_text
from dance_models.training.prediction import train_prediction

Errors = dict[str, NDArray[np.float64]]  # action -> (4,) mm at the horizons
Scores = dict[str, dict[str, Errors]]  # measure -> row -> errors

PUBLISHED_MEAN, SCORED_MEAN = "published_mean", "scored_joints_mean"
TRAJ_GCN_PUBLISHED: Final = "traj_gcn_published"
# Mao et al. 2019, "Learning trajectory dependencies for human motion prediction", errors of 3-D
# positions on CMU motion capture. The row of basketball was compared with a later paper that
# quotes it; the others are second-hand.
PUBLISHED: Final[Mapping[str, tuple[float, float, float, float]]] = {
    "basketball": (14.0, 25.4, 49.6, 61.4),
    "jumping": (16.9, 34.4, 76.3, 96.8),
    "running": (25.5, 36.7, 39.3, 39.9),
    "soccer": (11.3, 21.5, 44.2, 55.8),
    "walking": (7.7, 11.8, 19.4, 23.1),
}
# Training files of each action of the benchmark; each action has one test file.
BENCHMARK_FILES: Final[Mapping[str, int]] = {
    "basketball": 5,
    "basketball_signal": 5,
    "directing_traffic": 5,
    "jumping": 5,
    "running": 5,
    "soccer": 5,
    "walking": 5,
    "washwindow": 5,
}
_TITLES: Final = {
    PUBLISHED_MEAN: "Mean over the benchmark's 38 joints, as published, mm",
    SCORED_MEAN: "Mean over the 25 scored joints, mm",
}


@dataclass(frozen=True, eq=False)
class CmuBenchmark:
    """The benchmark's data, and whether its test or held-out training files are scored."""

    motion: Mapping[str, Motion]
    skeleton: CmuSkeleton
    config: CmuProtocolConfig
    held_out: bool = False  # choose recipes with this; test files are not read then

    def runs(self) -> list[PoseRun]:
        """What is trained on: every file, or all but the held-out ones."""
        return training_runs(self.motion, self.config, every_file=not self.held_out)

    def scored(self) -> dict[str, ForecastWindows]:
        """The windows that are scored, by action. Raises InputError when there are none."""
        if self.held_out:
            found = {
                run.style: _cut([run], self.config.held_out_stride)
                for run in self.runs()
                if run.split == "val"
            }
        else:
            found = scored_windows(self.motion, self.config)
        if not found:
            raise InputError("there is no test sequence", hint="Its key is test/ACTION_1")
        return found


def _cut(runs: Sequence[PoseRun], stride: int) -> ForecastWindows:
    poses = [visible_annotation(run) for run in runs]
    return cut_windows(runs, poses, stride=stride, skeleton=CMU_26)


def train_rows(
    benchmark: CmuBenchmark,
    experiments: Mapping[str, PredictionExperiment],
    folder: Path,
    say: Callable[[str], None],
) -> dict[str, Forecaster]:
    """Train every network in a folder of its own below ``folder``; resumes."""
    runs = benchmark.runs()
    rows: dict[str, Forecaster] = {}
    for name, experiment in experiments.items():
        say(f"{name}:")
        result = train_prediction(
            runs,
            experiment.net,
            experiment.training,
            folder / ("held_out" if benchmark.held_out else "test") / name,
            lambda record: say(record.line()),
            skeleton=CMU_26,
        )
        rows[name] = partial(forecast, load_forecaster(result.best))
    return rows


def trivial_rows(benchmark: CmuBenchmark) -> dict[str, Forecaster]:
    """Zero velocity, constant velocity, and ridge on the training windows, tuned on split "val"."""
    runs, stride = benchmark.runs(), benchmark.config.held_out_stride
    train = _cut([run for run in runs if run.split == "train" and not run.variant], stride)
    val = _cut([run for run in runs if run.split == "val"], stride)
    ridge = fit_ridge(train, val, CMU_26)
    return {
        "zero_velocity": zero_velocity,
        "constant_velocity": constant_velocity,
        "ridge": ridge,
    }


def score_rows(benchmark: CmuBenchmark, rows: Mapping[str, Forecaster]) -> Scores:
    """Mean error at the horizons by measure, row and action; published rows beside the test."""
    scored = benchmark.scored()
    measures = {PUBLISHED_MEAN: benchmark.skeleton.weights(), SCORED_MEAN: scored_weights()}
    scores: Scores = {measure: {name: {} for name in rows} for measure in measures}
    for action, windows in scored.items():
        truth = at_horizons(windows.future)
        for name, forecaster in rows.items():
            there = at_horizons(forecaster(windows.observed))
            for measure, weights in measures.items():
                error = weighted_joint_error(there, truth, weights).mean(axis=0)
                scores[measure][name][action] = error
    if not benchmark.held_out:
        quoted = {a: np.array(PUBLISHED[a]) for a in scored if a in PUBLISHED}
        scores[PUBLISHED_MEAN] |= {TRAJ_GCN_PUBLISHED: quoted} if quoted else {}
    return scores


def protocol_tables(benchmark: CmuBenchmark, scores: Scores) -> list[Table]:
    """A table for each measure: rows, then actions at 80 / 160 / 320 / 400 ms."""
    notes = _footnotes(benchmark)
    tables = []
    for measure, rows in scores.items():
        actions = list(next(iter(rows.values())))
        compared = [a for a in actions if a in PUBLISHED] or actions
        header = ["method", f"mean of {len(compared)}", *compared]
        header += [f"{a} (apart)" for a in actions if a not in compared]
        order = [*compared, *(a for a in actions if a not in compared)]
        body = [[name, *_cells(errors, compared, order)] for name, errors in rows.items()]
        tables.append(Table.of_text(_TITLES[measure], header, body, notes))
    return tables


def _cells(errors: Errors, compared: Sequence[str], order: Sequence[str]) -> list[str]:
    mean = np.mean([errors[action] for action in compared], axis=0)
    return [_four(mean), *(_four(errors[a]) if a in errors else "" for a in order)]


def _four(values: NDArray[np.float64]) -> str:
    return " / ".join(f"{value:.1f}" for value in values)


def _footnotes(benchmark: CmuBenchmark) -> list[str]:
    horizons = ", ".join(map(str, HORIZONS_MS))
    notes = [f"At {horizons} ms as the benchmark calls them: frames 2, 4, 8 and 10."]
    if benchmark.held_out:
        return [*notes, "Held-out training files, for choosing recipes; not the test."]
    missing = missing_files(benchmark.motion, BENCHMARK_FILES)
    if missing:
        notes.append(f"Not in this data: {', '.join(missing)}. Published rows are trained on all.")
    notes.append(
        f"{TRAJ_GCN_PUBLISHED}: Mao et al. 2019; compared with a second source for basketball only."
    )
    return notes


def ratios_to_published(scores: Scores) -> dict[str, dict[str, list[float]]]:
    """Error of every row divided by the published one, by row and action; below 1 is better."""
    rows = dict(scores[PUBLISHED_MEAN])
    quoted = rows.pop(TRAJ_GCN_PUBLISHED, {})
    return {
        name: {a: (errors[a] / quoted[a]).round(3).tolist() for a in quoted}
        for name, errors in rows.items()
    }


def write_scores(benchmark: CmuBenchmark, scores: Scores, path: Path) -> None:
    """All scores as JSON, atomically."""
    plain = {
        measure: {
            row: {action: values.round(2).tolist() for action, values in errors.items()}
            for row, errors in rows.items()
        }
        for measure, rows in scores.items()
    }
    document = {
        "scored": "held-out training files" if benchmark.held_out else "test files",
        "horizons_ms": HORIZONS_MS,
        "missing_files": missing_files(benchmark.motion, BENCHMARK_FILES),
        "errors_mm": plain,
        "ratio_to_published": ratios_to_published(scores),
    }
    write_text(path, json.dumps(document, indent=1) + "\n")
