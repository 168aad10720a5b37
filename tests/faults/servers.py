"""``dance ui`` of a trial, and jobs started in it through GraphQL."""

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from command_line import CLIP_ASSETS
from scene import COMMAND_S, END_S, PATIENCE, Trial

STARTED_S = 600  # both servers answer within this, also on a busy machine
OPEN = """{ runsOrError(filter: {statuses: [QUEUED, NOT_STARTED, STARTING, STARTED, CANCELING]}) {
    ... on Runs { results { runId status } } } }"""
INTERRUPTED = """{ runsOrError(filter: {statuses: [FAILURE],
    tags: [{key: "dagster/will_retry", value: "true"}]}) {
    ... on Runs { results { runId status tags { key } } } } }"""


def free_port() -> int:
    """A TCP port of the loopback that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """``dance ui`` of a trial on free ports."""

    def __init__(self, trial: Trial) -> None:
        self.trial, self.port = trial, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until Dagster's web server answers. Raises RuntimeError if not."""
        self.port = free_port()
        self.process = self.trial.begin(
            "ui", "--dagster-port", str(self.port), "--mlflow-port", str(free_port())
        )
        deadline = time.monotonic() + STARTED_S
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                log = self.trial.log.read_text("utf-8", "replace")
                raise RuntimeError(f"dance ui did not start: {log[-2000:]}")
            time.sleep(1)

    def answers(self) -> bool:
        """Whether the command runs and its web server answers."""
        return self.process is not None and self.process.poll() is None and _answers(self.port)

    def stop(self) -> None:
        """End it with SIGTERM, as a service manager does."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(END_S * PATIENCE)

    def has_ended(self) -> bool:
        """Whether its process has ended; waits for one that neither answers nor has ended.

        It ends its other servers when it has lost one. Raises RuntimeError when it does neither in
        time.
        """
        deadline = time.monotonic() + END_S * PATIENCE
        while not self.answers():
            if self.process is None or self.process.poll() is not None:
                return True
            if time.monotonic() > deadline:
                raise RuntimeError("dance ui neither answers nor ends")
            time.sleep(0.5)
        return False

    def start_again(self) -> None:
        """End it, and start it."""
        self.stop()
        self.trial.gone()
        self.start()


@contextmanager
def ui(trial: Trial) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """``dance ui``: its process, and Dagster's port once that answers."""
    trial.environment["DANCE_PROFILE"] = "smoke"
    server = Server(trial)
    server.start()
    assert server.process is not None
    try:
        yield server.process, server.port
    finally:
        server.stop()


def finish_runs(trial: Trial) -> list[str]:
    """Start ``dance ui`` again, as its owner does; the runs that it does not bring to an end.

    A run that waited in the queue is done now, and one whose process was killed is tried again.
    """
    with ui(trial) as (_, port):
        deadline = time.monotonic() + COMMAND_S
        while (left := unfinished(port)) and time.monotonic() < deadline:
            time.sleep(1)
    return [f"Dagster run {run['runId'][:8]} is {run['status']}" for run in left]


def unfinished(port: int) -> list[dict[str, Any]]:
    """Runs that are not at an end, and interrupted ones that the daemon has not tried again."""
    waiting = graphql(port, INTERRUPTED)["runsOrError"]["results"]
    return [
        *graphql(port, OPEN)["runsOrError"]["results"],
        *(run for run in waiting
          if "dagster/auto_retry_run_id" not in {tag["key"] for tag in run["tags"]}),
    ]  # fmt: skip


def graphql(port: int, query: str, **variables: Any) -> dict[str, Any]:
    """The data of an answer of Dagster's web server."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        reply = json.load(answer)
    if "errors" in reply:
        raise RuntimeError(str(reply["errors"]))
    return dict(reply["data"])


def _answers(port: int) -> bool:
    try:
        graphql(port, "{ version }")
    except (OSError, RuntimeError):
        return False
    return True


def retrain(trial: Trial, port: int) -> str:
    """Start the job of all trainings as the web UI does; the id of its run.

    Of the scene's assets alone, where it does not make all.
    """
    left = set(trial.scene.only.split(",")) - {*CLIP_ASSETS.split(","), ""}
    return launch(port, "retrain_all", sorted(left))


def launch(port: int, job: str, assets: Sequence[str] = ()) -> str:
    """Start a job as the web UI does, of some of its assets or of all; the id of its run."""
    found = graphql(
        port,
        """{ repositoriesOrError { ... on RepositoryConnection { nodes {
            name location { name } } } } }""",
    )
    (repository,) = found["repositoriesOrError"]["nodes"]
    selector = {
        "repositoryName": repository["name"],
        "repositoryLocationName": repository["location"]["name"],
        "pipelineName": job,
        **({"assetSelection": [{"path": [name]} for name in assets]} if assets else {}),
    }
    query = """mutation ($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) {
        __typename ... on LaunchRunSuccess { run { runId } }
        ... on PythonError { message } } }"""
    reply = graphql(port, query, p={"selector": selector, "runConfigData": {}, "mode": "default"})
    return str(reply["launchPipelineExecution"]["run"]["runId"])
