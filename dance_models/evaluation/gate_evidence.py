"""Measuring what the promotion gate looks at: candidate and champion side by side on validation."""

from collections.abc import Mapping, Sequence
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
from dance_models.inference.keypoints import (
    forecast,
    forecast_mirror_gap,
    load_forecaster,
    load_refiner,
    refine_mirror_gap,
    refine_runs,
)
from dance_models.metrics.pck import torso_by_clip
from dance_models.training.prediction import annotated_poses

SPLIT = "val"


@dataclass(frozen=True)
class Contender:
    """A checkpoint and the signature of the model that was logged from it."""

    checkpoint: Path
    signature: str


@dataclass(frozen=True, eq=False)
class Ground:
    """The runs that candidate and champion are compared on.

    ``learnt`` are the groups (takes) that the champion was trained on: clips of theirs that are
    now in validation would flatter it and are left out, unless nothing else is left.
    """

    train: Sequence[PoseRun]  # originals; trivial rows are fitted on them
    validation: Sequence[PoseRun]
    learnt: frozenset[str] = frozenset()

    def annotated(self) -> list[PoseRun]:
        """All validation runs with an annotated frame."""
        return [run for run in self.validation if run.annotated.any()]

    def judged(self) -> list[PoseRun]:
        """Those of them that the champion did not learn from; all when there are none."""
        runs = self.annotated()
        return [run for run in runs if run.group not in self.learnt] or runs

    def counts(self) -> tuple[int, int]:
        """Annotated clips new to the champion, and all of them."""
        runs = self.annotated()
        new = {run.clip for run in runs if run.group not in self.learnt}
        return len(new), len({run.clip for run in runs})


def gather(
    task: str,
    candidate: Contender,
    champion: Contender | None,
    ground: Ground,
    config: GateConfig,
) -> Evidence:
    """Score both and the floors on the same clips in one go, and measure the candidate.

    Raises InputError when a checkpoint is of another task or a floor is unknown.
    """
    checkpoints = {CANDIDATE: candidate.checkpoint}
    if champion is not None:
        checkpoints[CHAMPION] = champion.checkpoint
    measure = _recognition if task == "recognition" else _prediction
    new, clips = ground.counts()
    return Evidence(
        task,
        *measure(checkpoints, ground, config),
        latency_ms=processor_p95(candidate.checkpoint),
        signature=candidate.signature,
        champion_signature=champion.signature if champion else None,
        unseen=new,
        clips=clips,
    )


def _scoring(config: GateConfig) -> EvaluationConfig:
    return EvaluationConfig(config.bootstrap_samples, config.window_stride, config.seed)


def _pairs(rows: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(CANDIDATE, other) for other in rows if other != CANDIDATE]


def _unknown(floor: str, known: Sequence[str]) -> InputError:
    return InputError(
        f"the gate knows no trivial row {floor!r}", hint=f"Choose from {', '.join(known)}"
    )


# --- recognition ------------------------------------------------------------------------------


def _recognition(
    checkpoints: Mapping[str, Path], ground: Ground, config: GateConfig
) -> tuple[pl.DataFrame, pl.DataFrame, float]:
    """Scores, paired scores and the mirror gap in percent of torso."""
    judged = ground.judged()
    rows = {floor: _trivial_poses(floor, ground, judged) for floor in config.floors}
    for name, checkpoint in checkpoints.items():
        rows[name] = list(refine_runs(load_refiner(checkpoint), judged, stride=REFINE_STRIDE))
    scoring = _scoring(config)
    gaps = refine_mirror_gap(load_refiner(checkpoints[CANDIDATE]), judged, stride=REFINE_STRIDE)
    torso = torso_by_clip(judged)
    percent = [100 * gap.ravel() / torso[run.clip] for run, gap in zip(judged, gaps, strict=True)]
    return (
        recognition_scores(judged, rows, scoring, SPLIT),
        paired_recognition_scores(judged, rows, scoring, SPLIT, _pairs(rows)),
        _mean_known(percent),
    )


def _trivial_poses(floor: str, ground: Ground, judged: Sequence[PoseRun]) -> Poses:
    if floor == "raw":
        return list(raw(judged))
    if floor == "calibrated":
        return list(fit_calibration(ground.train, ground.validation)(judged))
    raise _unknown(floor, ("raw", "calibrated"))


# --- prediction -------------------------------------------------------------------------------


def _prediction(
    checkpoints: Mapping[str, Path], ground: Ground, config: GateConfig
) -> tuple[pl.DataFrame, pl.DataFrame, float]:
    """Scores, paired scores on annotated input and the mirror gap in percent of torso."""
    judged = ground.judged()
    windows = _windows(judged, config.window_stride)
    networks = {name: load_forecaster(path) for name, path in checkpoints.items()}
    said = {
        (name, "annotated"): row(windows.observed) for name, row in _floors(ground, config).items()
    }
    for name, network in networks.items():
        said[name, "annotated"] = forecast(network, windows.observed)
    scoring = _scoring(config)
    torso = torso_by_clip(judged)
    unit = np.array([torso[judged[i].clip] for i in windows.run])[:, None, None]
    gap = forecast_mirror_gap(networks[CANDIDATE], windows.observed)
    return (
        prediction_scores(windows, judged, said, scoring, SPLIT),
        paired_prediction_scores(
            windows, judged, said, scoring, SPLIT, _pairs({name: None for name, _ in said})
        ),
        _mean_known([(100 * gap / unit).ravel()]),
    )


def _floors(ground: Ground, config: GateConfig) -> dict[str, Forecaster]:
    """The trivial rows that the candidate must beat; fitted only when one of them needs it."""
    rows: dict[str, Forecaster] = {"zero_velocity": zero_velocity}
    if set(config.floors) - set(rows):
        train = _windows(ground.train, TRAIN_STRIDE)
        rows.update(trivial_forecasters(train, _windows(ground.validation, TRAIN_STRIDE)))
    for floor in config.floors:
        if floor not in rows:
            raise _unknown(floor, list(rows))
    return {name: row for name, row in rows.items() if name in config.floors}


def _windows(runs: Sequence[PoseRun], stride: int) -> ForecastWindows:
    return cut_windows(runs, annotated_poses(runs), stride=stride)


def _mean_known(parts: Sequence[NDArray[np.floating]]) -> float:
    """NaN when nothing is known."""
    values = np.concatenate([*parts, np.zeros(0)])
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
