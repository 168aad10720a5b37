"""Selection in training: the validation runs and their scores."""

import warnings
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.data.forecast_windows import ForecastWindows
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.metrics.horizon import HORIZONS_MS, at_horizons, joint_distance
from dance_models.metrics.pck import SELECTION_THRESHOLDS, joint_errors, pck_sums
from dance_models.metrics.torso import torso_by_clip, visible_annotation
from dance_models.skeleton import DANCE_14, Skeleton

# Networks work in single precision. So do their validation scores, which every checkpoint keeps.
PRECISION: Final = np.float32


def split_runs(
    runs: Sequence[PoseRun],
    usable: Callable[[PoseRun], bool],
    *,
    skeleton: Skeleton = DANCE_14,
) -> tuple[list[PoseRun], list[PoseRun]]:
    """Training runs (with variants) and validation runs (originals), as far as ``usable``.

    A validation clip that never shows neck and both hips is not usable: its errors have no unit.
    Without a usable validation run the last training group is held out, with a warning: the test
    split never selects. Raises InputError when nothing is left to train on.
    """
    learn = [run for run in runs if run.split == "train" and usable(run)]
    originals = [run for run in runs if run.split == "val" and run.variant == 0 and usable(run)]
    torso = torso_by_clip(originals, skeleton=skeleton)
    select = [run for run in originals if np.isfinite(torso[run.clip])]
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


def refinement_scores(
    runs: Sequence[PoseRun],
    refined: Sequence[NDArray[np.floating]],
    *,
    skeleton: Skeleton = DANCE_14,
) -> dict[str, float]:
    """PCK_torso and mean error in % of torso over all annotated joints; a lost joint is a miss.

    ``score`` is one minus the mean PCK at 0.05 and 0.1. Clips without a torso do not count. Raises
    InputError when no clip has one.
    """
    torso = torso_by_clip(runs, skeleton=skeleton)
    in_torsos = [
        joint_errors(pose, visible_annotation(run), PRECISION) / torso[run.clip]
        for run, pose in zip(runs, refined, strict=True)
        if np.isfinite(torso[run.clip])
    ]
    if not in_torsos:
        raise _no_torso()
    errors = np.concatenate(in_torsos)
    scores = {}
    for threshold in SELECTION_THRESHOLDS:
        hits, counts = pck_sums(errors, 1.0, threshold)
        scores[f"val_pck_torso_{threshold}"] = float(hits.sum() / counts.sum())
    found = errors[np.isfinite(errors)]
    scores["val_error_torso"] = 100 * float(found.mean()) if found.size else float("inf")
    scores["score"] = 1 - float(
        np.mean([scores[f"val_pck_torso_{threshold}"] for threshold in SELECTION_THRESHOLDS])
    )
    return scores


def forecast_scores(
    windows: ForecastWindows, forecast: NDArray[np.floating], torso: NDArray[np.floating]
) -> dict[str, float]:
    """Mean joint error at the horizons in % of torso (N,), in pixels; score is their mean.

    Windows without a torso (NaN) do not count; a forecast that is not finite is an infinite error.
    Raises InputError when no window has a torso.
    """
    if not np.isfinite(torso).any():
        raise _no_torso()
    forecast = np.where(np.isfinite(forecast), forecast, np.float32(np.inf))
    distance = joint_distance(at_horizons(forecast), at_horizons(windows.future), PRECISION)
    relative = distance / torso[:, None, None]
    scores = {
        f"val_mpjpe_torso_{ms}": 100 * float(np.nanmean(relative[:, i]))
        for i, ms in enumerate(HORIZONS_MS)
    }
    scores["score"] = float(np.mean(list(scores.values())))
    return scores


def _no_torso() -> InputError:
    return InputError(
        "no validation clip shows neck and both hips, so its errors have no unit",
        hint="Annotate neck and hips in a validation clip",
    )
