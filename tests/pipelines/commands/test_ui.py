"""What ``dance ui`` refuses before it starts anything."""

import shutil
import socket
import sqlite3
from collections import namedtuple
from pathlib import Path

import dagster as dg
import pytest
from command_line import dance
from lock_owner import owner
from rich.console import Console

from pipelines.commands import ui
from pipelines.recovery import process_tags
from pipelines.storage.addresses import Addresses, host_names
from pipelines.storage.store import Store, open_instance


@pytest.mark.parametrize("option", ["--dagster-port", "--mlflow-port"])
def test_a_taken_port_is_named_with_its_option(tmp_path: Path, option: str) -> None:
    with socket.socket() as listener, socket.socket() as other:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        other.bind(("127.0.0.1", 0))  # free again when it is asked for
        port, free = listener.getsockname()[1], other.getsockname()[1]
        other.close()
        rest = {"--dagster-port": "--mlflow-port", "--mlflow-port": "--dagster-port"}[option]
        code, output = dance(tmp_path / "store", "ui", option, str(port), rest, str(free))
    assert code == 2
    assert f"port {port} is taken" in output
    assert option in output
    assert not (tmp_path / "store").exists()


def _free_ports() -> tuple[str, ...]:
    with socket.socket() as first, socket.socket() as second:
        ports = []
        for listener in (first, second):
            listener.bind(("127.0.0.1", 0))
            ports.append(str(listener.getsockname()[1]))
    return ("--dagster-port", ports[0], "--mlflow-port", ports[1])


def test_a_second_one_on_the_same_store_is_refused_whatever_its_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its code server would take the socket of the first, and its daemon start runs twice."""
    monkeypatch.setattr(ui, "prepare", lambda *arguments: pytest.fail("nothing was to begin"))
    store = Store(root=str(tmp_path / "store")).initialise()
    with owner(store.servers_lock) as (process, _):
        code, output = dance(store.path, "ui", *_free_ports())
    assert code == 2
    assert f"is still in use by process {process.pid}" in output
    assert not (store.path / "logs").exists()


def test_a_misspelt_switch_is_refused_before_any_server_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server that loads the graph would refuse it, in a log."""
    monkeypatch.setenv("DANCE_AUTOMATION", "onn")
    code, output = dance(tmp_path / "store", "ui", *_free_ports())
    assert code == 2
    assert "DANCE_AUTOMATION is neither on nor off: 'onn'" in output


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(*arguments: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 0))
    monkeypatch.setattr(ui, "prepare", prepare)
    code, output = dance(tmp_path / "store", "ui", *_free_ports())
    assert code == 2
    assert "the disk is full: 0 MB are free" in output


@dg.job
def _somewhere() -> None:
    """On a cluster."""


def test_it_leaves_the_pools_of_a_run_on_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    store, found = Store(root=str(tmp_path / "store")), Addresses("http://a", "http://b")

    def limits() -> set[int | None]:
        return {pool.limit for pool in instance.event_log_storage.get_pool_limits()}

    with open_instance(store, 640) as instance:
        run = instance.create_run_for_job(
            _somewhere, tags=process_tags(), status=dg.DagsterRunStatus.STARTED
        )
        ui.prepare(store, found, Console(quiet=True))
        assert limits() == {640}
        instance.report_run_failed(run)
        ui.prepare(store, found, Console(quiet=True))
        assert 640 not in limits()


@pytest.mark.parametrize("name", ["https://dance.example", "dance.example:8443", "*", "a b", ""])
@pytest.mark.parametrize("command", ["ui", "serve webserver", "serve api"])
def test_a_host_name_that_no_request_can_have_is_refused(
    command: str, name: str, tmp_path: Path
) -> None:
    """It was taken, and the servers answered nobody under the name that was meant, or everybody."""
    code, output = dance(tmp_path / "store", *command.split(), "--allow-host", name)
    assert code == 2
    assert f"--allow-host: {name!r} is no host name. Give the name alone" in output
    assert not (tmp_path / "store").exists()


def test_host_names_are_compared_in_small_letters() -> None:
    """Browsers send them so."""
    assert host_names(["Dance.Example", "dance_web"]) == ["dance.example", "dance_web"]
