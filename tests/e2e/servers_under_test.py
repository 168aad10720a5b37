"""A real ``dagster dev`` on a store, asked through GraphQL."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.store import ROOT_VARIABLE, Store, open_instance


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Dagster:
    """The web server of one store."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.url}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            reply = json.load(answer)
        assert "errors" not in reply, reply["errors"]
        return dict(reply["data"])

    def wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                self.graphql("{ version }")
            except OSError:
                time.sleep(1)
            else:
                return
        raise AssertionError(f"no answer from {self.url} within {seconds} s")

    def partitions(self) -> list[str]:
        query = """{ assetNodeOrError(assetKey: {path: ["clip_probe"]}) {
            ... on AssetNode { partitionKeys } } }"""
        return list(self.graphql(query)["assetNodeOrError"]["partitionKeys"])

    def materialized(self) -> set[str]:
        query = """{ assetNodes { assetKey { path } isPartitioned
            partitionStats { numMaterialized numPartitions }
            assetMaterializations(limit: 1) { runId } } }"""
        done = set()
        for node in self.graphql(query)["assetNodes"]:
            stats = node["partitionStats"]
            if node["isPartitioned"] and stats:
                whole = 0 < stats["numPartitions"] == stats["numMaterialized"]
            else:
                whole = bool(node["assetMaterializations"])
            if whole:
                done.add("/".join(node["assetKey"]["path"]))
        return done

    def backfill_states(self) -> list[str]:
        query = """{ partitionBackfillsOrError { ... on PartitionBackfills {
            results { status } } } }"""
        results = self.graphql(query)["partitionBackfillsOrError"]["results"]
        return [result["status"] for result in results]

    def runs(self) -> list[dict[str, Any]]:
        query = """{ runsOrError(limit: 500) { ... on Runs { results {
            runId status assetSelection { path } } } } }"""
        return list(self.graphql(query)["runsOrError"]["results"])

    def status(self, run_id: str) -> str:
        return next(run["status"] for run in self.runs() if run["runId"] == run_id)

    def launch(self, asset: str, config: dict[str, Any]) -> str:
        """Materialize one asset, as the button of its page does; the id of the run."""
        where = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
            name location { name } } } } }"""
        (node,) = self.graphql(where)["repositoriesOrError"]["nodes"]
        selector = {
            "repositoryName": node["name"],
            "repositoryLocationName": node["location"]["name"],
            "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": [asset]}],
        }
        query = """mutation ($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) {
            __typename ... on LaunchRunSuccess { run { runId } }
            ... on PythonError { message }
            ... on RunConfigValidationInvalid { errors { message } } } }"""
        parameters = {
            "selector": selector,
            "runConfigData": {"ops": {asset: {"config": config}}},
            "mode": "default",
        }
        reply = self.graphql(query, p=parameters)["launchPipelineExecution"]
        assert reply["__typename"] == "LaunchRunSuccess", reply
        return str(reply["run"]["runId"])

    def terminate(self, run_id: str) -> None:
        query = """mutation ($id: String!) { terminateRun(runId: $id) { __typename } }"""
        assert self.graphql(query, id=run_id)["terminateRun"]["__typename"] == "TerminateRunSuccess"


@contextmanager
def dagster_dev(store: Path, profile: str, log: Path) -> Iterator[Dagster]:
    """``dagster dev`` with its daemon on a free port; ended with all its children."""
    open_instance(Store(root=str(store))).dispose()  # sets DAGSTER_HOME for the child
    server = Dagster(port := free_port())
    command = [
        str(Path(sys.executable).parent / "dagster"), "dev", "-m", "pipelines.definitions",
        "-h", "127.0.0.1", "-p", str(port),
    ]  # fmt: skip
    environment = {**os.environ, ROOT_VARIABLE: str(store), "DANCE_PROFILE": profile}
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            server.wait(120)
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
