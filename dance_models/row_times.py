"""How long the trainings of a profile take, by the speed of some steps of each row."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from dance_models.config import Experiment, Profile, TrainingConfig
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.rows import ROWS
from dance_models.training.experiments import Wanted, train_experiment
from dance_models.training.rate_search import pilot_training


class RowTime(NamedTuple):
    """The trainings of one row of the comparison, one after the other."""

    row: str  # id
    steps_per_s: float
    steps: int  # of one training
    pilot_steps: int  # of the search for its learning rate
    trainings: int  # on the fixed split, and on the folds

    @property
    def minutes(self) -> float:
        """Of all steps. Validations and the start of a training come on top."""
        return self.trainings * (self.steps + self.pilot_steps) / self.steps_per_s / 60


def steps_per_second(runs: Sequence[PoseRun], experiment: Experiment, steps: int) -> float:
    """Of ``steps`` training steps on these runs, after as many that warm up."""
    timed = replace(experiment.training, epochs=2, steps_per_epoch=steps, rate_factors=())
    with tempfile.TemporaryDirectory() as folder:
        wanted = Wanted(runs, replace(experiment, training=timed), Path(folder))
        return train_experiment(wanted).history[-1].steps_per_second


def row_times(
    profile: Profile, runs: Sequence[PoseRun], folds: int, steps: int
) -> Iterator[RowTime]:
    """Time each row of a profile that is trained on poses, as for a run with so many folds.

    The batches have the size of the profile's, so their speed hardly depends on the runs. Raises
    InputError for a profile whose epochs are passes over the data: their steps are not known here.
    """
    for row in ROWS:
        if row.id not in profile.rows or row.needs_crops:
            continue
        experiment = profile.networks[row.id]
        if not experiment.training.steps_per_epoch:
            raise InputError(
                f"the steps of {row.id} in profile {profile.name} depend on the data",
                hint="Time those of another profile, for example --profile study",
            )
        yield RowTime(
            row=row.id,
            steps_per_s=steps_per_second(runs, experiment, steps),
            steps=_steps(experiment.training),
            pilot_steps=_pilot_steps(experiment.training),
            trainings=1 + (folds if row.folded else 0),
        )


def _steps(config: TrainingConfig) -> int:
    return config.epochs * config.steps_per_epoch


def _pilot_steps(config: TrainingConfig) -> int:
    return len(config.rate_factors) * _steps(pilot_training(config, config.learning_rate))
