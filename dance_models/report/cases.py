"""Best, median and worst cases of the two networks in every style, on the fixed test split."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.data.crops import Crops
from dance_models.data.forecast_windows import cut_windows
from dance_models.data.pose_runs import PoseRun
from dance_models.evaluation.calibration import Calibration
from dance_models.evaluation.forecasts import Forecaster
from dance_models.inference.forecast import forecast
from dance_models.inference.loading import load_forecaster
from dance_models.inference.recognise import recognised_runs
from dance_models.metrics.horizon import HORIZON_STEPS, HORIZONS_MS, joint_distance
from dance_models.metrics.torso import torso_by_clip, visible_annotation
from dance_models.report.figures import WIDEST_CELL, Background, Case, window

RANKS: Final = {"best": 0.0, "median": 0.5, "worst": 1.0}
SHOWN_MS: Final = 320
WINDOW_STRIDE: Final = 5  # frames
CELL_PIXELS: Final = 400  # height of the part of a frame behind a case; a cell has 290

Array = NDArray[np.floating]


def _picks(error: Array) -> dict[str, int]:
    """Index of the best, median and worst of errors (N,); NaN is passed over.

    Empty when no error is known.
    """
    known = np.flatnonzero(np.isfinite(error))
    if not known.size:
        return {}
    order = known[np.argsort(error[known], kind="stable")]
    return {name: int(order[round(rank * (len(order) - 1))]) for name, rank in RANKS.items()}


def _by_style(runs: Sequence[PoseRun]) -> dict[str, list[PoseRun]]:
    styles: dict[str, list[PoseRun]] = {}
    for run in runs:
        styles.setdefault(run.style, []).append(run)
    return dict(sorted(styles.items()))


def forecast_cases(
    runs: Sequence[PoseRun],
    trivial: Mapping[str, Forecaster],
    networks: Mapping[str, Path],
    image_of: Callable[[str, int], Path | None],
    rank_by: str,
) -> list[Case]:
    """Forecasts at 320 ms from annotated poses, ranked by the error of the row ``rank_by``.

    ``image_of`` clip and frame: the frame nearest to the time that was forecast is behind them.
    """
    step = HORIZON_STEPS[HORIZONS_MS.index(SHOWN_MS)] - 1
    models = {name: load_forecaster(path) for name, path in networks.items()}
    cases = []
    for style, own in _by_style(runs).items():
        windows = cut_windows(own, [visible_annotation(run) for run in own], stride=WINDOW_STRIDE)
        if not len(windows):
            continue
        torso = torso_by_clip(own)
        unit = np.array([torso[own[i].clip] for i in windows.run])
        poses = {name: row(windows.observed)[:, step] for name, row in trivial.items()}
        poses |= {name: forecast(m, windows.observed)[:, step] for name, m in models.items()}
        truth = windows.future[:, step]
        error = {name: _error(pose, truth, unit) for name, pose in poses.items()}
        for rank, i in _picks(error[rank_by]).items():
            run = own[windows.run[i]]
            ahead = _nearest(run, run.time_s[windows.anchor[i]] + SHOWN_MS / 1000)
            cases.append(
                Case(
                    f"{style}, {rank}\n{run.clip} {run.frame[windows.anchor[i]]}",
                    truth[i],
                    {name: pose[i] for name, pose in poses.items()},
                    {name: float(values[i]) for name, values in error.items()},
                    start=windows.observed[i, -1],
                    image=_image(image_of(run.clip, ahead), truth[i]),
                )
            )
    return cases


def _nearest(run: PoseRun, time_s: float) -> int:
    """Number of the frame of a run that is nearest to a time."""
    return int(run.frame[np.argmin(np.abs(run.time_s - time_s))])


def refinement_cases(
    runs: Sequence[PoseRun],
    calibrated: Calibration,
    networks: Mapping[str, Path],
    image_of: Callable[[str, int], Path | None],
    rank_by: str,
    crops: Crops | None = None,
) -> list[Case]:
    """Refined frames, ranked by the error of the row ``rank_by``; ``image_of`` clip and frame."""
    cases = []
    for style, own in _by_style(runs).items():
        by_run: dict[str, Sequence[Array]] = {"raw": [run.estimate for run in own]}
        by_run["calibrated"] = calibrated(own)
        by_run |= {
            name: recognised_runs(path, own, crops, stride=3) for name, path in networks.items()
        }
        torso = torso_by_clip(own)
        unit = np.concatenate([np.full(len(run), torso[run.clip]) for run in own])
        truth = np.concatenate([visible_annotation(run) for run in own])
        poses = {name: np.concatenate(list(parts)) for name, parts in by_run.items()}
        error = {name: _error(pose, truth, unit) for name, pose in poses.items()}
        frames = [(run, i) for run in own for i in range(len(run))]
        for rank, i in _picks(error[rank_by]).items():
            run, frame = frames[i]
            cases.append(
                Case(
                    f"{style}, {rank}\n{run.clip} {run.frame[frame]}",
                    truth[i],
                    {name: pose[i] for name, pose in poses.items()},
                    {name: float(values[i]) for name, values in error.items()},
                    image=_image(image_of(run.clip, int(run.frame[frame])), truth[i]),
                )
            )
    return cases


def _error(pose: Array, truth: Array, unit: Array) -> Array:
    """Mean joint error in % of torso, (N, J, 2) -> (N,); NaN where nothing is known."""
    distance = joint_distance(pose, truth, np.float32)
    known = np.isfinite(distance)
    total = np.where(known, distance, 0).sum(axis=-1)
    count = known.sum(axis=-1)
    return np.asarray(np.where(count > 0, 100 * total / np.maximum(count, 1) / unit, np.nan))


def _image(path: Path | None, truth: Array) -> Background | None:
    """What the cells of a pose show of its frame, no finer than they are printed."""
    image = cv2.imread(str(path)) if path is not None else None
    if image is None:
        return None
    box = window(truth, WIDEST_CELL)
    shown = Background(np.asarray(image, np.uint8)).within(box)
    if shown is None:
        return None
    scale = max(1.0, (box[3] - box[1]) / CELL_PIXELS)
    height, width = (max(1, round(side / scale)) for side in shown.pixels.shape[:2])
    small = cv2.resize(shown.pixels, (width, height), interpolation=cv2.INTER_AREA)
    pixels = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)
    return replace(shown, pixels=pixels, scale=scale)
