"""What each part of a recipe contributes, by cross-validation on the training clips.

The test split is not read: this is what a recipe is chosen by. Every ablation is one change of the
headline network or of its training. All networks are trained on the same folds from the same
seeds, and scored on clips whose takes they never saw. Intervals and tests are over takes; the
p-values are corrected after Holm for the number of changes.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.config import EvaluationConfig, PredictionExperiment, RecognitionExperiment
from dance_models.data.folds import fold_runs
from dance_models.data.forecast_windows import cut_windows
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.evaluation.estimates import Estimate, Takes, difference, ratio_estimate
from dance_models.inference.forecast import forecast
from dance_models.inference.loading import load_forecaster, load_refiner
from dance_models.inference.refine import refine_runs
from dance_models.metrics.horizon import at_horizons, joint_distance
from dance_models.metrics.pck import SELECTION_THRESHOLDS, joint_errors, pck_sums
from dance_models.metrics.sign_flip import SIGNIFICANT, holm, smallest_p
from dance_models.metrics.torso import torso_by_clip, visible_annotation
from dance_models.recipes import MKFF_AS_PRINTED, STGA_AS_PRINTED
from dance_models.training.experiments import on_folds, train_experiments

Headline = RecognitionExperiment | PredictionExperiment
WHOLE: Final = "whole recipe"


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
        "no future frame": RecipeChange(net={"causal": True}),
        "network as printed": RecipeChange(net=vars(MKFF_AS_PRINTED)),
        "no mirrored test pass": RecipeChange(net={"test_mirror": False}),
        "no average of overlapping windows": RecipeChange(overlap=False),
        "scale of each joint's error learnt": RecipeChange(net={"uncertainty": True}),
        "top-k term": RecipeChange(net={"top_k_weight": 1.0}),
        "no hidden joints": RecipeChange(training={"joint_mask_probability": 0.0}),
        "no mirror, rotation, scale": RecipeChange(training=_NO_GEOMETRY),
        "no averaged weights": RecipeChange(training={"ema_decay": 0.0}),
    },
    "prediction": {
        "positions in alone": RecipeChange(net={"kinematic_inputs": False}),
        "no velocity residual": RecipeChange(net={"velocity_residual": False}),
        "additive attention": RecipeChange(net={"attention": "additive"}),
        "network as printed": RecipeChange(net=vars(STGA_AS_PRINTED)),
        "learnt graphs decayed": RecipeChange(training={"decay_graphs": True}),
        "no DCT of the window": RecipeChange(net={"dct_inputs": 0}),
        "velocity loss": RecipeChange(training={"velocity_weight": 1.0}),
        "no reversed time": RecipeChange(training={"reverse_probability": 0.0}),
        "no mirror, rotation, scale": RecipeChange(training=_NO_GEOMETRY),
        "no averaged weights": RecipeChange(training={"ema_decay": 0.0}),
        "annotated windows alone": RecipeChange(training={"estimate_probability": 0.0}),
    },
}
# The measures; there is a table for each.
MISSED: Final = "joints missed, %, mean of 0.05 and 0.1 x torso"
FORECAST: Final = "error from {} poses, % of torso, mean of 80, 160, 320 and 400 ms"


@dataclass(frozen=True, eq=False)
class ClipErrors:
    """Errors of clips that were held out, as sums that are pooled over clips (C,)."""

    clips: tuple[str, ...]
    groups: tuple[str, ...]  # the take of each clip
    sums: NDArray[np.float64]
    counts: NDArray[np.float64]

    @property
    def pooled(self) -> float:
        """The error over all clips."""
        return float(self.sums.sum() / self.counts.sum())

    def minus(self, other: "ClipErrors", config: EvaluationConfig) -> Estimate:
        """``self - other``, paired over takes. Raises ValueError when the clips are others."""
        if self.clips != other.clips:
            raise ValueError("errors of other clips cannot be paired")
        takes = Takes.of(self.groups, config)
        own, others = (ratio_estimate(e.sums, e.counts, takes) for e in (self, other))
        return difference(own, others)


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
    seeds: int = 1,
) -> dict[str, ClipErrors]:
    """Train on each of the first ``folds`` folds with one change; errors on what it holds out.

    One entry for each measure; several ``seeds`` are pooled inside each clip. Resumes in
    ``folder``. Raises InputError when a fold cannot be trained, or holds out no clip.
    """
    changed = change.applied_to(experiment)
    wanted = on_folds(runs, changed, folder, seeds=seeds, folds=folds)
    trained = train_experiments(wanted, initial=change.initial)
    found: dict[str, Sums] = {}
    for (seed, fold), result in zip(product(range(seeds), range(folds)), trained, strict=True):
        held = [run for run in fold_runs(runs, fold) if run.split == "test"]
        if isinstance(changed, RecognitionExperiment):
            errors = {MISSED: _missed(result.best, held, overlap=change.overlap)}
        else:
            errors = _forecast_errors(result.best, held)
        for measure, sums in errors.items():
            for clip, (total, count) in sums.items():
                _add(found.setdefault(measure, {}), clip, total, count)
        name = f"fold {fold}" + (f", seed {seed}" if seed else "")
        log(f"  {name}: {len({run.clip for run in held})} clips")
    if not any(found.values()):
        raise InputError("no fold holds out an annotated clip", hint="Use more folds")
    groups = {run.clip: run.group for run in runs}
    return {measure: _pooled(sums, groups) for measure, sums in found.items() if sums}


def _pooled(sums: Sums, groups: Mapping[str, str]) -> ClipErrors:
    clips = tuple(sorted(sums))
    total, counts = np.array([sums[clip] for clip in clips], float).T
    return ClipErrors(clips, tuple(groups[clip] for clip in clips), total, counts)


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
    seeds: int = 1,
) -> dict[str, dict[str, ClipErrors]]:
    """Errors of every change by each measure, the whole recipe first; resumes in ``folder``."""
    chosen = training_clips(runs)
    found: dict[str, dict[str, ClipErrors]] = {}
    for name, change in {WHOLE: RecipeChange(), **changes}.items():
        log(name)
        trained = WHOLE if change.needs_no_training else name
        place = folder / re.sub(r"[^\w]+", "_", trained)
        found[name] = cross_validate(chosen, experiment, folds, place, log, change, seeds)
    return found


def ablation_table(found: Mapping[str, Mapping[str, ClipErrors]], config: EvaluationConfig) -> str:
    """Markdown, a table for each measure: all errors, and differences from the whole recipe."""
    tables = ["\n".join(_table_lines(measure, found, config)) for measure in found[WHOLE]]
    return "\n\n".join(tables) + "\n"


def _table_lines(
    measure: str, found: Mapping[str, Mapping[str, ClipErrors]], config: EvaluationConfig
) -> Iterator[str]:
    """A difference is worse or better where the interval and the corrected p-value both say so."""
    whole = found[WHOLE][measure]
    paired = {
        name: measured[measure].minus(whole, config)
        for name, measured in found.items()
        if name != WHOLE
    }
    corrected = holm(np.array([float(one.p_values) for one in paired.values()]))
    takes = len(set(whole.groups))
    floor = holm(np.full(len(paired), smallest_p(takes)))
    yield f"| lever | {measure} | to the whole recipe, 95 % interval | p | |"
    yield "|---|---|---|---|---|"
    yield f"| {WHOLE} | {whole.pooled:.2f} | | | |"
    for (name, one), p in zip(paired.items(), corrected, strict=True):
        low, high = (float(end) for end in one.bounds)
        shown = p <= SIGNIFICANT and (low > 0 or high < 0)
        verdict = "inconclusive" if not shown else "worse" if low > 0 else "better"
        spread = f"{float(one.value):+.2f} [{low:+.2f}, {high:+.2f}]"
        yield f"| {name} | {found[name][measure].pooled:.2f} | {spread} | {p:.3f} | {verdict} |"
    if len(floor):
        yield ""
        yield (
            f"{takes} takes and {len(paired)} changes: after Holm's correction p cannot go below "
            f"{floor[0]:.2g}."
        )
