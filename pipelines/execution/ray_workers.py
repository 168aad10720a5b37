"""Clips on a cluster of Ray: tasks of one or several, each on one CPU."""

import time
import uuid
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from dance_models.processes import DECODING, start_fork_server
from pipelines.cluster import Cluster, Ticket
from pipelines.execution import runner
from pipelines.execution.outcomes import StageOutcome
from pipelines.execution.request import Request
from pipelines.processes import identity
from pipelines.recovery import close_lost_tasks

CANCEL_S: Final = 8.0  # that cancelled tasks have to end by themselves
AHEAD: Final = 4  # tasks that are handed to Ray for each CPU


def make_clips(
    ticket: Ticket, request: Request, clips: runner.Group
) -> list[list[StageOutcome]] | None:
    """What a task does. Raises InputError when its node cannot work on the store."""
    ticket.check(clips)
    start_fork_server((*DECODING, "ray"))  # a worker of Ray has a main module that imports it
    return runner.run_clips(request, clips)


class RayWorkers:
    """The nodes of a cluster.

    Ray's own retries are off: it repeats a task without end whose worker it killed for memory.
    """

    def __init__(self, cluster: Cluster, ticket: Ticket) -> None:
        self.cluster, self.ticket = cluster, ticket

    @property
    def places(self) -> int:
        """CPUs of the cluster."""
        return self.cluster.cpus

    def make(
        self, request: Request, groups: Sequence[runner.Group], *, alone: bool = False
    ) -> Generator[runner.Made]:
        """Each group as its task ends; a task whose worker or node died gives None.

        When the caller is interrupted, or closes this, tasks are ended and their runs closed.
        """
        ray, ticket = self.cluster.ray, self.ticket.again()
        task = ray.remote(num_cpus=1, max_retries=0)(make_clips)
        giver = identity()
        most = 1 if alone else AHEAD * self.places
        waiting, running = list(reversed(groups)), dict[Any, tuple[runner.Group, str]]()
        try:
            while waiting or running:
                while waiting and len(running) < most:
                    group, name = waiting.pop(), uuid.uuid4().hex
                    asked = replace(request, task=name, giver=giver)
                    ref = task.remote(ticket, asked, group)
                    running[ref] = group, name
                # With a time limit, so that a signal is heeded.
                done, _ = ray.wait(list(running), num_returns=1, timeout=1)
                for ref in done:
                    group, name = running.pop(ref)
                    if (outcomes := self._outcomes(ref)) is None:
                        close_lost_tasks(request.opened, [name])
                    yield group, outcomes
        except BaseException:
            self._cancel(list(running))
            # The next command cannot see whether a process of another host is dead. An error here,
            # as when the database is what went away, must not take the place of the first one.
            with suppress(Exception):
                close_lost_tasks(request.opened, [name for _, name in running.values()])
            raise

    def _outcomes(self, ref: Any) -> list[list[StageOutcome]] | None:
        try:
            made: list[list[StageOutcome]] | None = self.cluster.ray.get(ref)
        except self.cluster.ray.exceptions.RayTaskError as error:
            raise (getattr(error, "cause", None) or error) from None
        except self.cluster.deaths:
            return None
        return made

    def _cancel(self, running: list[Any]) -> None:
        """End the tasks: what they do is whole or absent at any time."""
        ray = self.cluster.ray
        deadline = time.monotonic() + CANCEL_S
        for ref in running:
            ray.cancel(ref, force=True)
        while running and time.monotonic() < deadline:
            _, running = ray.wait(running, num_returns=len(running), timeout=1)
