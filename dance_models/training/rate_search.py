"""One training, with its learning rate chosen on validation where the recipe asks for that."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from dance_models.checkpoint import Initial, experiment_to_plain
from dance_models.config import TrainingConfig
from dance_models.errors import InputError
from dance_models.files import replacing
from dance_models.training.loop import EpochRecord, Trainer, TrainingResult
from dance_models.training.ranks import Ranks
from dance_models.training.task import Batch, Task

RATES: Final = "learning_rates.json"  # in the folder of a training: scores of its pilots
PILOTS: Final = "pilots"


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
    start = Initial(initial) if initial else None

    def trainer(part: Task[Batch], place: Path) -> Trainer[Batch]:
        torch.manual_seed(part.experiment.training.seed)
        return Trainer(build(), part, place, start)

    config = task.experiment.training
    if not config.rate_factors:
        return trainer(task, folder).fit(on_epoch)
    rates = _searched(trainer, task, folder)
    best = min(rates, key=rates.__getitem__)
    chosen = _with_training(task, replace(config, learning_rate=best, rate_factors=()))
    return replace(trainer(chosen, folder).fit(on_epoch), rates=rates)


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


def _with_training(task: Task[Batch], training: TrainingConfig) -> Task[Batch]:
    return replace(task, experiment=replace(task.experiment, training=training))


def _searched(
    trainer: Callable[[Task[Batch], Path], Trainer[Batch]], task: Task[Batch], folder: Path
) -> dict[float, float]:
    """The best validation score of a pilot at each rate; infinite where its loss diverged."""
    plain: dict[str, Any] = json.loads(json.dumps(experiment_to_plain(task.experiment)))
    path, ranks = folder / RATES, Ranks.present()
    found = ranks.by_first(lambda: json.loads(path.read_text("utf-8")) if path.is_file() else None)
    if found is not None:
        if found["experiment"] != plain:
            raise InputError(
                "the learning rate was chosen for another configuration",
                file=path,
                hint="Train in another folder, or delete it",
            )
        return dict(found["scores"])
    config = task.experiment.training
    scores: dict[float, float] = {}
    for factor in config.rate_factors:
        rate = factor * config.learning_rate
        pilot = _with_training(task, pilot_training(config, rate))
        try:
            scores[rate] = trainer(pilot, folder / PILOTS / f"{rate:g}").fit().best_score
        except FloatingPointError:
            scores[rate] = math.inf
    if not any(math.isfinite(score) for score in scores.values()):
        raise FloatingPointError(
            f"the loss diverged at every learning rate tried ({', '.join(map(str, scores))}): "
            "lower them or check the data"
        )
    if ranks.is_first:
        _keep(path, plain, scores)
    return scores


def _keep(path: Path, plain: dict[str, Any], scores: dict[float, float]) -> None:
    """Write what the pilots found, and remove them."""
    record = {"experiment": plain, "scores": list(scores.items())}
    with replacing(path) as part:
        part.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(path.with_name(PILOTS))
