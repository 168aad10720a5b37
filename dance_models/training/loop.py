"""One training loop for all networks: resumable bit for bit, selected on validation."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import chain, count, repeat
from pathlib import Path
from time import perf_counter
from typing import Any, Generic

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from dance_models.checkpoint import (
    Initial,
    checkpoint_skeleton,
    experiment_to_plain,
    load_checkpoint,
    save_checkpoint,
    skeleton_record,
)
from dance_models.errors import InputError
from dance_models.files import replacing
from dance_models.nets.build import skeleton_of
from dance_models.training.averaging import moving_average
from dance_models.training.optimiser import (
    learning_rate,
    load_optimiser_state,
    make_optimiser,
    optimiser_state,
)
from dance_models.training.plateau import reached_plateau
from dance_models.training.ranks import Ranks
from dance_models.training.steps import Steps, make_steps
from dance_models.training.task import Batch, Task, Training


@dataclass(frozen=True)
class EpochRecord:
    """The result of one epoch. ``score`` is the validation error that selects: lower is better."""

    epoch: int  # counted from 1
    train_loss: float
    score: float
    learning_rate: float
    steps_per_second: float
    validation: dict[str, float]

    def metrics(self) -> dict[str, float]:
        """All numbers, flat."""
        plain = asdict(self)
        validation = plain.pop("validation")
        return {**plain, **validation}

    def line(self) -> str:
        """One line for a log."""
        details = ", ".join(f"{k} {v:.4f}" for k, v in self.validation.items())
        return (
            f"epoch {self.epoch}: loss {self.train_loss:.4f}, {details}, "
            f"lr {self.learning_rate:.2e}, {self.steps_per_second:.1f} steps/s"
        )


@dataclass(frozen=True)
class TrainingResult:
    """The paths of the weights, and the epochs of the training."""

    best: Path
    last: Path
    history: list[EpochRecord]
    rates: dict[float, float] = field(default_factory=dict)  # learning rate -> score of its pilot

    @property
    def plateau(self) -> bool:
        """Whether the validation score levelled off (:func:`reached_plateau`)."""
        return reached_plateau([record.score for record in self.history])

    @property
    def chosen_rate(self) -> float | None:
        """The learning rate that pilots chose; None where none was searched for."""
        return min(self.rates, key=self.rates.__getitem__) if self.rates else None

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights were selected."""
        return min(self.history, key=lambda record: record.score).epoch

    @property
    def best_score(self) -> float:
        """Its validation error."""
        return min(record.score for record in self.history)


