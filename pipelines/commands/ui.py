"""``dance ui``: Dagster's web server and daemon and MLflow's UI side by side, loopback only."""

import errno
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from dance_models.errors import InputError
from pipelines.commands import common
from pipelines.shown import shown, shown_lines
from pipelines.storage.addresses import (
    DAGSTER_PORT,
    MLFLOW_PORT,
    Addresses,
    addresses_of_ports,
    host_names,
)

if TYPE_CHECKING:
    import dagster as dg

    from pipelines.servers import Server
    from pipelines.storage.store import Store

DagsterPortOption = Annotated[int, typer.Option(min=1, max=65535, help="Port of the Dagster UI.")]
MlflowPortOption = Annotated[int, typer.Option(min=1, max=65535, help="Port of the MLflow UI.")]
AllowHostOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host",
        help="Host name under which a proxy on this machine serves the UIs; may be repeated.",
    ),
]
PARTS: Final = ("code", "webserver", "daemon", "mlflow")
RUNS_STOP_S: Final = 8.0  # for running trainings to stop cleanly


def ui(
    store: common.StoreOption = common.DEFAULT_STORE,
    dagster_port: DagsterPortOption = DAGSTER_PORT,
    mlflow_port: MlflowPortOption = MLFLOW_PORT,
    allow_host: AllowHostOption = None,
    debug: common.DebugOption = False,
) -> None:
    """Start the Dagster and MLflow web UIs on this machine, loopback only."""
    from pipelines.storage.disk import full_disk_reported

    with common.reported(debug):
        hosts, opened = host_names(allow_host), common.opened(store)
        with full_disk_reported(opened.path):
            code = serve(opened, common.console(), dagster_port, mlflow_port, hosts)
        raise typer.Exit(code)


