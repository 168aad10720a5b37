"""A training as a task, with a stand-in for Ray: how often it is tried."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dance_models.errors import InputError
from pipelines.cluster import Cluster, Ticket
from pipelines.training.ray_training import Left, _failure


class DiedError(Exception):
    """Ray's errors of a worker, a node and a kill for memory."""


class Ray:
    """Runs a task as often as it is asked for; the first ``deaths`` times its worker dies."""

    exceptions = SimpleNamespace(
        WorkerCrashedError=DiedError,
        NodeDiedError=DiedError,
        OutOfMemoryError=DiedError,
        RayTaskError=KeyError,
        RayError=DiedError,
    )

    def __init__(self, deaths: int) -> None:
        self.deaths, self.started, self.options = deaths, 0, dict[str, Any]()

    def remote(self, *functions: Any, **options: Any) -> Any:
        self.options = options
        return lambda function: SimpleNamespace(remote=self.start)

    def start(self, *arguments: Any) -> int:
        self.started += 1
        return self.started

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 1.0}

    def wait(self, running: list[int], timeout: float) -> tuple[list[int], list[int]]:
        return running, []

    def get(self, number: int) -> Left:
        if number <= self.deaths:
            raise DiedError("out of memory")
        return Left(0)


@pytest.mark.parametrize(("deaths", "started"), [(0, 1), (1, 2), (2, 2)])
def test_a_training_whose_worker_dies_is_started_once_more(
    tmp_path: Path, deaths: int, started: int
) -> None:
    ray = Ray(deaths)
    cluster = Cluster(ray, "ray:auto")
    job = {"folder": str(tmp_path), "experiment": {"training": {"device": "auto"}}}
    ticket = Ticket(str(tmp_path), "", {}, "")
    failure = _failure(cluster, ticket, job, {}, tmp_path)
    assert (ray.started, ray.options["max_retries"]) == (started, 0)
    if deaths < 2:
        assert failure is None
    else:
        assert isinstance(failure, InputError)
        assert "died twice (out of memory)" in str(failure)
