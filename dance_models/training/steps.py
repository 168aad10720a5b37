"""The steps of an epoch: one by one, or ahead on the device and replayed as one CUDA graph.

On a CPU, :class:`Steps` draws a batch, makes it and steps. On CUDA the networks are small and a
step is hundreds of kernels, so that the host cannot launch them as fast as they run. There
:class:`AheadSteps` takes over: the frames lie on the device; the host draws the augmentation of up
to :data:`AHEAD` steps and sends it in one copy from pinned memory; the batch is made, the gradient
taken, clipped and applied and the average updated on the device alone, all of it in one function
whose only input is a counter on the device. That function is captured once and replayed, and the
host draws the next steps meanwhile. The random numbers of the augmentation come from the same
generator in the same order on both, so a seed means the same batches; those of dropout do not.

Nothing in a step may wait for the host or copy from it. Tests hold this on the meta device.
"""

import gc
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, Generic

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from dance_models.training.averaging import average_by, warmed_up
from dance_models.training.ranks import Ranks
from dance_models.training.shared_batch import SharedBatch
from dance_models.training.stack import Stack, clip_each
from dance_models.training.task import Batch, Task

WARM_UP: Final = 3  # steps on a side stream before the capture, as torch's notes on graphs ask
AHEAD: Final = 64  # steps whose draws are on the device
_NEVER_CAPTURED: Final[list[Any]] = []  # graphs whose capture failed
Rates = tuple[float, ...]  # the learning rate of a step, for each network of a stack


class Steps(Generic[Batch]):
    """One optimisation step after another."""

    def __init__(
        self,
        model: nn.Module,
        task: Task[Batch],
        optimiser: torch.optim.Optimizer,
        average: AveragedModel | None,
    ) -> None:
        self.model, self.task, self.optimiser, self.average = model, task, optimiser, average
        self.config = task.experiment.training
        self.device = next(model.parameters()).device
        ranks = Ranks.present()
        self.network = SharedBatch(model, ranks) if ranks.count > 1 else model  # as losses call it
        shape = (model.count,) if isinstance(model, Stack) else ()
        self.total = torch.zeros(shape, device=self.device)
        self.rates_differ = False  # between the networks of a stack

    @property
    def is_captured(self) -> bool:
        """Whether steps are replayed as a CUDA graph by now."""
        return False

    def run(self, draws: Iterable[Any], rates: Iterable[Rates]) -> Tensor:
        """A step for each draw; the sum of the losses, (K,) of a stack. Does not wait for a GPU."""
        self.total.zero_()
        for draw, rate in zip(draws, rates, strict=False):  # there is a rate for every step
            batch = draw if self.task.assemble is None else self.task.assemble(draw)
            self._step(batch, max(rate), rate)
            if self.average is not None:
                self.average.update_parameters(self.model)
        return self.total.clone()

    def _step(self, batch: Batch, rate: float | Tensor, each: Rates | Tensor) -> None:
        """Loss, gradient and update at ``rate``, the largest of ``each`` of a stack."""
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bf16):
            loss = self.task.loss(self.network, batch)
        (loss if loss.dim() == 0 else loss.sum()).backward()  # type: ignore[no-untyped-call]
        if self.config.gradient_clip and isinstance(self.model, Stack):
            clip_each(self.model, self.config.gradient_clip)
        elif self.config.gradient_clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        self._update(rate, each)
        self.total += loss.detach()

    def _update(self, rate: float | Tensor, each: Rates | Tensor) -> None:
        parameters = list(self.model.parameters()) if self.rates_differ else []
        before = [parameter.detach().clone() for parameter in parameters]
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        if not before:
            return
        # The updates of AdamW and SGD are linear in the rate, and neither keeps it in its state.
        share = torch.as_tensor(each, device=self.device) / rate
        with torch.no_grad():
            for parameter, old in zip(parameters, before, strict=True):
                weight = share.reshape(-1, *[1] * (parameter.dim() - 1))
                parameter.copy_(torch.lerp(old, parameter, weight))


