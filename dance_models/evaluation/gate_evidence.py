"""Measuring what the promotion gate reads: candidate and champion on the same validation clips."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dance_models.config import EvaluationConfig, GateConfig
from dance_models.data.forecast_windows import ForecastWindows, cut_windows
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.evaluation.calibration import fit_calibration
from dance_models.evaluation.filters import raw
from dance_models.evaluation.forecasts import Forecaster, trivial_forecasters, zero_velocity
from dance_models.evaluation.gate import CANDIDATE, CHAMPION, Evidence
from dance_models.evaluation.report import REFINE_STRIDE, TRAIN_STRIDE, Poses
from dance_models.evaluation.scores import (
    paired_prediction_scores,
    paired_recognition_scores,
    prediction_scores,
    recognition_scores,
)
from dance_models.export.timing import processor_p95
from dance_models.inference.forecast import forecast, forecast_mirror_gap
from dance_models.inference.loading import load_forecaster, load_refiner
from dance_models.inference.refine import refine_mirror_gap, refine_runs
from dance_models.metrics.torso import torso_by_clip, visible_annotation

SPLIT = "val"


@dataclass(frozen=True)
class GateModel:
    """A checkpoint and the signature of the model that was logged from it."""

    checkpoint: Path
    signature: str


@dataclass(frozen=True, eq=False)
class GateClips:
    """The runs that candidate and champion are compared on.

    ``champion_groups`` are the groups (takes) that the champion was trained on. Clips of these
    groups that are now in validation would favour it and are left out, unless there are no others.
    """

    train: Sequence[PoseRun]  # originals; trivial rows are fitted on them
    validation: Sequence[PoseRun]
    champion_groups: frozenset[str] = frozenset()

    def annotated(self) -> list[PoseRun]:
        """All validation runs with an annotated frame."""
        return [run for run in self.validation if run.annotated.any()]

    def compared(self) -> list[PoseRun]:
        """Those of them that the champion was not trained on; all when there are none."""
        runs = self.annotated()
        return [run for run in runs if run.group not in self.champion_groups] or runs

    def counts(self) -> tuple[int, int]:
        """Annotated clips new to the champion, and all of them."""
        runs = self.annotated()
        new = {run.clip for run in runs if run.group not in self.champion_groups}
        return len(new), len({run.clip for run in runs})


def measure_evidence(
    task: str,
    candidate: GateModel,
    champion: GateModel | None,
    clips: GateClips,
    config: GateConfig,
) -> Evidence:
    """Score both and the trivial rows on the same clips, and measure the candidate.

    Raises InputError when a checkpoint is of another task or a trivial row is unknown.
    """
    checkpoints = {CANDIDATE: candidate.checkpoint}
    if champion is not None:
        checkpoints[CHAMPION] = champion.checkpoint
    measure = _recognition if task == "recognition" else _prediction
    new, total = clips.counts()
    return Evidence(
        task,
        *measure(checkpoints, clips, config),
        latency_ms=processor_p95(candidate.checkpoint),
        signature=candidate.signature,
        champion_signature=champion.signature if champion else None,
        unseen=new,
        clips=total,
        takes=len({run.group for run in clips.compared()}),
    )


def _scoring(config: GateConfig) -> EvaluationConfig:
    return EvaluationConfig(
        config.bootstrap_samples, config.window_stride, config.seed, config.derived_joints
    )


def _pairs(rows: Iterable[str]) -> list[tuple[str, str]]:
    return [(CANDIDATE, other) for other in rows if other != CANDIDATE]


def _unknown(floor: str, known: Sequence[str]) -> InputError:
    return InputError(
        f"there is no trivial row {floor!r} for the gate", hint=f"Choose from {', '.join(known)}"
    )


# --- recognition ------------------------------------------------------------------------------


def _recognition(
    checkpoints: Mapping[str, Path], clips: GateClips, config: GateConfig
) -> tuple[pl.DataFrame, pl.DataFrame, float]:
    """Scores, paired scores and the mirror gap in percent of torso."""
    compared = clips.compared()
    rows = {floor: _trivial_poses(floor, clips, compared) for floor in config.floors}
    for name, checkpoint in checkpoints.items():
        rows[name] = list(refine_runs(load_refiner(checkpoint), compared, stride=REFINE_STRIDE))
    scoring = _scoring(config)
    gaps = refine_mirror_gap(load_refiner(checkpoints[CANDIDATE]), compared, stride=REFINE_STRIDE)
    torso = torso_by_clip(compared)
    percent = [100 * gap.ravel() / torso[run.clip] for run, gap in zip(compared, gaps, strict=True)]
    return (
        recognition_scores(compared, rows, scoring, SPLIT),
        paired_recognition_scores(compared, rows, scoring, SPLIT, _pairs(rows)),
        _mean_known(percent),
    )


def _trivial_poses(floor: str, clips: GateClips, runs: Sequence[PoseRun]) -> Poses:
    if floor == "raw":
        return list(raw(runs))
    if floor == "calibrated":
        return list(fit_calibration(clips.train, clips.validation)(runs))
    raise _unknown(floor, ("raw", "calibrated"))


# --- prediction -------------------------------------------------------------------------------


def _prediction(
    checkpoints: Mapping[str, Path], clips: GateClips, config: GateConfig
) -> tuple[pl.DataFrame, pl.DataFrame, float]:
    """Scores, paired scores on annotated input and the mirror gap in percent of torso."""
    compared = clips.compared()
    windows = _windows(compared, config.window_stride)
    networks = {name: load_forecaster(path) for name, path in checkpoints.items()}
    forecasts = {
        (name, "annotated"): row(windows.observed) for name, row in _floors(clips, config).items()
    }
    for name, network in networks.items():
        forecasts[name, "annotated"] = forecast(network, windows.observed)
    scoring, pairs = _scoring(config), _pairs(name for name, _ in forecasts)
    torso = torso_by_clip(compared)
    unit = np.array([torso[compared[i].clip] for i in windows.run])[:, None, None]
    gap = forecast_mirror_gap(networks[CANDIDATE], windows.observed)
    return (
        prediction_scores(windows, compared, forecasts, scoring, SPLIT),
        paired_prediction_scores(windows, compared, forecasts, scoring, SPLIT, pairs),
        _mean_known([(100 * gap / unit).ravel()]),
    )


def _floors(clips: GateClips, config: GateConfig) -> dict[str, Forecaster]:
    """The trivial rows that the candidate must beat; fitted only when one of them needs it."""
    rows: dict[str, Forecaster] = {"zero_velocity": zero_velocity}
    if set(config.floors) - set(rows):
        train = _windows(clips.train, TRAIN_STRIDE)
        rows.update(trivial_forecasters(train, _windows(clips.validation, TRAIN_STRIDE)))
    for floor in config.floors:
        if floor not in rows:
            raise _unknown(floor, list(rows))
    return {name: row for name, row in rows.items() if name in config.floors}


def _windows(runs: Sequence[PoseRun], stride: int) -> ForecastWindows:
    return cut_windows(runs, [visible_annotation(run) for run in runs], stride=stride)


def _mean_known(parts: Sequence[NDArray[np.floating]]) -> float:
    """NaN when nothing is known."""
    values = np.concatenate([*parts, np.zeros(0)])
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
