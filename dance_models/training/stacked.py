"""All folds and seeds of a network as one batched training.

The networks of a :class:`~dance_models.training.stack.Stack` step together, each on batches of its
own data, and are otherwise trained as alone: the same batches, rates, epochs, validation, selection
and files. Only two things differ: sums are taken in another order, and dropout draws its masks from
one generator for all. So with dropout the results are those of other masks, which is what another
seed of the dropout would give; without it they differ in the last digits of the first steps.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, count, groupby, islice
from time import perf_counter
from typing import Any, Generic

import torch
from torch import Tensor, nn

from dance_models.checkpoint import experiment_to_plain
from dance_models.errors import InputError
from dance_models.training.averaging import moving_average
from dance_models.training.loop import EpochRecord, Trainer, TrainingResult, trainer_of
from dance_models.training.optimiser import make_optimiser
from dance_models.training.rate_search import at_best_rate, best_score, searched
from dance_models.training.stack import Stack
from dance_models.training.steps import Rates, make_steps
from dance_models.training.task import Batch, Task, Training

OnEpoch = Callable[[int, EpochRecord], None]  # the place of the training in the sequence


def train_stacked(
    trainings: Sequence[Training], on_epoch: OnEpoch | None = None
) -> list[TrainingResult]:
    """Train them together, each in its folder; the results in their order.

    Each has its own learning rate, of its own step: with ``rate_factors`` the pilots of one rate go
    together, and each training gets the rate that its own validation prefers. Each has its own
    epochs too (data of another size makes another number of steps) and its own ``patience``; one
    that is done goes on without being looked at until the last one is. A folder whose training is
    finished is left as it is. Of interrupted ones those go on together that have the same number of
    steps behind them.

    Raises InputError as :func:`why_apart` says, and what a training alone does.
    """
    reason = why_apart(trainings)
    if reason is not None:
        raise InputError(reason, hint="Train them one after the other")
    if not trainings[0].task.experiment.training.rate_factors:
        return _fitted(trainings, on_epoch)
    rates = searched(trainings, _best_scores)
    chosen = [at_best_rate(*pair) for pair in zip(trainings, rates, strict=True)]
    results = _fitted(chosen, on_epoch)
    return [replace(result, rates=of) for result, of in zip(results, rates, strict=True)]


def why_apart(trainings: Sequence[Training]) -> str | None:
    """Why the trainings cannot go together; None when they can.

    They cannot when their experiments differ in more than the seed, share each batch among several
    devices, or read batches that are not drawn apart (person crops), and when the network has one
    of torch's recurrent layers (HBRNN), which ``vmap`` cannot batch.
    """
    tasks = [training.task for training in trainings]
    plain = [experiment_to_plain(task.experiment) for task in tasks]
    for experiment in plain:
        experiment["training"] = {**experiment["training"], "seed": 0}
    if any(experiment != plain[0] for experiment in plain):
        return "trainings that go together may differ in the seed and the data alone"
    if any(task.assemble is None for task in tasks):
        return "trainings on person crops cannot go together"
    if any(task.experiment.training.devices > 1 for task in tasks):
        return "trainings that go together run on one device, each whole"
    if any(isinstance(module, nn.RNNBase) for module in trainings[0].build().modules()):
        return "vmap has no rule for torch's recurrent layers"
    return None


def _best_scores(pilots: Sequence[Training]) -> list[float]:
    """The best validation score of each; infinite where the loss diverged."""
    try:
        return [result.best_score for result in _fitted(pilots, None)]
    except FloatingPointError:  # of one of them; the others go on from their last epoch
        return [best_score(pilot) for pilot in pilots]


def _fitted(trainings: Sequence[Training], on_epoch: OnEpoch | None) -> list[TrainingResult]:
    """Train each at its one learning rate."""
    trainers = [trainer_of(training) for training in trainings]
    for trainer in trainers:
        trainer.resume()

    def steps_done(place: int) -> int:
        return len(trainers[place].history) * trainers[place].task.steps_per_epoch

    open_ones = [place for place, trainer in enumerate(trainers) if not trainer.finished]
    for _, places in groupby(sorted(open_ones, key=steps_done), steps_done):
        _fit_from_here(trainers, list(places), on_epoch)
    return [trainer.result() for trainer in trainers]


def _fit_from_here(
    trainers: Sequence[Trainer[Any]], places: Sequence[int], on_epoch: OnEpoch | None
) -> None:
    """Train those at ``places``, which have the same number of steps behind them."""

    def report(index: int, record: EpochRecord) -> None:
        if on_epoch:
            on_epoch(places[index], record)

    if len(places) > 1:
        Together([trainers[place] for place in places]).fit(report)
    else:
        trainers[places[0]].fit(lambda record: report(0, record))


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
        highest = {trainer.config.learning_rate for trainer in trainers}
        self.steps.rates_differ = len(set(lengths)) > 1 or len(highest) > 1

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
