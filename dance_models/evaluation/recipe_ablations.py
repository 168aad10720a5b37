"""What each part of a recipe contributes, by cross-validation on the training clips.

The test split is not read: this is what a recipe is chosen by. Every ablation is one change of the
headline network or of its training. All networks are trained on the same folds from the same
seed, and scored on clips whose takes they never saw.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.config import PredictionExperiment, RecognitionExperiment
from dance_models.data.folds import fold_runs
from dance_models.data.forecast_windows import cut_windows
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.inference.forecast import forecast
from dance_models.inference.loading import load_forecaster, load_refiner
from dance_models.inference.refine import refine_runs
from dance_models.metrics.bootstrap import interval, pooled_ratio, resample_weights
from dance_models.metrics.horizon import at_horizons, joint_distance
from dance_models.metrics.pck import SELECTION_THRESHOLDS, joint_errors, pck_sums
from dance_models.metrics.torso import torso_by_clip, visible_annotation
from dance_models.training.prediction import train_prediction
from dance_models.training.recognition import train_recognition

Headline = RecognitionExperiment | PredictionExperiment
WHOLE: Final = "whole recipe"
SAMPLES: Final = 2000  # of the bootstrap


@dataclass(frozen=True)
class RecipeChange:
    """One change: of the network, of its training, of its initial weights or of its use."""

    net: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    initial: Path | None = None  # best.pt of a pre-training
    overlap: bool = True  # recognition: average the windows that hold a frame

    @property
    def needs_no_training(self) -> bool:
        """Whether the networks of the whole recipe are used, in another way."""
        return not (self.net or self.training or self.initial)

    def applied_to(self, experiment: Headline) -> Headline:
        """The experiment with the change."""
        return replace(
            experiment,
            net=replace(experiment.net, **self.net),  # type: ignore[arg-type]
            training=replace(experiment.training, **self.training),
        )


_NO_GEOMETRY: Final = {"mirror_probability": 0.0, "rotation_rad": 0.0, "axis_scale": (1.0, 1.0)}
RECIPE_CHANGES: Final[dict[str, dict[str, RecipeChange]]] = {
    "recognition": {
        "no confidence of the estimator": RecipeChange(net={"use_confidence": False}),
        "no other landmarks": RecipeChange(net={"landmarks": 0}),
        "no evidence of the estimator": RecipeChange(net={"evidence": False}),
        "no velocity and acceleration": RecipeChange(net={"use_kinematics": False}),
        "no attention blocks": RecipeChange(net={"attention_blocks": 0}),
        "residual on the flow": RecipeChange(net={"residual_on_flow": True}),
        "window of 21 frames, not 11": RecipeChange(net={"window": 21}),
        "no mirrored test pass": RecipeChange(net={"test_mirror": False}),
        "no average of overlapping windows": RecipeChange(overlap=False),
        "scale of each joint's error learnt": RecipeChange(net={"uncertainty": True}),
        "no top-k term": RecipeChange(net={"top_k_weight": 0.0}),
        "no hidden joints": RecipeChange(training={"joint_mask_probability": 0.0}),
        "no mirror, rotation, scale": RecipeChange(training=_NO_GEOMETRY),
        "no averaged weights": RecipeChange(training={"ema_decay": 0.0}),
    },
    "prediction": {
        "positions in alone": RecipeChange(net={"kinematic_inputs": False}),
        "no velocity residual": RecipeChange(net={"velocity_residual": False}),
        "DCT of the window as well": RecipeChange(net={"dct_inputs": 10}),
        "no velocity loss": RecipeChange(training={"velocity_weight": 0.0}),
        "no reversed time": RecipeChange(training={"reverse_probability": 0.0}),
        "no mirror, rotation, scale": RecipeChange(training=_NO_GEOMETRY),
        "no averaged weights": RecipeChange(training={"ema_decay": 0.0}),
        "half of the windows as estimated": RecipeChange(training={"estimate_probability": 0.5}),
    },
}
# The measures; there is a table for each.
MISSED: Final = "joints missed, %, mean of 0.05 and 0.1 x torso"
FORECAST: Final = "error from {} poses, % of torso, mean of 80, 160, 320 and 400 ms"


@dataclass(frozen=True, eq=False)
class ClipErrors:
    """Errors of clips that were held out, as sums that are pooled over clips (C,)."""

    clips: tuple[str, ...]
    sums: NDArray[np.float64]
    counts: NDArray[np.float64]

    @property
    def pooled(self) -> float:
        """The error over all clips."""
        return float(self.sums.sum() / self.counts.sum())

    def difference(self, other: "ClipErrors", seed: int = 0) -> tuple[float, float, float]:
        """``self - other`` with its 95 % interval by paired bootstrap over clips.

        Raises ValueError when these are not the same clips.
        """
        if self.clips != other.clips:
            raise ValueError("errors of other clips cannot be paired")
        weights = resample_weights(len(self.clips), SAMPLES, seed)
        drawn = pooled_ratio(weights, self.sums, self.counts)
        drawn = drawn - pooled_ratio(weights, other.sums, other.counts)
        low, high = interval(drawn, len(self.clips))
        return self.pooled - other.pooled, float(low), float(high)


def shortened(experiment: Headline, length: float) -> Headline:
    """The experiment with a fraction of its steps: as many epochs, each of them shorter.

    Warm-up and the averaging of weights keep their share of the training; an average over more
    steps than there are would still hold part of the initial weights.
    """
    training = experiment.training
    return replace(
        experiment,
        training=replace(
            training,
            steps_per_epoch=max(1, round(training.steps_per_epoch * length)),
            warmup_steps=round(training.warmup_steps * length),
            ema_decay=max(0.0, 1 - (1 - training.ema_decay) / length) if training.ema_decay else 0,
        ),
    )


def training_clips(runs: Sequence[PoseRun]) -> list[PoseRun]:
    """The originals outside the test split: a recipe may be chosen by these alone."""
    return [run for run in runs if run.split != "test" and run.variant == 0]


Sums = dict[str, tuple[float, float]]  # of each clip: sum and count of an error


def cross_validate(
    runs: Sequence[PoseRun],
    experiment: Headline,
    folds: int,
    folder: Path,
    log: Callable[[str], None],
    change: RecipeChange = RecipeChange(),
) -> dict[str, ClipErrors]:
    """Train on each of the first ``folds`` folds with one change; errors on what it holds out.

    One entry for each measure. Resumes in ``folder``. Raises InputError when a fold cannot be
    trained, or holds out no clip.
    """
    changed = change.applied_to(experiment)
    found: dict[str, Sums] = {}
    for fold in range(folds):
        divided = fold_runs(runs, fold)
        held = [run for run in divided if run.split == "test"]
        learn = [run for run in divided if run.split != "test"]
        best = _trained(learn, changed, folder / f"fold_{fold}", change.initial)
        if isinstance(changed, RecognitionExperiment):
            errors = {MISSED: _missed(best, held, overlap=change.overlap)}
        else:
            errors = _forecast_errors(best, held)
        for measure, sums in errors.items():
            found.setdefault(measure, {}).update(sums)
        log(f"  fold {fold}: {len({run.clip for run in held})} clips")
    if not any(found.values()):
        raise InputError("no fold holds out an annotated clip", hint="Use more folds")
    return {measure: _pooled(sums) for measure, sums in found.items() if sums}


def _trained(
    learn: Sequence[PoseRun], experiment: Headline, folder: Path, initial: Path | None
) -> Path:
    """The best checkpoint of a training."""
    training = experiment.training
    if isinstance(experiment, RecognitionExperiment):
        return train_recognition(learn, experiment.net, training, folder, initial=initial).best
    return train_prediction(learn, experiment.net, training, folder, initial=initial).best


def _pooled(sums: Sums) -> ClipErrors:
    clips = tuple(sorted(sums))
    total, counts = np.array([sums[clip] for clip in clips], float).T
    return ClipErrors(clips, total, counts)


def _missed(best: Path, held: Sequence[PoseRun], *, overlap: bool) -> Sums:
    """Percent of joints missed (mean over PCK_torso at 0.05 and 0.1)."""
    torso = torso_by_clip(held)
    missed: Sums = {}
    for run, pose in zip(held, refine_runs(load_refiner(best), held, overlap=overlap), strict=True):
        errors = joint_errors(pose, visible_annotation(run), np.float32) / torso[run.clip]
        sums = [pck_sums(errors, 1.0, threshold) for threshold in SELECTION_THRESHOLDS]
        hits, counts = np.mean([(hit.sum(), count.sum()) for hit, count in sums], axis=0)
        _add(missed, run.clip, float(100 * (counts - hits)), float(counts))
    return missed


def _forecast_errors(best: Path, held: Sequence[PoseRun]) -> dict[str, Sums]:
    """Joint error in percent of the torso at the four horizons, from annotated and raw poses."""
    model, torso = load_forecaster(best), torso_by_clip(held)
    found: dict[str, Sums] = {}
    for given in ("annotated", "raw"):
        errors = found.setdefault(FORECAST.format(given), {})
        for run in held:
            poses = [run.estimate] if given == "raw" else [visible_annotation(run)]
            windows = cut_windows([run], poses)
            forecasts, truth = forecast(model, windows.observed), windows.future
            pixels = joint_distance(at_horizons(forecasts), at_horizons(truth), np.float32)
            percent = 100 * pixels / torso[run.clip]
            known = percent[np.isfinite(percent)]
            _add(errors, run.clip, float(known.sum()), known.size)
    return found


def _add(errors: Sums, clip: str, total: float, count: float) -> None:
    """Add to the sums of a clip; a clip in which nothing counts gets no entry."""
    if count:
        before = errors.get(clip, (0.0, 0.0))
        errors[clip] = (before[0] + total, before[1] + count)


def run_ablations(
    runs: Sequence[PoseRun],
    experiment: Headline,
    changes: Mapping[str, RecipeChange],
    folds: int,
    folder: Path,
    log: Callable[[str], None],
) -> dict[str, dict[str, ClipErrors]]:
    """Errors of every change by each measure, the whole recipe first; resumes in ``folder``."""
    chosen = training_clips(runs)
    found: dict[str, dict[str, ClipErrors]] = {}
    for name, change in {WHOLE: RecipeChange(), **changes}.items():
        log(name)
        trained = WHOLE if change.needs_no_training else name
        place = folder / re.sub(r"[^\w]+", "_", trained)
        found[name] = cross_validate(chosen, experiment, folds, place, log, change)
    return found


def ablation_table(found: Mapping[str, Mapping[str, ClipErrors]]) -> str:
    """Markdown, a table for each measure: all errors, and differences from the whole recipe."""
    tables = ["\n".join(_table_lines(measure, found)) for measure in found[WHOLE]]
    return "\n\n".join(tables) + "\n"


def _table_lines(measure: str, found: Mapping[str, Mapping[str, ClipErrors]]) -> Iterator[str]:
    yield f"| lever | {measure} | to the whole recipe, 95 % interval | |"
    yield "|---|---|---|---|"
    whole = found[WHOLE][measure]
    for name, measured in found.items():
        errors = measured[measure]
        if name == WHOLE:
            yield f"| {name} | {errors.pooled:.2f} | | |"
            continue
        value, low, high = errors.difference(whole)
        verdict = "worse" if low > 0 else "better" if high < 0 else "inconclusive"
        spread = f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"
        yield f"| {name} | {errors.pooled:.2f} | {spread} | {verdict} |"
