"""One training, with its learning rate chosen on validation where the recipe asks for that."""

import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from torch import nn

from dance_models.checkpoint import experiment_to_plain
from dance_models.config import TrainingConfig
from dance_models.errors import InputError
from dance_models.files import replacing
from dance_models.training.loop import EpochRecord, TrainingResult, trainer_of
from dance_models.training.ranks import Ranks
from dance_models.training.task import Batch, Task, Training

RATES: Final = "learning_rates.json"  # in the folder of a training: scores of its pilots
PILOTS: Final = "pilots"
ScoresByRate = dict[float, float]


def train_network(
    build: Callable[[], nn.Module],
    task: Task[Batch],
    folder: Path,
    initial: Path | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> TrainingResult:
    """Train what ``build`` makes in ``folder``; resumes, also in the middle of a search.

    With ``rate_factors``, pilot trainings of ``pilot_share`` of the epochs try each multiple of
    the learning rate from the same weights, and the one with the best validation score trains the
    network. The checkpoint's experiment is that of the chosen rate, without the search. ``initial``
    is the ``best.pt`` of a pre-training. Raises InputError when the folder or the initial weights
    are of another training.
    """
    training = Training(build, task, folder, initial)
    if not task.experiment.training.rate_factors:
        return trainer_of(training).fit(on_epoch)
    rates = searched([training], lambda pilots: [best_score(pilot) for pilot in pilots])[0]
    return replace(trainer_of(at_best_rate(training, rates)).fit(on_epoch), rates=rates)


def best_score(training: Training) -> float:
    """Train; the best validation score, infinite when the loss diverges."""
    try:
        return trainer_of(training).fit().best_score
    except FloatingPointError:
        return math.inf


def pilot_training(config: TrainingConfig, rate: float) -> TrainingConfig:
    """The recipe at this rate with ``pilot_share`` of its epochs (one at least) and warm-up."""
    return replace(
        config,
        learning_rate=rate,
        rate_factors=(),
        epochs=max(1, round(config.pilot_share * config.epochs)),
        warmup_steps=round(config.pilot_share * config.warmup_steps),
        patience=0,
    )


def at_best_rate(training: Training, rates: ScoresByRate) -> Training:
    """The training at the rate with the best score, without a search."""
    config = training.task.experiment.training
    best = min(rates, key=rates.__getitem__)
    return _with_recipe(training, replace(config, learning_rate=best, rate_factors=()))


def searched(
    trainings: Sequence[Training], scores_of: Callable[[Sequence[Training]], list[float]]
) -> list[ScoresByRate]:
    """For each training the score of a pilot at each rate, by ``scores_of``; kept in its folder.

    The trainings have the same ``rate_factors``. Raises InputError when a folder holds the scores
    of another configuration, FloatingPointError when the loss of a training diverged at all rates.
    """
    kept = [_kept(training) for training in trainings]
    open_ones = [training for training, rates in zip(trainings, kept, strict=True) if rates is None]
    found: list[ScoresByRate] = [{} for _ in open_ones]
    if open_ones:
        config = open_ones[0].task.experiment.training
        for rate in [factor * config.learning_rate for factor in config.rate_factors]:
            scores = scores_of([_pilot(training, rate) for training in open_ones])
            for rates, score in zip(found, scores, strict=True):
                rates[rate] = score
    for training, rates in zip(open_ones, found, strict=True):
        if _any_finite(rates):
            _keep(training, rates)
    for rates in found:
        if not _any_finite(rates):
            raise FloatingPointError(
                f"the loss diverged at every learning rate tried ({', '.join(map(str, rates))}): "
                "lower them or check the data"
            )
    new = iter(found)
    return [next(new) if rates is None else rates for rates in kept]


def _any_finite(scores: ScoresByRate) -> bool:
    return any(math.isfinite(score) for score in scores.values())


def _with_recipe(training: Training, recipe: TrainingConfig) -> Training:
    experiment = replace(training.task.experiment, training=recipe)
    return training._replace(task=replace(training.task, experiment=experiment))


def _pilot(training: Training, rate: float) -> Training:
    recipe = pilot_training(training.task.experiment.training, rate)
    return _with_recipe(training, recipe)._replace(folder=training.folder / PILOTS / f"{rate:g}")


def _plain(training: Training) -> dict[str, Any]:
    """The experiment as JSON gives it back."""
    plain: dict[str, Any] = json.loads(json.dumps(experiment_to_plain(training.task.experiment)))
    return plain


def _kept(training: Training) -> ScoresByRate | None:
    """What an earlier search found; None if there was none, or it did not come to its end."""
    path = training.folder / RATES
    found = Ranks.present().by_first(
        lambda: json.loads(path.read_text("utf-8")) if path.is_file() else None
    )
    if found is None:
        return None
    if found["experiment"] != _plain(training):
        raise InputError(
            "the learning rate was chosen for another configuration",
            file=path,
            hint="Train in another folder, or delete it",
        )
    _remove_pilots(training)  # left by a process that was killed right after it wrote the scores
    return dict(found["scores"])


def _keep(training: Training, scores: ScoresByRate) -> None:
    """Write what the pilots found, and remove them. The first process does both."""
    if not Ranks.present().is_first:
        return
    record = {"experiment": _plain(training), "scores": list(scores.items())}
    with replacing(training.folder / RATES) as part:
        part.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    _remove_pilots(training)


def _remove_pilots(training: Training) -> None:
    """Remove their folder, if it is there; the first process does."""
    pilots = training.folder / PILOTS
    if Ranks.present().is_first and pilots.is_dir():
        shutil.rmtree(pilots)
