"""What training selects on: the validation runs and their scores."""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from dance_models.data.forecast_windows import HORIZON_STEPS, HORIZONS_MS, ForecastWindows
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.geometry import median_torso
from dance_models.skeleton import DANCE_14, Skeleton

THRESHOLDS = (0.05, 0.1)


def split_runs(
    runs: Sequence[PoseRun], usable: Callable[[PoseRun], bool]
) -> tuple[list[PoseRun], list[PoseRun]]:
    """Training runs (with variants) and validation runs (originals), as far as ``usable``.

    Without a usable validation run the last training group is held out, with a warning: selecting
    on test is never done. Raises InputError when nothing is left to train on.
    """
    learn = [run for run in runs if run.split == "train" and usable(run)]
    select = [run for run in runs if run.split == "val" and run.variant == 0 and usable(run)]
    if not learn:
        raise InputError(
            "no run of the training split is long enough and annotated",
            hint="Annotate contiguous frames of more clips",
        )
    if select:
        return learn, select
    held = sorted({run.group for run in learn})[-1]
    select = [run for run in learn if run.group == held and run.variant == 0]
    select = select or [run for run in learn if run.group == held]  # variants alone
    rest = [run for run in learn if run.group != held]
    warnings.warn(
        f"no validation run: selecting on {held}"
        + ("" if rest else ", which is also all there is to train on"),
        stacklevel=2,
    )
    return rest or learn, select


def annotated_torso(runs: Sequence[PoseRun], *, skeleton: Skeleton = DANCE_14) -> dict[str, float]:
    """Median annotated torso of every clip in pixels: the unit of all metrics."""
    poses: dict[str, list[NDArray[np.float32]]] = {}
    for run in runs:
        seen = np.where(run.visibility[..., None] > 0, run.annotation, np.nan)
        poses.setdefault(run.clip, []).append(seen)
    return {
        clip: median_torso(np.concatenate(parts), skeleton=skeleton)
        for clip, parts in poses.items()
    }


def refinement_scores(
    runs: Sequence[PoseRun],
    refined: Sequence[NDArray[np.floating]],
    *,
    skeleton: Skeleton = DANCE_14,
) -> dict[str, float]:
    """PCK_torso and mean error in % of torso over all annotated joints; a lost joint is a miss.

    ``score`` is one minus the mean PCK at 0.05 and 0.1.
    """
    torso = annotated_torso(runs, skeleton=skeleton)
    errors = []
    for run, pose in zip(runs, refined, strict=True):
        distance = np.linalg.norm(pose - run.annotation, axis=-1) / torso[run.clip]
        errors.append(distance[run.visibility > 0])
    error = np.concatenate(errors)
    found = np.isfinite(error)
    scores = {
        f"val_pck_torso_{threshold}": float((found & (error <= threshold)).mean())
        for threshold in THRESHOLDS
    }
    scores["val_error_torso"] = 100 * float(error[found].mean()) if found.any() else float("inf")
    scores["score"] = 1 - float(np.mean([scores[f"val_pck_torso_{t}"] for t in THRESHOLDS]))
    return scores


def forecast_scores(
    windows: ForecastWindows, forecast: NDArray[np.floating], torso: NDArray[np.floating]
) -> dict[str, float]:
    """Mean joint error at the horizons in % of torso (N,), in pixels; score is their mean."""
    distance = np.linalg.norm(forecast - windows.future, axis=-1) / torso[:, None, None]
    scores = {
        f"val_mpjpe_torso_{ms}": 100 * float(np.nanmean(distance[:, step - 1]))
        for ms, step in zip(HORIZONS_MS, HORIZON_STEPS, strict=True)
    }
    scores["score"] = float(np.mean(list(scores.values())))
    return scores
