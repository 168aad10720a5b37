"""A training as a task, with a stand-in for Ray: how often it is tried."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dance_models.config import TrainingConfig
from dance_models.errors import InputError
from pipelines.cluster import Cluster, Ticket
from pipelines.training import ray_training
from pipelines.training.devices import refuse_missing_devices
from pipelines.training.ray_training import Left, _failure, asked_of_node, train_here


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

    def __init__(self, deaths: int = 0, *each: dict[str, float]) -> None:
        self.deaths, self.started, self.options = deaths, 0, dict[str, Any]()
        self.each = each or ({"CPU": 1.0},)  # what each node has

    def remote(self, *functions: Any, **options: Any) -> Any:
        self.options = options
        return lambda function: SimpleNamespace(remote=self.start)

    def start(self, *arguments: Any) -> int:
        self.started += 1
        return self.started

    def cluster_resources(self) -> dict[str, float]:
        names = ("CPU", "GPU")
        return {name: sum(node.get(name, 0) for node in self.each) for name in names}

    def nodes(self) -> list[dict[str, Any]]:
        gone = {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}
        return [gone, *({"Alive": True, "Resources": node} for node in self.each)]

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


def _asked(each: tuple[dict[str, float], ...], **training: object) -> tuple[int, int]:
    return asked_of_node(training, Cluster(Ray(0, *each), "ray:auto"))


def test_a_training_asks_for_a_process_and_a_gpu_for_each_of_its_devices() -> None:
    cpus, gpus = {"CPU": 4.0}, {"CPU": 16.0, "GPU": 4.0}
    assert _asked((cpus,), device="auto") == (1, 0)
    assert _asked((cpus, gpus), device="auto") == (1, 1)
    assert _asked((cpus, gpus), device="cpu", devices=3) == (3, 0)
    assert _asked((cpus, gpus), device="auto", devices=4) == (4, 4)


def test_devices_that_no_single_node_has_are_refused() -> None:
    two = {"CPU": 4.0, "GPU": 2.0}
    told = (
        r"devices is 3, each a CPU and a GPU of one node, but no node .* than 2\. Ask for at most 2"
    )
    with pytest.raises(InputError, match=told):
        _asked((two, two), device="cuda", devices=3)
    cpus = "devices is 8, each a CPU of one node, but no node of the cluster has more than 4"
    with pytest.raises(InputError, match=cpus):
        _asked((two, two), device="cpu", devices=8)
    with pytest.raises(InputError, match="has more than 1"):  # the CPUs and GPUs of two nodes
        _asked(({"CPU": 8.0}, {"CPU": 1.0, "GPU": 4.0}), device="auto", devices=4)


def test_a_run_is_refused_before_it_begins_for_a_training_that_finds_no_node() -> None:
    two = Cluster(Ray(0, {"CPU": 4.0, "GPU": 2.0}), "ray:auto")
    refuse_missing_devices([TrainingConfig(devices=2), TrainingConfig()], two)
    with pytest.raises(InputError, match="--devices is 3, each a CPU and a GPU of one node"):
        refuse_missing_devices([TrainingConfig(), TrainingConfig(devices=3)], two)
    with pytest.raises(InputError, match="--devices is 2, but a batch has only 1 windows"):
        refuse_missing_devices([TrainingConfig(devices=2, batch_size=1)], two)


@pytest.mark.parametrize("away", [False, True])
def test_a_node_with_files_of_its_own_tells_what_the_training_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, away: bool
) -> None:
    """It gets the context of Pipes as text, and gives the log and the messages back as text."""
    beside = tmp_path / "pipes-1"
    beside.mkdir()
    monkeypatch.setattr(Ticket, "check", lambda ticket: None)

    def trained(environment: dict[str, str], log: Path) -> int:
        assert (beside / ray_training.CONTEXT).is_file() == away
        log.write_text("epoch 1")
        (beside / ray_training.MESSAGES).write_text("{}")
        return 3

    monkeypatch.setattr(ray_training, "_trained", trained)
    (tmp_path / "token").touch()
    token = tmp_path / ("gone" if away else "token")
    ticket = Ticket(str(tmp_path), str(token), {}, "")
    left = train_here(ticket, {}, str(tmp_path), str(beside), "{}")
    assert left == (Left(3, "epoch 1", "{}") if away else Left(3))
