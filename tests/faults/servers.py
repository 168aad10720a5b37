"""``dance ui`` of a trial, and jobs started in it through GraphQL."""

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scene import Trial

STARTED_S = 600  # both servers answer within this, also on a busy machine


def free_port() -> int:
    """A TCP port of the loopback that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def ui(trial: Trial) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """``dance ui`` on free ports: its process, and Dagster's port once that answers."""
    port = free_port()
    trial.environment["DANCE_PROFILE"] = "smoke"
    process = trial.begin("ui", "--dagster-port", str(port), "--mlflow-port", str(free_port()))
    deadline = time.monotonic() + STARTED_S
    try:
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"dance ui did not start: {trial.log.read_text()[-2000:]}")
            time.sleep(1)
        yield process, port
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(120)


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


def launch(port: int, job: str) -> str:
    """Start a job as the web UI does; the id of its run."""
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
    }
    query = """mutation ($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) {
        __typename ... on LaunchRunSuccess { run { runId } }
        ... on PythonError { message } } }"""
    reply = graphql(port, query, p={"selector": selector, "runConfigData": {}, "mode": "default"})
    return str(reply["launchPipelineExecution"]["run"]["runId"])