class AheadSteps(Steps[Batch]):
    """Steps whose draws are sent to the device ahead, and that read nothing else."""

    def __init__(
        self,
        model: nn.Module,
        task: Task[Batch],
        optimiser: torch.optim.Optimizer,
        average: AveragedModel | None,
        capture: Callable[[Callable[[], None]], Callable[[], None]] | None = None,
    ) -> None:
        super().__init__(model, task, optimiser, average)
        self.drawn: type[Any] = tuple
        self.fields: list[Tensor] = []  # (AHEAD, ...) of each tensor of a draw
        networks = model.count if isinstance(model, Stack) else 1
        self.rates = torch.zeros(AHEAD, networks, device=self.device)
        self.shares = torch.zeros(AHEAD, device=self.device)  # of the weights in their average
        self.position = torch.zeros(1, dtype=torch.long, device=self.device)
        on_cuda = self.device.type == "cuda" and capture is not None
        self.replay = Replay(self._next, capture, on_side_stream() if on_cuda else None)

    @property
    def is_captured(self) -> bool:
        """Whether steps are replayed as a CUDA graph by now."""
        return self.replay.captured is not None

    def run(self, draws: Iterable[Any], rates: Iterable[Rates]) -> Tensor:
        """As :meth:`Steps.run`."""
        self.total.zero_()
        steps = zip(draws, rates, strict=False)
        while ahead := list(islice(steps, AHEAD)):
            self._send([draw for draw, _ in ahead], [rate for _, rate in ahead])
            for _ in ahead:
                self.replay()
        return self.total.clone()

    def _send(self, draws: Sequence[Any], rates: Sequence[Rates]) -> None:
        """Copy the draws of the next steps to the device."""
        columns = [torch.stack(column) for column in zip(*draws, strict=True)]
        if not self.fields:
            self.drawn = type(draws[0])
            self.fields = [
                torch.zeros(AHEAD, *column.shape[1:], dtype=column.dtype, device=self.device)
                for column in columns
            ]
        columns += [torch.tensor(rates), torch.tensor(list(self._shares(len(draws))))]
        targets = [*self.fields, self.rates, self.shares]
        for target, column in zip(targets, columns, strict=True):
            source = column.pin_memory() if self.device.type == "cuda" else column
            target[: len(column)].copy_(source, non_blocking=True)
        self.position.zero_()

    def _shares(self, steps: int) -> Iterator[float]:
        """How much of the weights enters their average in each of the next steps."""
        for _ in range(steps):
            if self.average is None:
                yield 0.0
                continue
            decay, before = self.config.ema_decay, int(self.average.n_averaged) - 1
            yield 1 - (warmed_up(decay, before) if self.config.ema_warmup else decay)
            self.average.n_averaged += 1

    def _next(self) -> None:
        """One step, from what lies at the position; on the device alone."""
        assert self.task.assemble is not None

        def here(values: Tensor) -> Tensor:
            return values.index_select(0, self.position)[0]

        parts = [here(field) for field in self.fields]
        # A named tuple is made of its fields, a plain one of a list of them.
        draw = self.drawn._make(parts) if hasattr(self.drawn, "_make") else tuple(parts)
        each = here(self.rates)
        self._step(self.task.assemble(draw), each.amax(), each)
        if self.average is not None:
            average_by(here(self.shares), self.average.module, self.model)
        self.position += 1


class Replay:
    """Calls a function: the first times as it is, then as ``capture`` made it.

    The calls before are steps like all others, made by ``warm_up``: there is nothing to undo. When
    the capture fails the function is called as it is from then on, with a warning.
    """

    def __init__(
        self,
        body: Callable[[], None],
        capture: Callable[[Callable[[], None]], Callable[[], None]] | None,
        warm_up: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self.body, self.capture, self.warm_up = body, capture, warm_up
        self.calls = 0
        self.captured: Callable[[], None] | None = None

    def __call__(self) -> None:
        """Take a step."""
        if self.captured is None and self.capture is not None and self.calls >= WARM_UP:
            self._capture(self.capture)
        self.calls += 1
        if self.captured is not None:
            self.captured()
        elif self.warm_up is not None and self.capture is not None:
            self.warm_up(self.body)
        else:
            self.body()

    def _capture(self, capture: Callable[[Callable[[], None]], Callable[[], None]]) -> None:
        try:
            self.captured = capture(self.body)
        except RuntimeError as error:
            first: Exception
            self.capture, first = None, error
            # CUDA raises again at the end of a capture, with words that say nothing of the reason.
            while isinstance(first.__context__, Exception):
                first = first.__context__
            warnings.warn(
                f"the step could not be captured as a CUDA graph ({first}): training goes on "
                "without, more slowly. Set cuda_graph to false to leave out the attempt",
                stacklevel=2,
            )


def on_side_stream() -> Callable[[Callable[[], None]], None]:
    """What runs a function on another CUDA stream than the current one, in its turn.

    It is one stream for all calls: each stream has memory of its own, that of cuBLAS included.
    """
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def run(body: Callable[[], None]) -> None:
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            body()
        torch.cuda.current_stream().wait_stream(stream)

    return run


def cuda_graph_of(body: Callable[[], None]) -> Callable[[], None]:
    """Capture ``body`` without running it; what is returned replays it.

    Raises RuntimeError when the capture fails; the device can be used as before then.
    """
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
    # Graphs and memory of trainings that are over: they must not be freed during the capture.
    gc.collect()
    was_on = gc.isenabled()
    gc.disable()
    try:
        with torch.cuda.graph(graph):
            body()
    except RuntimeError:
        torch.cuda.set_stream(stream)  # torch leaves that of the capture
        _leave_capture(graph)
        raise
    finally:
        if was_on:
            gc.enable()
    return graph.replay


def _leave_capture(graph: Any) -> None:
    """After a failed capture: the generator draws as before, and nothing asks for a lost graph.

    torch leaves the generator's state as in a capture, where the next dropout raises ("Offset
    increment outside graph capture"); a copy of it has the same numbers before it. The allocators
    go on asking the graph whether memory is for it.
    """
    _NEVER_CAPTURED.append(graph)
    generator = torch.cuda.default_generators[torch.cuda.current_device()]
    generator.graphsafe_set_state(generator.clone_state())


def make_steps(
    model: nn.Module,
    task: Task[Batch],
    optimiser: torch.optim.Optimizer,
    average: AveragedModel | None,
) -> Steps[Batch]:
    """The steps for the model's device: ahead on CUDA, where the task has draws."""
    if next(model.parameters()).device.type != "cuda" or task.assemble is None:
        return Steps(model, task, optimiser, average)
    # Nothing that processes exchange is captured: torch asks for more than these steps see to.
    is_alone = Ranks.present().count == 1
    capture = cuda_graph_of if task.experiment.training.cuda_graph and is_alone else None
    return AheadSteps(model, task, optimiser, average, capture)