def server_commands(
    store: "Store",
    dagster_port: int = DAGSTER_PORT,
    mlflow_port: int = MLFLOW_PORT,
    allowed_hosts: Sequence[str] = (),
) -> dict[str, list[str]]:
    """Command lines of the servers by name (``PARTS``), in the order in which they are started."""
    from pipelines.web.code_server import MODULE, code_socket

    scripts, python = Path(sys.executable).parent, sys.executable
    names = [option for host in allowed_hosts for option in ("--allow-host", host)]
    hosts = ("127.0.0.1", "localhost", *allowed_hosts)
    # MLflow compares the whole header, with its port.
    patterns = ",".join(pattern for host in hosts for pattern in (host, f"{host}:*"))
    origins = ",".join(
        f"{scheme}://{host}{port}"
        for host in allowed_hosts
        for scheme in ("https", "http")
        for port in ("", ":*")
    )
    return {
        "code": [
            str(scripts / "dagster"), "code-server", "start", "-m", MODULE,
            "--socket", str(code_socket(store)), "--location-name", MODULE,
        ],
        "webserver": [
            python, "-m", "pipelines.web.webserver", "--port", str(dagster_port), *names,
        ],
        "daemon": [python, "-m", "pipelines.web.daemon"],
        "mlflow": [
            str(scripts / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(mlflow_port),
            "--backend-store-uri", store.tracking_uri,
            # Else it keeps what is logged through it below the folder that it was started in.
            "--default-artifact-root", (store.mlflow / "artifacts").as_uri(),
            "--workers", "1",  # each would import MLflow for itself; few people look at it
            "--allowed-hosts", patterns,
            *(["--cors-allowed-origins", origins] if origins else []),
        ],
    }  # fmt: skip


def server_environment(store: "Store", found: Addresses) -> dict[str, str]:
    """The environment of the servers and their runs: this process's, the store, the addresses."""
    from pipelines.tracking.tracker import MLFLOW_ENVIRONMENT

    return {
        **os.environ,
        **MLFLOW_ENVIRONMENT,
        **found.environment(),
        "DAGSTER_HOME": str(store.dagster_home),
        "ASSETS_STORE": str(store.path),
    }


def prepare(store: "Store", found: Addresses, out: Console) -> None:
    """What has to be there before any server starts: the databases, and where the servers are.

    Raises InputError also for what the server that loads the graph would refuse.
    """
    from pipelines.automation.switches import AutomationSettings
    from pipelines.profile_options import served_options
    from pipelines.recovery import any_going_on, recover
    from pipelines.storage.addresses import remember
    from pipelines.storage.store import limit_pools, open_instance
    from pipelines.tracking.tracker import Tracker
    from pipelines.web.code_server import write_workspace

    AutomationSettings.from_environment(os.environ)
    served = replace(served_options(os.environ, store), ablations=False, devices=None)
    # Creates the databases before two processes do.
    with open_instance(store, runs=False) as instance:
        Tracker(store).initialise()
        for line in recover(instance, store):
            out.print(shown(line), highlight=False, soft_wrap=True)
        if not any_going_on(instance):  # it may be on a cluster, with the cluster's limits
            limit_pools(instance, store)
    remember(store, found)
    write_workspace(store)
    if given := served.given():
        out.print(shown(f"As in the last `dance run`: {given}"), highlight=False, soft_wrap=True)


def serve(
    store: "Store",
    out: Console,
    dagster_port: int,
    mlflow_port: int,
    allowed_hosts: Sequence[str] = (),
) -> int:
    """Run all servers until one ends or the user interrupts; returns an exit code.

    Raises InputError when a port is taken, or when the store has such servers already: a second
    code server would take the first one's socket with it, and a second daemon start runs twice.
    """
    from pipelines.storage.locks import owned

    check_port(dagster_port, "--dagster-port")
    check_port(mlflow_port, "--mlflow-port")
    found = addresses_of_ports(os.environ, dagster_port, mlflow_port)
    # Not below locks/: these servers alone do not keep anybody from cleaning the store.
    lock = store.servers_lock
    with owned(lock, f"the web UI of {store.path}", lambda line: None, 0):
        prepare(store, found, out)
        _print_addresses(store, found, out)
        commands = server_commands(store, dagster_port, mlflow_port, allowed_hosts)
        return _run(store, _servers(store, commands, out), found, out)


def _run(store: "Store", listed: "Sequence[Server]", found: Addresses, out: Console) -> int:
    """Run the servers; returns an exit code."""
    from pipelines.recovery import interrupt_runs
    from pipelines.servers import Servers
    from pipelines.storage.store import open_instance
    from pipelines.web.terminal import LOGS

    with (
        open_instance(store, runs=False) as instance,
        Servers(listed, server_environment(store, found)) as servers,
    ):
        try:
            reason, last = servers.wait(_news(instance, found, out))
        except KeyboardInterrupt:
            interrupt_runs(instance, RUNS_STOP_S)
            return 0
    out.print(shown_lines("\n".join(last)), highlight=False, soft_wrap=True)
    out.print(
        f"[bold red]error:[/] {shown(reason + _on_full_disk(store))}, so the servers were stopped. "
        f"Its last output is above, all of it in {shown(str(store.path / LOGS))}. "
        "Start them again: dance ui",
        soft_wrap=True,
    )
    return common.EXIT_FAILED


def _on_full_disk(store: "Store") -> str:
    """What to add to a reason when the disk is full, "" when it is not."""
    from pipelines.storage.disk import RESERVE_MB, free_mb

    return " while the disk is full" if free_mb(store.path) < RESERVE_MB else ""


def _print_addresses(store: "Store", found: Addresses, out: Console) -> None:
    """Where the UIs are, first of all and in lines that can be copied."""
    from pipelines.tracking.tracker import TRAINING_VIEW
    from pipelines.web.terminal import LOGS

    training = f"{found.mlflow}/#/experiments?{TRAINING_VIEW}"
    for name, text in (
        ("Dagster", f"{found.dagster}  (the graph and its runs; there in half a minute)"),
        ("MLflow", f"{training}  (trainings and models)"),
        ("Logs", str(store.path / LOGS)),
    ):
        out.print(f"{name + ':':<9}{shown(text)}", highlight=False, soft_wrap=True)
    out.print("Ctrl-C ends both. Below: warnings, and runs that start and end.", highlight=False)


def _news(instance: "dg.DagsterInstance", found: Addresses, out: Console) -> Callable[[], None]:
    """Prints which runs started and ended since it was last called."""
    from pipelines.web.terminal import RunNews

    news = RunNews(instance, found.dagster)

    def tell() -> None:
        with suppress(Exception):  # a locked database: news must not end the servers
            for line in news.lines():
                out.print(shown(line), highlight=False, soft_wrap=True)

    return tell


def _servers(store: "Store", commands: Mapping[str, Sequence[str]], out: Console) -> "list[Server]":
    """The servers, with the processes that they start and need, and their logs."""
    from pipelines.servers import Part, Server, begin_log
    from pipelines.web.terminal import log_file, warning_in

    # Reloading the code in the web UI replaces the code server's own process.
    code = Part("Dagster's code server", " api grpc ", replaceable=True)
    parts = {"code": (code,), "mlflow": (Part("MLflow's web server", "uvicorn"),)}
    names = {
        "code": "Dagster's code server",
        "webserver": "Dagster's web server",
        "daemon": "Dagster's daemon",
        "mlflow": "MLflow",
    }

    def server(name: str) -> Server:
        log = log_file(store.path, name)
        begin_log(log)

        def say(line: str) -> None:
            if (warning := warning_in(line)) is not None:
                out.print(shown(f"{names[name]}: {warning}"), highlight=False, soft_wrap=True)

        return Server(names[name], commands[name], parts.get(name, ()), log, say)

    return [server(name) for name in PARTS]


def check_port(port: int, option: str, host: str = "127.0.0.1") -> None:
    """Raise InputError when this machine cannot listen there."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
        try:
            listener.bind((host, port))
        except OSError as error:
            what = f"port {port} is taken"
            if error.errno != errno.EADDRINUSE:
                what = f"nothing can listen on port {port} of {host}"
            raise InputError(
                f"{what} ({error.strerror})",
                hint=f"End what uses it, or choose another port with {option}",
            ) from error