class Trainer(Generic[Batch]):
    """Trains ``model`` in ``folder``; a folder that holds ``last.pt`` is continued.

    ``initial`` weights take the place of the model's own; raises InputError when they do not fit.
    Of several processes (:func:`~dance_models.training.ranks.all_ranks`) the first alone validates
    and writes.
    """

    def __init__(
        self, model: nn.Module, task: Task[Batch], folder: Path, initial: Initial | None = None
    ) -> None:
        self.task, self.folder, self.ranks = task, folder, Ranks.present()
        self.started_from = initial.digest() if initial else None
        if initial:
            initial.load_into(model, task.experiment)
        self.config = task.experiment.training
        self.device = next(model.parameters()).device
        self.model = model
        self.average = self._average(updates=0)
        self.optimiser = make_optimiser(model, self.config)
        self.history: list[EpochRecord] = []
        self.steps: Steps[Batch] | None = None

    @property
    def evaluated(self) -> nn.Module:
        """The weights that are validated and kept as best: the average if averaging is on."""
        return self.average.module if self.average is not None else self.model

    def _average(self, updates: int) -> AveragedModel | None:
        decay, warmup = self.config.ema_decay, self.config.ema_warmup
        if not decay or not self.ranks.is_first:
            return None
        return moving_average(self.model, decay, warmup=warmup, updates=updates)

    def fit(self, on_epoch: Callable[[EpochRecord], None] | None = None) -> TrainingResult:
        """Train to the last epoch, or until validation has not improved for ``patience``."""
        self.resume()
        while not self.finished:
            record = self._epoch(len(self.history) + 1)
            self.keep(record)
            if on_epoch:
                on_epoch(record)
        return self.result()

    def result(self) -> TrainingResult:
        """What there is so far."""
        return TrainingResult(self.folder / "best.pt", self.folder / "last.pt", self.history)

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, or ``patience`` is at its end."""
        done = len(self.history)
        if done >= self.config.epochs:
            return True
        if not self.config.patience or not done:
            return False
        best = min(self.history, key=lambda record: record.score).epoch
        return done - best >= self.config.patience

    def _epoch(self, epoch: int) -> EpochRecord:
        torch.manual_seed(self.ranks.seed(self.seed_of(epoch)))
        self.model.train()
        if self.steps is None:
            self.steps = make_steps(self.model, self.task, self.optimiser, self.average)
        started, per_epoch = perf_counter(), self.task.steps_per_epoch
        rates = ((self.rate_of((epoch - 1) * per_epoch + i),) for i in count())
        total = self.steps.run(self.draws(epoch), rates)
        loss = self.ranks.by_first(lambda: total.item() / per_epoch)  # waits for a GPU
        return self.record(epoch, loss, per_epoch / (perf_counter() - started))

    def seed_of(self, epoch: int) -> int:
        """All randomness of an epoch follows from the seed and its number.

        So an epoch that is repeated after an interruption draws the same numbers.
        """
        return self.config.seed * 1_000_003 + epoch

    def draws(self, epoch: int) -> Iterator[Any]:
        """What the steps of an epoch are made from (``Task.batches``)."""
        return self.task.batches(torch.Generator().manual_seed(self.seed_of(epoch)))

    def rate_of(self, step: int) -> float:
        """The learning rate of a step, counted from the first of the training."""
        return learning_rate(self.config, step, self.task.steps_per_epoch)

    def record(self, epoch: int, loss: float, steps_per_second: float) -> EpochRecord:
        """Validate after an epoch.

        Raises FloatingPointError when its loss is not finite or its score is no number: nothing is
        smaller than NaN, so that no later epoch would be selected.
        """
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss of epoch {epoch} is {loss}: lower the learning rate or check the data"
            )
        validation = self.ranks.by_first(self._validated)
        score = validation.pop("score")
        if math.isnan(score):
            raise FloatingPointError(
                f"the validation score of epoch {epoch} is {score}: lower the learning rate or "
                "check the data"
            )
        rate = self.rate_of(epoch * self.task.steps_per_epoch - 1)
        return EpochRecord(epoch, loss, score, rate, steps_per_second, validation)

    def _validated(self) -> dict[str, float]:
        self.evaluated.eval()
        with torch.no_grad():
            return self.task.validate(self.evaluated)

    def keep(self, record: EpochRecord) -> None:
        """Append a record to the history and write the checkpoints."""
        improved = all(record.score < earlier.score for earlier in self.history)
        self.history.append(record)
        if self.ranks.is_first:
            self._save(improved=improved)

    def _save(self, *, improved: bool) -> None:
        plain = experiment_to_plain(self.task.experiment)
        # Durations are in progress.json, so that a seed gives the same checkpoints byte for byte.
        history = [asdict(record) for record in self.history]
        speeds = [record.pop("steps_per_second") for record in history]
        if improved:
            best = {
                "model": self.evaluated.state_dict(),
                "experiment": plain,
                "history": history,
                "labels": self.task.labels,
                "initial": self.started_from,
                **skeleton_record(skeleton_of(self.model)),
            }
            save_checkpoint(best, self.folder / "best.pt")
        last: dict[str, Any] = {
            "model": self.model.state_dict(),
            "average": self.evaluated.state_dict() if self.average is not None else None,
            "optimiser": optimiser_state(self.optimiser, self.history[-1].learning_rate),
            "experiment": plain,
            "history": history,
            "initial": self.started_from,
            **skeleton_record(skeleton_of(self.model)),
        }
        save_checkpoint(last, self.folder / "last.pt")
        progress = {
            "epoch": len(self.history),
            "epochs": self.config.epochs,
            "steps_per_second": speeds,
        }
        with replacing(self.folder / "progress.json") as part:
            part.write_text(json.dumps(progress), encoding="utf-8")

    def resume(self) -> None:
        """Go on from ``last.pt``, if there is one.

        Raises InputError when it is of another training.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "last.pt"
        state = self.ranks.by_first(lambda: load_checkpoint(path) if path.is_file() else None)
        if state is None:
            return
        if state["experiment"] != experiment_to_plain(self.task.experiment):
            raise InputError(
                "the checkpoint was trained with another configuration",
                file=path,
                hint="Train in another folder, or delete it",
            )
        if checkpoint_skeleton(state) != skeleton_of(self.model):
            raise InputError(
                "the checkpoint was trained on another skeleton",
                file=path,
                hint="Train in another folder, or delete it",
            )
        if state.get("initial") != self.started_from:
            raise InputError(
                "the checkpoint was started from other initial weights",
                file=path,
                hint="Train in another folder, or delete it",
            )
        self.model.load_state_dict(state["model"])
        self.average = self._average(len(state["history"]) * self.task.steps_per_epoch)
        if self.average is not None:
            self.evaluated.load_state_dict(state["average"])
        load_optimiser_state(self.optimiser, state["optimiser"])
        speeds = self._speeds()
        self.history = [
            EpochRecord(**{"steps_per_second": speed, **record})
            for record, speed in zip(
                state["history"], chain(speeds, repeat(math.nan)), strict=False
            )
        ]

    def _speeds(self) -> list[float]:
        """Steps per second of the epochs that are done, as far as they are known."""
        path = self.folder / "progress.json"
        try:
            return list(json.loads(path.read_text("utf-8"))["steps_per_second"])
        except (OSError, ValueError, KeyError, TypeError):  # killed before it, or damaged
            return []


def trainer_of(training: Training) -> Trainer[Any]:
    """A trainer with a fresh network, whose weights follow from the seed."""
    build, task, folder, initial = training
    torch.manual_seed(task.experiment.training.seed)
    return Trainer(build(), task, folder, Initial(initial) if initial else None)


def epoch_indices(
    windows: int, batch_size: int, steps: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """``steps`` batches of window numbers, without repeats until all ``windows`` were drawn."""
    pool = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        while len(pool) < batch_size:
            pool = torch.cat([pool, torch.randperm(windows, generator=generator)])
        yield pool[:batch_size]
        pool = pool[batch_size:]
