"""Signals and kills of one process of a real ``dance ui``."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from servers_under_test import free_port, until
from watched_process import heeding

from pipelines.processes import marked_processes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


def answers(url: str) -> bool:
    try:
        return bool(urllib.request.urlopen(url, timeout=5).status == 200)
    except OSError:
        return False


class Ui:
    """A ``dance ui`` whose servers answer."""

    def __init__(self, store: Path, log: Path) -> None:
        self.log, self.ports = log, (free_port(), free_port())
        dagster, mlflow = map(str, self.ports)
        command = [
            sys.executable, "-m", "pipelines.cli", "ui", "--store", str(store),
            "--dagster-port", dagster, "--mlflow-port", mlflow,
        ]  # fmt: skip
        with log.open("w") as output, heeding():
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        until(lambda: answers(f"http://127.0.0.1:{dagster}/server_info"), "Dagster's answer", 300)
        until(lambda: answers(f"http://127.0.0.1:{mlflow}/health"), "MLflow's answer", 300)
        (guardian,) = [p for p in self.children() if "pipelines.guardian" in p.cmdline()]
        self.mark, self.guardian = guardian.cmdline()[-1], guardian

    def children(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def part(self, command: str) -> int:
        """The first of its processes with this in the command line; 0 before it is started."""
        return next((p.pid for p in self.children() if command in " ".join(p.cmdline())), 0)

    def has_ended(self) -> bool:
        return not marked_processes(self.mark) and not self.guardian.is_running()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        until(self.has_ended, "the end of all processes", 60)


@contextmanager
def started(tmp_path: Path) -> Iterator[Ui]:
    ui = Ui(tmp_path / "store", tmp_path / "ui.log")
    try:
        yield ui
    finally:
        ui.end()


def test_mlflow_starts_no_workers_that_nobody_gives_work(tmp_path: Path) -> None:
    """Eight processes with 1.5 GB in all, for evaluations of language models."""
    with started(tmp_path) as ui:
        assert ui.part("uvicorn") > 0
        assert ui.part("mlflow.server.jobs") == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_to_the_command_alone_ends_all_and_frees_the_ports(
    tmp_path: Path, number: int
) -> None:
    with started(tmp_path) as ui:
        ui.process.send_signal(number)
        assert ui.process.wait(timeout=60) == (-number if number == signal.SIGKILL else 0)
        until(ui.has_ended, "the end of all processes", 60)
        for port in ui.ports:
            with socket.socket() as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("-m pipelines.web.webserver", "Dagster's web server was killed"),
        ("-m pipelines.web.daemon", "Dagster's daemon was killed"),
        (" code-server start ", "Dagster's code server was killed"),
        (" api grpc ", "Dagster's code server was killed"),
        ("bin/mlflow server", "MLflow was killed by signal 9"),
        ("uvicorn", "MLflow"),
    ],
)
def test_a_server_that_is_killed_ends_all_and_is_named(
    tmp_path: Path, command: str, name: str
) -> None:
    with started(tmp_path) as ui:
        until(lambda: ui.part(command) > 0, "its start", 60)
        os.kill(ui.part(command), signal.SIGKILL)
        assert ui.process.wait(timeout=120) == 1
        until(ui.has_ended, "the end of all processes", 60)
        assert name in " ".join(ui.log.read_text().split())
