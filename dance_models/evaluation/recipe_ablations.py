"""What each part of a recipe brings, by cross-validation on the training clips.

The test split is not read: this is what a recipe is chosen by. Every lever is one change of the
headline network or its training; networks are trained on the same folds from the same seed, and
judged on clips whose takes they never saw.
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
from dance_models.data.forecast_windows import HORIZON_STEPS, cut_windows
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.inference.keypoints import forecast, load_forecaster, load_refiner, refine_runs
from dance_models.metrics.bootstrap import interval, pooled_ratio, resample_weights
from dance_models.training.prediction import annotated_poses, train_prediction
from dance_models.training.recognition import train_recognition
from dance_models.training.selection import THRESHOLDS, annotated_torso

Headline = RecognitionExperiment | PredictionExperiment
WHOLE: Final = "whole recipe"
SAMPLES: Final = 2000  # of the bootstrap


@dataclass(frozen=True)
class Lever:
    """One change: of the network's or the training's configuration, of its start or of its use."""

    net: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    initial: Path | None = None  # best.pt of a pre-training
    overlap: bool = True  # recognition: average the windows that hold a frame

    @property
    def trains_as_whole(self) -> bool:
        """Whether the whole recipe's networks are used, in another way."""
        return not (self.net or self.training or self.initial)

    def applied(self, experiment: Headline) -> Headline:
        """The experiment with the change."""
        return replace(
            experiment,
            net=replace(experiment.net, **self.net),  # type: ignore[arg-type]
            training=replace(experiment.training, **self.training),
        )


_GEOMETRY: Final = {"rotation_rad": 0.0, "axis_scale": (1.0, 1.0)}
LEVERS: Final[dict[str, dict[str, Lever]]] = {
    "recognition": {
        "no confidence of the estimator": Lever(net={"use_confidence": False}),
        "no other landmarks": Lever(net={"landmarks": 0}),
        "no velocity and acceleration": Lever(net={"use_kinematics": False}),
        "no attention blocks": Lever(net={"attention_blocks": 0}),
        "residual on the flow": Lever(net={"residual_on_flow": True}),
        "window of 21 frames, not 11": Lever(net={"window": 21}),
        "no mirrored test pass": Lever(net={"test_mirror": False}),
        "no average of overlapping windows": Lever(overlap=False),
        "scale of each joint's error learnt": Lever(net={"uncertainty": True}),
        "no top-k term": Lever(net={"top_k_weight": 0.0}),
        "no hidden joints": Lever(training={"joint_mask_probability": 0.0}),
        "no mirror, rotation, scale": Lever(training={"mirror_probability": 0.0, **_GEOMETRY}),
        "no averaged weights": Lever(training={"ema_decay": 0.0}),
    },
    "prediction": {
        "positions in alone": Lever(net={"kinematic_inputs": False}),
        "no velocity residual": Lever(net={"velocity_residual": False}),
        "DCT of the window as well": Lever(net={"dct_inputs": 10}),
        "no velocity loss": Lever(training={"velocity_weight": 0.0}),
        "no reversed time": Lever(training={"reverse_probability": 0.0}),
        "no mirror, rotation, scale": Lever(training={"mirror_probability": 0.0, **_GEOMETRY}),
        "no averaged weights": Lever(training={"ema_decay": 0.0}),
        "half of the windows as estimated": Lever(training={"estimate_probability": 0.5}),
    },
}
# What is measured: by each of these the table has a part.
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
    steps than there are would remember the initial weights.
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
    """The originals that no test split holds: all that a choice may look at."""
    return [run for run in runs if run.split != "test" and run.variant == 0]


Sums = dict[str, tuple[float, float]]  # of each clip: sum and count of an error


