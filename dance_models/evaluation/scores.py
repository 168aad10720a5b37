"""The long tables of the reports: every value with its interval, and paired comparisons.

Values are fractions for PCK, ``found`` and ``skill``, percent of the clip's annotated median
torso for ``mpjpe_torso``, pixels for ``*_px``, radians for ``bone_angle``, frames for ``lag``,
percent of torso a frame squared for ``accel_torso``. Intervals are 95 %, BCa, by resampling takes;
null with fewer than two takes. p-values are of a sign-flip test over takes.

``predictions`` and ``forecasts`` may be one mapping (one seed) or a sequence of mappings, one for
each seed on the same data. Seeds are then pooled inside each clip, and ``seed`` should be None. A
method that is in only one of them (a trivial row) counts once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, Final, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dance_models.config import EvaluationConfig
from dance_models.data.forecast_windows import ForecastWindows
from dance_models.data.pose_runs import PoseRun
from dance_models.evaluation.estimates import (
    ALL,
    JOINT_ROWS,
    Estimate,
    Takes,
    difference,
    joint_estimate,
    lag_estimate,
    skill_estimate,
    window_estimate,
)
from dance_models.evaluation.totals import (
    PREDICTION_METRICS,
    RECOGNITION_METRICS,
    Clips,
    Poses,
    Totals,
    prediction_totals,
    recognition_totals,
)
from dance_models.metrics.horizon import HORIZONS_MS
from dance_models.metrics.sign_flip import holm
from dance_models.tables import Schema

RECOGNITION_SCORES: Final[Schema] = {
    "method": pl.String,
    "input": pl.String,  # always "raw": what is refined
    "style": pl.String,  # or "all"
    "joint": pl.String,  # or "all" (mean over J), "all_but_head_top" (mean over J - 1)
    "metric": pl.String,
    "threshold": pl.Float64,  # PCK only
    "value": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "n_clips": pl.Int64,
    "n_takes": pl.Int64,
    "n_frames": pl.Int64,
    "seed": pl.Int64,  # null on rows aggregated over seeds
    "split": pl.String,  # "test", "folds", or "frames" (the demonstration of a leak)
}
PREDICTION_SCORES: Final[Schema] = {
    "method": pl.String,
    "input": pl.String,  # "annotated", "refined" or "raw"
    "style": pl.String,
    "horizon_ms": pl.Int32,
    "metric": pl.String,  # a suffix (.slow, .left_wrist) is a part of the windows or joints
    "value": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "n_clips": pl.Int64,
    "n_takes": pl.Int64,
    "n_windows": pl.Int64,
    "seed": pl.Int64,
    "split": pl.String,
}
PAIRED_SCORES: Final[Schema] = {
    "task": pl.String,  # "recognition" or "prediction"
    "method": pl.String,
    "other": pl.String,
    "input": pl.String,  # of both
    "style": pl.String,
    "horizon_ms": pl.Int32,  # prediction only
    "threshold": pl.Float64,  # PCK only
    "metric": pl.String,
    "difference": pl.Float64,  # method minus other, in the unit of the metric
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    # over the styles and thresholds or horizons of one comparison; null where nothing was tested
    "p_holm": pl.Float64,
    "p_floor": pl.Float64,  # the smallest that p_holm can be with so many takes
    "n_clips": pl.Int64,
    "n_takes": pl.Int64,
    "split": pl.String,
}

Predictions = Mapping[str, Poses]
Forecasts = Mapping[tuple[str, str], NDArray[np.floating]]  # (method, input) -> (N, 10, J, 2)
Windows = ForecastWindows | Mapping[str, ForecastWindows]  # one for all inputs, or one an input
Key = TypeVar("Key")


def recognition_scores(
    runs: Sequence[PoseRun],
    predictions: Predictions | Sequence[Predictions],
    config: EvaluationConfig,
    split: str,
    seed: int | None = None,
) -> pl.DataFrame:
    """RECOGNITION_SCORES of every method: ``predictions[method][i]`` is (T, J, 2) of ``runs[i]``.

    For folds, pass the runs of all folds with what the model that never saw them predicts.
    Raises InputError for shapes that do not match and for augmented runs.
    """
    clips = Clips.of(runs, derived_joints=config.derived_joints)
    rows: list[dict[str, Any]] = []
    for method, totals in _recognition(runs, predictions, clips).items():
        for style, members in clips.scopes():
            takes = Takes.of(clips.takes_of(members), config)
            fixed = {"method": method, "input": "raw", "style": style, "seed": seed, "split": split}
            estimate = joint_estimate(totals, members, takes)
            for (m, (metric, threshold)), (j, joint) in _cells(RECOGNITION_METRICS, JOINT_ROWS):
                cell = {"joint": joint, "metric": metric, "threshold": threshold}
                rows.append({**fixed, **cell, **_row(estimate, (m, j), "n_frames")})
            cell = {"joint": ALL, "metric": "lag", "threshold": None}
            lag = lag_estimate(totals, members, takes)
            rows.append({**fixed, **cell, **_row(lag, (), "n_frames")})
    return _frame(rows, RECOGNITION_SCORES)


def prediction_scores(
    windows: Windows,
    runs: Sequence[PoseRun],
    forecasts: Forecasts | Sequence[Forecasts],
    config: EvaluationConfig,
    split: str,
    seed: int | None = None,
) -> pl.DataFrame:
    """PREDICTION_SCORES of every (method, input).

    ``windows`` were cut from ``runs``; where inputs have windows of their own (a raw track has
    gaps), pass a mapping by input. ``skill`` rows need ``zero_velocity`` on the same input. Raises
    InputError for shapes that do not match, forecasts that are not finite and augmented runs.
    """
    clips = Clips.of(runs, derived_joints=config.derived_joints)
    by_method = _prediction(windows, runs, forecasts, clips)
    rows: list[dict[str, Any]] = []
    for (method, given), totals in by_method.items():
        still = by_method.get(("zero_velocity", given))
        for style, members in clips.scopes():
            takes = Takes.of(clips.takes_of(members), config)
            fixed = {"method": method, "input": given, "style": style, "seed": seed, "split": split}
            estimate = window_estimate(totals, members, takes)
            for (k, metric), (h, ms) in _cells(PREDICTION_METRICS, HORIZONS_MS):
                cell = {"metric": metric, "horizon_ms": ms}
                rows.append({**fixed, **cell, **_row(estimate, (k, h), "n_windows")})
            if still is None:
                continue
            skill = skill_estimate(estimate, window_estimate(still, members, takes))
            for h, ms in enumerate(HORIZONS_MS):
                cell = {"metric": "skill", "horizon_ms": ms}
                rows.append({**fixed, **cell, **_row(skill, (h,), "n_windows")})
    return _frame(rows, PREDICTION_SCORES)


def paired_recognition_scores(
    runs: Sequence[PoseRun],
    predictions: Predictions | Sequence[Predictions],
    config: EvaluationConfig,
    split: str,
    pairs: Iterable[tuple[str, str]] | None = None,
    *,
    tested: bool = True,
) -> pl.DataFrame:
    """PAIRED_SCORES of "method minus other", mean over all joints, on the same resamples.

    Without ``pairs`` every method is compared with every one listed before it. Unless ``tested``
    there are intervals and no p-values.
    """
    clips = Clips.of(runs, derived_joints=config.derived_joints)
    by_method = _recognition(runs, predictions, clips)
    rows: list[dict[str, Any]] = []
    whole = JOINT_ROWS.index(ALL)
    for style, members in clips.scopes():
        takes = Takes.of(clips.takes_of(members), config)
        estimates = {m: joint_estimate(t, members, takes) for m, t in by_method.items()}
        for method, other in _pairs(by_method, pairs):
            paired = difference(estimates[method], estimates[other])
            for m, (metric, threshold) in enumerate(RECOGNITION_METRICS):
                cell = {"metric": metric, "threshold": threshold, "style": style}
                fixed = {"task": "recognition", "method": method, "other": other, "input": "raw"}
                rows.append({**fixed, **cell, **_paired_row(paired, (m, whole), split, tested)})
    return _corrected(rows)


def paired_prediction_scores(
    windows: Windows,
    runs: Sequence[PoseRun],
    forecasts: Forecasts | Sequence[Forecasts],
    config: EvaluationConfig,
    split: str,
    pairs: Iterable[tuple[str, str]] | None = None,
    *,
    tested: bool = True,
) -> pl.DataFrame:
    """PAIRED_SCORES of "method minus other" on the same input and resamples.

    Without ``pairs`` every method is compared with every one listed before it. Unless ``tested``
    there are intervals and no p-values.
    """
    clips = Clips.of(runs, derived_joints=config.derived_joints)
    totals = _prediction(windows, runs, forecasts, clips)
    wanted = None if pairs is None else list(pairs)
    rows: list[dict[str, Any]] = []
    for style, members in clips.scopes():
        takes = Takes.of(clips.takes_of(members), config)
        for given in dict.fromkeys(given for _, given in totals):
            estimates = {
                method: window_estimate(t, members, takes)
                for (method, own), t in totals.items()
                if own == given
            }
            for method, other in _pairs(estimates, wanted):
                paired = difference(estimates[method], estimates[other])
                fixed = {"task": "prediction", "method": method, "other": other, "input": given}
                for (k, metric), (h, ms) in _cells(PREDICTION_METRICS, HORIZONS_MS):
                    cell = {"metric": metric, "horizon_ms": ms, "style": style}
                    rows.append({**fixed, **cell, **_paired_row(paired, (k, h), split, tested)})
    return _corrected(rows)


def over_seeds(scores: pl.DataFrame) -> pl.DataFrame:
    """One row for a network with several seeds: the pooled one."""
    keys = [c for c in ("method", "input", "style", "joint", "horizon_ms", "metric", "threshold",
                        "split") if c in scores.columns]  # fmt: skip
    return scores.sort("seed", nulls_last=False, maintain_order=True).unique(
        keys, keep="first", maintain_order=True
    )


# --- totals of every method, seeds pooled -----------------------------------------------------


def _recognition(
    runs: Sequence[PoseRun], predictions: Predictions | Sequence[Predictions], clips: Clips
) -> dict[str, Totals]:
    seeds = [predictions] if isinstance(predictions, Mapping) else list(predictions)
    return _pool(seeds, lambda method, poses: recognition_totals(runs, poses, clips, method))


def _prediction(
    windows: Windows,
    runs: Sequence[PoseRun],
    forecasts: Forecasts | Sequence[Forecasts],
    clips: Clips,
) -> dict[tuple[str, str], Totals]:
    seeds = [forecasts] if isinstance(forecasts, Mapping) else list(forecasts)

    def totals(key: tuple[str, str], forecast: NDArray[np.floating]) -> Totals:
        own = windows[key[1]] if isinstance(windows, Mapping) else windows
        return prediction_totals(own, runs, forecast, clips, " on ".join(key))

    return _pool(seeds, totals)


def _pool(
    seeds: Sequence[Mapping[Key, Any]], totals: Callable[[Key, Any], Totals]
) -> dict[Key, Totals]:
    pooled: dict[Key, Totals] = {}
    for seed in seeds:
        for key, given in seed.items():
            mine = totals(key, given)
            pooled[key] = pooled[key].plus(mine) if key in pooled else mine
    return pooled


# --- rows -------------------------------------------------------------------------------------


def _cells(first: Sequence[Any], second: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    return ((a, b) for a in enumerate(first) for b in enumerate(second))


def _row(estimate: Estimate, cell: tuple[int, ...], counted: str) -> dict[str, Any]:
    """Value, interval and counts of one cell."""
    low, high = estimate.bounds
    return {
        "value": _or_null(estimate.value[cell]),
        "ci_low": _or_null(low[cell]),
        "ci_high": _or_null(high[cell]),
        "n_clips": int(estimate.clips[cell]),
        "n_takes": int(estimate.takes[cell]),
        counted: int(estimate.frames[cell]),
    }


def _paired_row(
    paired: Estimate, cell: tuple[int, ...], split: str, tested: bool
) -> dict[str, Any]:
    low, high = paired.bounds
    return {
        "difference": _or_null(paired.value[cell]),
        "ci_low": _or_null(low[cell]),
        "ci_high": _or_null(high[cell]),
        "p_holm": paired.p_values[cell] if tested else np.nan,
        "p_floor": paired.smallest_p_values[cell] if tested else np.nan,
        "n_clips": int(paired.clips[cell]),
        "n_takes": int(paired.takes[cell]),
        "split": split,
    }


def _or_null(value: np.floating | float) -> float | None:
    return None if np.isnan(value) else float(value)


def _pairs(
    methods: Iterable[str], wanted: Iterable[tuple[str, str]] | None
) -> list[tuple[str, str]]:
    """The wanted pairs among the methods, else every one against those listed before it."""
    listed = list(methods)
    if wanted is None:
        return [(late, early) for early, late in combinations(listed, 2)]
    return [pair for pair in wanted if set(pair) <= set(listed)]


def _corrected(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Holm's correction within each method, other, input and metric, of p-values and floors."""
    families: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        key = tuple(row[name] for name in ("method", "other", "input", "metric"))
        families.setdefault(key, []).append(row)
    for family in families.values():
        for name in ("p_holm", "p_floor"):
            adjusted = holm(np.array([row[name] for row in family]))
            for row, p in zip(family, adjusted, strict=True):
                row[name] = _or_null(p)
    return _frame(rows, PAIRED_SCORES)


def _frame(rows: list[dict[str, Any]], schema: Schema) -> pl.DataFrame:
    """Rows as a table; a column that no row names is null."""
    columns = {name: [row.get(name) for row in rows] for name in schema}
    return pl.DataFrame(columns, schema=dict(schema))
