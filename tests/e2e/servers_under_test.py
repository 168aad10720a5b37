"""Real web server, daemon and code server on a store, queried through GraphQL."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from rich.console import Console

from pipelines.commands.ui import prepare, server_commands, server_environment
from pipelines.storage.addresses import DAGSTER_PORT, MLFLOW_PORT, addresses_of_ports
from pipelines.storage.store import Store
from pipelines.tracking.tracker import Tracker


def until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait for a condition, polling every two seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(2)


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
        """Newest first; times are seconds since 1970."""
        query = """{ runsOrError(limit: 500) { ... on Runs { results {
            runId status jobName creationTime endTime assetSelection { path }
            tags { key value } } } } }"""
        return list(self.graphql(query)["runsOrError"]["results"])

    def runs_of(self, job: str) -> list[dict[str, Any]]:
        return [run for run in self.runs() if run["jobName"] == job]

    def unfinished(self) -> list[str]:
        """Ids of the unfinished runs."""
        ended = {"SUCCESS", "FAILURE", "CANCELED"}
        return [run["runId"] for run in self.runs() if run["status"] not in ended]

    def made(self, asset: str, since: float = 0.0) -> list[str | None]:
        """Partitions of an asset's materializations since a time (None: it has no partitions)."""
        query = """query ($path: [String!]!) { assetOrError(assetKey: {path: $path}) {
            ... on Asset { assetMaterializations(limit: 500) { partition timestamp } } } }"""
        found = self.graphql(query, path=[asset])["assetOrError"].get("assetMaterializations", [])
        return [m["partition"] for m in found if float(m["timestamp"]) / 1000 >= since]

    def metadata(self, asset: str) -> dict[str, Any]:
        """Text and number metadata of the newest materialization of an asset."""
        query = """query ($path: [String!]!) { assetOrError(assetKey: {path: $path}) {
            ... on Asset { assetMaterializations(limit: 1) { metadataEntries { label
            ... on TextMetadataEntry { text } ... on MarkdownMetadataEntry { mdStr }
            ... on IntMetadataEntry { intValue } } } } } }"""
        (newest,) = self.graphql(query, path=[asset])["assetOrError"]["assetMaterializations"]
        return {
            entry["label"]: entry.get("text") or entry.get("mdStr") or entry.get("intValue")
            for entry in newest["metadataEntries"]
        }

    def check(self, asset: str, check: str) -> list[dict[str, Any]]:
        """Results of a check, newest first: success, severity, description, metadataEntries."""
        query = """query ($asset: AssetKeyInput!, $check: String!) {
            assetCheckExecutions(assetKey: $asset, checkName: $check, limit: 50) {
            status evaluation { success severity description metadataEntries { label
            ... on MarkdownMetadataEntry { mdStr } } } } }"""
        found = self.graphql(query, asset={"path": [asset]}, check=check)
        return [e["evaluation"] for e in found["assetCheckExecutions"] if e["evaluation"]]

    def turn_schedule(self, name: str, on: bool) -> None:
        """The switch of a schedule's page."""
        state = next(s for s in self._schedules() if s["name"] == name)["scheduleState"]
        if on:
            query = """mutation ($selector: ScheduleSelector!) {
                startSchedule(scheduleSelector: $selector) { __typename } }"""
            (node,) = self._repositories()
            selector = {
                "repositoryName": node["name"],
                "repositoryLocationName": node["location"]["name"],
                "scheduleName": name,
            }
            reply = self.graphql(query, selector=selector)["startSchedule"]
        else:
            query = """mutation ($id: String!) { stopRunningSchedule(id: $id) { __typename } }"""
            reply = self.graphql(query, id=state["id"])["stopRunningSchedule"]
        assert reply["__typename"] == "ScheduleStateResult", reply

    def _schedules(self) -> list[dict[str, Any]]:
        query = """query ($of: RepositorySelector!) { schedulesOrError(repositorySelector: $of) {
            ... on Schedules { results { name scheduleState { id status } } } } }"""
        (node,) = self._repositories()
        of = {
            "repositoryName": node["name"],
            "repositoryLocationName": node["location"]["name"],
        }
        return list(self.graphql(query, of=of)["schedulesOrError"]["results"])

    def ticks(self, sensor: str) -> list[dict[str, Any]]:
        """The last ticks of a sensor or a schedule, newest first."""
        query = """query ($of: InstigationSelector!) { instigationStateOrError(
            instigationSelector: $of) { ... on InstigationState { ticks(limit: 50) {
            status timestamp skipReason runIds error { message } } } } }"""
        (repository,) = self._repositories()
        selector = {
            "repositoryName": repository["name"],
            "repositoryLocationName": repository["location"]["name"],
            "name": sensor,
        }
        found = self.graphql(query, of=selector)["instigationStateOrError"]
        return list(found.get("ticks", []))

    def _repositories(self) -> list[dict[str, Any]]:
        query = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
            name location { name } } } } }"""
        return list(self.graphql(query)["repositoriesOrError"]["nodes"])

    def status(self, run_id: str) -> str:
        return next(run["status"] for run in self.runs() if run["runId"] == run_id)

    def launch(self, asset: str, config: dict[str, Any]) -> str:
        """Materialize one asset as the button of its page does; returns the run id."""
        selection = {"assetSelection": [{"path": [asset]}]}
        return self._launch(
            {"pipelineName": "__ASSET_JOB", **selection}, {asset: {"config": config}}
        )

    def launch_job(self, job: str, asset: str, config: dict[str, Any]) -> str:
        """Start a job with a configuration for one of its assets; returns the run id."""
        return self._launch({"pipelineName": job}, {asset: {"config": config}})

    def launch_clip(self, job: str, clip: str, *assets: str) -> str:
        """Start a job, or some of its assets, for one clip; returns the run id."""
        chosen = {"assetSelection": [{"path": [asset]} for asset in assets]} if assets else {}
        return self._launch({"pipelineName": job, **chosen}, {}, {"dagster/partition": clip})

    def _launch(
        self,
        what: dict[str, Any],
        ops: dict[str, Any],
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        (node,) = self._repositories()
        selector = {
            "repositoryName": node["name"],
            "repositoryLocationName": node["location"]["name"],
            **what,
        }
        query = """mutation ($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) {
            __typename ... on LaunchRunSuccess { run { runId } }
            ... on PythonError { message }
            ... on RunConfigValidationInvalid { errors { message } } } }"""
        parameters = {
            "selector": selector,
            "runConfigData": {"ops": ops},
            "mode": "default",
            "executionMetadata": {
                "tags": [{"key": key, "value": value} for key, value in tags.items()]
            },
        }
        reply = self.graphql(query, p=parameters)["launchPipelineExecution"]
        assert reply["__typename"] == "LaunchRunSuccess", reply
        return str(reply["run"]["runId"])

    def terminate(self, run_id: str) -> None:
        query = """mutation ($id: String!) { terminateRun(runId: $id) { __typename } }"""
        assert self.graphql(query, id=run_id)["terminateRun"]["__typename"] == "TerminateRunSuccess"


@contextmanager
def dagster_dev(store: Path, profile: str, log: Path, **variables: str) -> Iterator[Dagster]:
    """Dagster's processes as ``dance ui`` starts them, on a free port; ended with their children.

    ``variables`` of the environment come on top, such as ``DANCE_AUTOMATION="on"``.
    """
    opened = Store(root=str(store))
    server = Dagster(port := free_port())
    found = addresses_of_ports({}, port, MLFLOW_PORT)
    prepare(opened, found, Console(quiet=True))
    commands = server_commands(opened, port)
    environment = {**server_environment(opened, found), "DANCE_PROFILE": profile, **variables}
    with log.open("w") as output, ExitStack() as processes:
        for part in ("code", "webserver", "daemon"):
            processes.enter_context(_running(commands[part], environment, output))
        server.wait(300)
        yield server


@contextmanager
def _running(command: list[str], environment: dict[str, str], output: IO[str]) -> Iterator[None]:
    process = subprocess.Popen(
        command, env=environment, stdout=output, stderr=output, start_new_session=True
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def mlflow_ui(store: Path, log: Path) -> Iterator[str]:
    """MLflow's server of a store, as ``dance ui`` starts it, on a free port: its address."""
    opened = Store(root=str(store))
    Tracker(opened).initialise()
    command = server_commands(opened, mlflow_port=(port := free_port()))["mlflow"]
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return bool(urllib.request.urlopen(f"{url}/health", timeout=5).status == 200)
        except OSError:
            return False

    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            env=server_environment(opened, addresses_of_ports({}, DAGSTER_PORT, port)),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            until(answers, "MLflow's answer", 180)
            yield url
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A web server that remembers what is posted to it: its address and the messages."""
    received: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            received.append(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