def cross_validate(
    runs: Sequence[PoseRun],
    experiment: Headline,
    folds: int,
    folder: Path,
    say: Callable[[str], None],
    lever: Lever = Lever(),
) -> dict[str, ClipErrors]:
    """Train on each of the first ``folds`` folds and judge what it holds out, by each measure.

    ``lever`` is pulled first. Resumes in ``folder``. Raises InputError when a fold cannot be
    trained, or holds out no clip.
    """
    changed = lever.applied(experiment)
    found: dict[str, Sums] = {}
    for fold in range(folds):
        divided = fold_runs(runs, fold)
        held = [run for run in divided if run.split == "test"]
        learn = [run for run in divided if run.split != "test"]
        place = folder / f"fold_{fold}"
        if isinstance(changed, RecognitionExperiment):
            best = train_recognition(
                learn, changed.net, changed.training, place, initial=lever.initial
            ).best
            errors = {MISSED: _missed(best, held, overlap=lever.overlap)}
        else:
            best = train_prediction(
                learn, changed.net, changed.training, place, initial=lever.initial
            ).best
            errors = _forecast_errors(best, held)
        for measure, sums in errors.items():
            found.setdefault(measure, {}).update(sums)
        say(f"  fold {fold}: {len({run.clip for run in held})} clips")
    if not any(found.values()):
        raise InputError("no fold holds out an annotated clip", hint="Use more folds")
    return {measure: _pooled(sums) for measure, sums in found.items() if sums}


def _pooled(sums: Sums) -> ClipErrors:
    clips = tuple(sorted(sums))
    total, counts = np.array([sums[clip] for clip in clips], float).T
    return ClipErrors(clips, total, counts)


def _missed(best: Path, held: Sequence[PoseRun], *, overlap: bool) -> Sums:
    """Percent of joints missed (mean of PCK_torso at 0.05 and 0.1)."""
    torso = annotated_torso(held)
    errors: Sums = {}
    for run, pose in zip(held, refine_runs(load_refiner(best), held, overlap=overlap), strict=True):
        distance = np.linalg.norm(pose - run.annotation, axis=-1) / torso[run.clip]
        distance = np.where(np.isfinite(distance), distance, np.inf)[run.visibility > 0]
        missed = 100 * np.mean([distance > threshold for threshold in THRESHOLDS], axis=0)
        _add(errors, run.clip, missed)
    return errors


def _forecast_errors(best: Path, held: Sequence[PoseRun]) -> dict[str, Sums]:
    """Joint error in percent of the torso at the four horizons, from annotated and raw poses."""
    model, torso = load_forecaster(best), annotated_torso(held)
    steps = [step - 1 for step in HORIZON_STEPS]
    found: dict[str, Sums] = {}
    for given in ("annotated", "raw"):
        errors = found.setdefault(FORECAST.format(given), {})
        for run in held:
            poses = [run.estimate] if given == "raw" else annotated_poses([run])
            windows = cut_windows([run], poses)
            distance = np.linalg.norm(forecast(model, windows.observed) - windows.future, axis=-1)
            known = distance[:, steps]
            _add(errors, run.clip, 100 * known[np.isfinite(known)] / torso[run.clip])
    return found


def _add(errors: Sums, clip: str, values: NDArray[np.floating]) -> None:
    if values.size:
        before = errors.get(clip, (0.0, 0.0))
        errors[clip] = (before[0] + float(values.sum()), before[1] + values.size)


def try_levers(
    runs: Sequence[PoseRun],
    experiment: Headline,
    levers: Mapping[str, Lever],
    folds: int,
    folder: Path,
    say: Callable[[str], None],
) -> dict[str, dict[str, ClipErrors]]:
    """Errors of every lever by each measure, the whole recipe first; resumes in ``folder``."""
    chosen = training_clips(runs)
    found: dict[str, dict[str, ClipErrors]] = {}
    for name, lever in {WHOLE: Lever(), **levers}.items():
        say(name)
        trained = WHOLE if lever.trains_as_whole else name
        place = folder / re.sub(r"[^\w]+", "_", trained)
        found[name] = cross_validate(chosen, experiment, folds, place, say, lever)
    return found


def lever_table(found: Mapping[str, Mapping[str, ClipErrors]]) -> str:
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
        verdict = "worse" if low > 0 else "better" if high < 0 else "cannot be told"
        spread = f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"
        yield f"| {name} | {errors.pooled:.2f} | {spread} | {verdict} |"
