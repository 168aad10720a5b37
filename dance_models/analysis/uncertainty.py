"""How far off the angles are: measured on a corpus with exact poses, and shown as a band.

The numbers are of the rendered test corpus, by cross-validation, and say nothing about a video of
another kind. The file ``angle_errors.json`` beside this module holds them; ``python -m dance_models
uncertainty`` makes it. Heels and toes have no truth there: ankle and pointe have no band.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.analysis.angles import ANGLES, angle_difference, angles
from dance_models.data.folds import fold_count, fold_runs
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.inference.refine import refine_runs
from dance_models.metrics.torso import visible_annotation
from dance_models.nets.build import Refiner
from dance_models.tables import write_text

FILE: Final = "angle_errors.json"
STRIDE: Final = 3  # of the refiner's windows, as poses of a video are refined
_NO_MARKS: Final = (0, 3)


@dataclass(frozen=True)
class AngleError:
    """Absolute errors of one angle in degrees, over ``frames`` frames with a truth."""

    frames: int
    raw_median: float  # of the estimator
    raw_p90: float
    refined_median: float  # of the refined poses, in the estimator's definition of the joints
    refined_p90: float


@dataclass(frozen=True)
class AngleErrors:
    """The errors by angle, and what they were measured on."""

    corpus: str
    clips: int
    frames: int
    angles: Mapping[str, AngleError]

    @property
    def words(self) -> str:
        """What the band is, for a caption."""
        return (
            f"Band: half of the frames of {self.corpus} ({self.clips} clips, {self.frames} frames) "
            "were this close to the exact angle. Video of another kind may be worse."
        )


def measured_errors() -> AngleErrors:
    """The errors that come with the package."""
    text = resources.files("dance_models.analysis").joinpath(FILE).read_text("utf-8")
    stored = json.loads(text)
    found = {name: AngleError(**values) for name, values in stored.pop("angles").items()}
    return AngleErrors(**stored, angles=found)


def write_errors(errors: AngleErrors, path: Path) -> None:
    """Write the errors as JSON, atomically."""
    plain: dict[str, Any] = asdict(errors)
    write_text(path, json.dumps(plain, indent=1) + "\n")


def angle_errors(runs: Sequence[PoseRun], refiners: Sequence[Refiner], corpus: str) -> AngleErrors:
    """Errors of the angles on every clip, refined by the network that did not see its take.

    ``refiners`` has one network for each fold of ``runs``. The truth is the annotation, so the
    errors include what the estimator's joints differ from the annotators' by definition. An angle
    without a frame in which estimate, refined pose and truth are known is left out. Raises
    InputError when there are not as many networks as folds.
    """
    folds = fold_count(runs)
    if len(refiners) != folds:
        raise InputError(f"{len(refiners)} networks for {folds} folds", hint="One for each fold")
    raw: dict[str, list[NDArray[np.float64]]] = {a.name: [] for a in ANGLES if not a.of_feet}
    refined: dict[str, list[NDArray[np.float64]]] = {name: [] for name in raw}
    clips, frames = set(), 0
    for fold, refiner in enumerate(refiners):
        tested = [run for run in fold_runs(runs, fold) if run.split == "test"]
        poses = refine_runs(refiner, tested, stride=STRIDE, joints="estimator")
        for run, pose in zip(tested, poses, strict=True):
            clips.add(run.clip)
            frames += int(run.annotated.sum())
            for name, (before, after) in run_errors(run, pose).items():
                raw[name].append(before)
                refined[name].append(after)
    joined = {name: (np.concatenate(raw[name]), np.concatenate(refined[name])) for name in raw}
    found = {name: _summary(*both) for name, both in joined.items() if len(both[0])}
    return AngleErrors(corpus, len(clips), frames, found)


def run_errors(
    run: PoseRun, refined: NDArray[np.float32]
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Absolute errors (N,) of estimate and refined pose by angle, in frames where all are known."""
    nothing = np.zeros((len(run), *_NO_MARKS), np.float32)
    truth, seen, after = (
        angles(poses, nothing) for poses in (visible_annotation(run), run.estimate, refined)
    )
    errors = {}
    for name in (definition.name for definition in ANGLES if not definition.of_feet):
        both = [np.abs(angle_difference(name, of[name], truth[name])) for of in (seen, after)]
        known = np.isfinite(both).all(axis=0)
        errors[name] = (both[0][known], both[1][known])
    return errors


def _summary(raw: NDArray[np.float64], refined: NDArray[np.float64]) -> AngleError:
    numbers = [float(np.quantile(values, q)) for values in (raw, refined) for q in (0.5, 0.9)]
    return AngleError(len(raw), *(round(number, 1) for number in numbers))
