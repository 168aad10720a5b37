"""All folds and seeds of a network as one batched training.

The networks of a :class:`~dance_models.training.stack.Stack` step together, each on batches of its
own data, and are otherwise trained as alone: the same batches, rates, epochs, validation, selection
and files. Only two things differ: sums are taken in another order, and dropout draws its masks from
one generator for all. So with dropout the results are those of other masks, which is what another
seed of the dropout would give; without it they differ in the last digits of the first steps.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count, islice
from pathlib import Path
from time import perf_counter
from typing import Any, Generic, NamedTuple

import torch
from torch import Tensor, nn

from dance_models.checkpoint import experiment_to_plain
from dance_models.errors import InputError
from dance_models.training.averaging import moving_average
from dance_models.training.loop import EpochRecord, Trainer, TrainingResult
from dance_models.training.optimiser import make_optimiser
from dance_models.training.stack import Stack
from dance_models.training.steps import Rates, make_steps
from dance_models.training.task import Batch, Task


class Training(NamedTuple):
    """One of the trainings that go together."""

    build: Callable[[], nn.Module]
    task: Task[Any]
    folder: Path


def train_stacked(
    trainings: Sequence[Training],
    on_epoch: Callable[[int, EpochRecord], None] | None = None,
) -> list[TrainingResult]:
    """Train them together, each in its folder; the results in their order.

    ``on_epoch`` gets the place of the training in the sequence. Each has the learning rate of its
    own step, its own epochs (data of another size makes another number of steps) and its own
    ``patience``; one that is done goes on without being looked at until the last one is. A folder
    whose training is finished is left as it is; interrupted ones go on together when all of them
    have the same number of steps behind them, and one after the other when they have not.

    Raises InputError when the experiments differ in more than the seed, ask for a search of the
    learning rate, for several devices, or read batches that are not drawn apart (person crops), and
    for a network with torch's recurrent layers (HBRNN), which ``vmap`` cannot batch.
    """
    trainers = trainers_of(trainings)
    for trainer in trainers:
        trainer.resume()
    open_ones = [i for i, trainer in enumerate(trainers) if not trainer.finished]
    done = {len(trainers[i].history) * trainers[i].task.steps_per_epoch for i in open_ones}

    def report(index: int, record: EpochRecord) -> None:
        if on_epoch:
            on_epoch(open_ones[index], record)

    if len(done) == 1 and len(open_ones) > 1:
        Together([trainers[i] for i in open_ones]).fit(report)
    else:
        for place, i in enumerate(open_ones):
            trainers[i].fit(lambda record, place=place: report(place, record))  # type: ignore[misc]
    return [trainer.result() for trainer in trainers]


def trainers_of(trainings: Sequence[Training]) -> list[Trainer[Any]]:
    """Trainers with fresh networks. Raises InputError when they cannot go together."""
    _check([training.task for training in trainings])
    trainers = []
    for build, task, folder in trainings:
        torch.manual_seed(task.experiment.training.seed)
        trainers.append(Trainer(build(), task, folder))
    if any(isinstance(module, nn.RNNBase) for module in trainers[0].model.modules()):
        raise InputError("vmap has no rule for torch's recurrent layers: train these one by one")
    return trainers


def _check(tasks: Sequence[Task[Any]]) -> None:
    plain = [experiment_to_plain(task.experiment) for task in tasks]
    for experiment in plain:
        experiment["training"] = {**experiment["training"], "seed": 0}
    if any(experiment != plain[0] for experiment in plain):
        raise InputError("trainings that go together may differ in the seed and the data alone")
    if any(task.experiment.training.rate_factors for task in tasks):
        raise InputError(
            "the learning rate of trainings that go together cannot be searched for",
            hint="Choose it before, and leave rate_factors empty",
        )
    if any(task.assemble is None for task in tasks):
        raise InputError("trainings on person crops cannot go together")
    if any(task.experiment.training.devices > 1 for task in tasks):
        raise InputError("trainings that go together run on one device", hint="Set devices to 1")


class Together(Generic[Batch]):
    """Trainers whose networks step as one."""

    def __init__(self, trainers: Sequence[Trainer[Batch]]) -> None:
        self.trainers = trainers
        self.stack = Stack([trainer.model for trainer in trainers])
        config, first = trainers[0].config, trainers[0]
        self.optimiser = make_optimiser(self.stack, config)
        self.average = None
        self.done = len(first.history) * first.task.steps_per_epoch  # steps
        if config.ema_decay:
            self.average = moving_average(
                self.stack, config.ema_decay, warmup=config.ema_warmup, updates=self.done
            )
            averages = Stack([trainer.evaluated for trainer in trainers])
            self.average.module.load_state_dict(averages.state_dict())
        self._take_optimiser_state()
        lengths = [trainer.task.steps_per_epoch for trainer in trainers]
        task = Task(
            first.task.experiment,
            min(lengths),
            lambda generator: iter(()),  # the draws are those of the trainers
            self._losses,
            lambda model: {},
            assemble=self._assemble,
        )
        self.steps = make_steps(self.stack, task, self.optimiser, self.average)
        self.steps.rates_differ = len(set(lengths)) > 1

    def fit(self, report: Callable[[int, EpochRecord], None]) -> None:
        """Train until the last one is finished."""
        lengths = [trainer.task.steps_per_epoch for trainer in self.trainers]
        draws = self.draws()
        losses = torch.zeros(len(lengths), dtype=torch.float64)  # of the epochs under way
        began, seconds = self.done, 0.0  # a training that goes on has steps from before
        while not all(trainer.finished for trainer in self.trainers):
            steps = min(length - self.done % length for length in lengths)
            torch.manual_seed(self.trainers[0].config.seed * 1_000_003 + self.done)
            self.stack.train()
            started = perf_counter()
            total = self.steps.run(islice(draws, steps), self.rates())
            losses += total.cpu()  # waits for a GPU
            seconds += perf_counter() - started
            self.done += steps
            rate = (self.done - began) / seconds
            for i, (trainer, length) in enumerate(zip(self.trainers, lengths, strict=True)):
                if self.done % length:
                    continue
                if not trainer.finished:
                    self._end_epoch(i, float(losses[i]) / length, rate, report)
                losses[i] = 0

    def _end_epoch(
        self, index: int, loss: float, rate: float, report: Callable[[int, EpochRecord], None]
    ) -> None:
        trainer = self.trainers[index]
        self._give(index, trainer)
        record = trainer.record(len(trainer.history) + 1, loss, rate)
        trainer.keep(record)
        report(index, record)

    def draws(self) -> Iterator[Any]:
        """For each step one draw, whose tensors have a first dimension of K."""

        def of(trainer: Trainer[Batch]) -> Iterator[Any]:
            epochs = count(len(trainer.history) + 1)
            return chain.from_iterable(trainer.draws(epoch) for epoch in epochs)

        for drawn in zip(*(of(trainer) for trainer in self.trainers), strict=True):
            yield type(drawn[0])._make(torch.stack(parts) for parts in zip(*drawn, strict=True))

    def rates(self) -> Iterator[Rates]:
        """For each step the learning rates of all networks."""
        for step in count(self.done):
            yield tuple(trainer.rate_of(step) for trainer in self.trainers)

    def _assemble(self, draw: Any) -> Any:
        """The batches of all networks side by side, each from its own data."""
        batches = []
        for i, trainer in enumerate(self.trainers):
            assert trainer.task.assemble is not None
            part = trainer.task.assemble(type(draw)._make(field[i] for field in draw))
            batches.append(part)
        kind: Any = type(batches[0])
        return kind._make(torch.stack(parts) for parts in zip(*batches, strict=True))

    def _losses(self, model: nn.Module, batch: Any) -> Tensor:
        assert isinstance(model, Stack)
        return model.losses(self.trainers[0].task.loss, batch)

    def _parameters(self) -> Iterator[tuple[nn.Parameter, list[tuple[Any, nn.Parameter]]]]:
        """Each stacked parameter with the optimiser and the parameter of every trainer."""
        each = [
            [(trainer.optimiser, parameter) for parameter in _optimised(trainer.optimiser)]
            for trainer in self.trainers
        ]
        columns = (list(column) for column in zip(*each, strict=True))
        return zip(_optimised(self.optimiser), columns, strict=True)

    def _take_optimiser_state(self) -> None:
        for stacked, single in self._parameters():
            states = [optimiser.state[parameter] for optimiser, parameter in single]
            for name in states[0]:
                values = [state[name] for state in states]
                whole = values[0].clone() if name == "step" else torch.stack(values)
                self.optimiser.state[stacked][name] = whole

    def _give(self, index: int, trainer: Trainer[Batch]) -> None:
        """Weights, their average and the optimiser's state of one network to its trainer."""
        self.stack.copy_to(index, trainer.model)
        if self.average is not None and trainer.average is not None:
            averaged = self.average.module
            assert isinstance(averaged, Stack)
            averaged.copy_to(index, trainer.average.module)
        for stacked, single in self._parameters():
            optimiser, parameter = single[index]
            for name, value in self.optimiser.state[stacked].items():
                own = value.clone() if name == "step" else value[index].clone()
                optimiser.state[parameter][name] = own


def _optimised(optimiser: torch.optim.Optimizer) -> list[nn.Parameter]:
    """Its parameters; in the same order for a network and for a stack of it."""
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]
