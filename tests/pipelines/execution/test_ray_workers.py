"""Clips as tasks of Ray; a stand-in takes the place of the cluster."""

from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.automation.failures import KILLED
from pipelines.cluster import Cluster, Ticket
from pipelines.execution import ray_workers
from pipelines.execution.outcomes import StageOutcome
from pipelines.execution.ray_workers import RayWorkers
from pipelines.execution.request import Request
from pipelines.execution.runner import ClipRuns
from pipelines.storage.store import Store

DEATHS = (1, 2, 5, 6, 7)  # of the tasks of the test, in their order


class WorkerCrashedError(Exception):
    pass


class Ray:
    """As much of Ray's interface as is used; a clip called deadly kills its worker."""

    exceptions = SimpleNamespace(
        WorkerCrashedError=WorkerCrashedError,
        NodeDiedError=WorkerCrashedError,
        OutOfMemoryError=WorkerCrashedError,
        RayTaskError=ZeroDivisionError,
    )

    def __init__(self) -> None:
        self.tried: list[str] = []
        self.tasks: list[str] = []
        self.cancelled: list[Any] = []

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 1.0}

    def remote(self, **options: object) -> Any:
        assert options == {"num_cpus": 1, "max_retries": 0}
        return lambda work: SimpleNamespace(remote=self._start)

    def _start(self, ticket: Ticket, request: Request, clips: tuple[str]) -> tuple[int, str]:
        (clip,) = clips
        self.tried.append(clip)
        self.tasks.append(request.task)
        return len(self.tried), clip

    def wait(self, refs: list[Any], num_returns: int, timeout: float) -> tuple[list[Any], Any]:
        return refs[:num_returns], refs[num_returns:]

    def get(self, ref: tuple[int, str]) -> list[list[StageOutcome]]:
        if ref[1] == "deadly" or ref == (1, "one"):
            raise WorkerCrashedError
        return [[StageOutcome("clip_probe", ref[1], "made")]]

    def cancel(self, ref: Any, force: bool) -> None:
        assert force
        self.cancelled.append(ref)


def _workers(ray: Ray, store: Path) -> RayWorkers:
    return RayWorkers(Cluster(ray, "ray:auto"), Ticket(str(store), "", {}, ""))


def test_only_the_clip_whose_worker_dies_alone_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runs of tasks that died are closed, so that their slots are free for the next ones."""
    ray, closed = Ray(), list[str]()
    monkeypatch.setattr(ray_workers, "close_lost_tasks", lambda store, tasks: closed.extend(tasks))
    runs = ClipRuns(Request(tmp_path), _workers(ray, tmp_path))
    outcomes = {o.clip: o for (o,) in runs(("one", "deadly", "two"))}
    assert {clip: o.state for clip, o in outcomes.items()} == {
        "one": "made",
        "deadly": "failed",
        "two": "made",
    }
    assert outcomes["deadly"].error == KILLED
    assert ray.tried == ["one", "deadly", "two", "one", "deadly", "deadly", "deadly"]
    died = [task for task, number in zip(ray.tasks, range(1, 8), strict=True) if number in DEATHS]
    assert closed == died
    assert len(set(ray.tasks)) == len(ray.tasks)


def test_an_interrupt_cancels_what_runs_and_closes_its_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the database cannot be reached for that: it stays an interrupt."""
    ray, closed = Ray(), list[str]()

    def close(store: Store, tasks: list[str]) -> None:
        assert len(ray.cancelled) == 2, "only what has ended may be closed"
        closed.extend(tasks)
        raise ConnectionError

    monkeypatch.setattr(ray_workers, "close_lost_tasks", close)
    made = iter(_workers(ray, tmp_path).make(Request(tmp_path), [("a",), ("b",), ("c",)]))
    next(made)
    with pytest.raises(KeyboardInterrupt):
        made.throw(KeyboardInterrupt)  # type: ignore[attr-defined]
    assert [clip for _, clip in ray.cancelled] == ["b", "c"]
    assert closed == ray.tasks[1:]


def test_an_interrupt_between_two_clips_cancels_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray, closed = Ray(), list[str]()
    monkeypatch.setattr(ray_workers, "close_lost_tasks", lambda store, tasks: closed.extend(tasks))
    made = ClipRuns(Request(tmp_path), _workers(ray, tmp_path))(("a", "b", "c"))
    with pytest.raises(KeyboardInterrupt), closing(made):
        next(made)
        raise KeyboardInterrupt
    assert [clip for _, clip in ray.cancelled] == ["b", "c"]
    assert closed == ray.tasks[1:]
