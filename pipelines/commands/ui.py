"""``dance ui``: Dagster's web server and daemon and MLflow's UI side by side, loopback only."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from pipelines.commands import common
from pipelines.storage.addresses import DAGSTER_PORT, MLFLOW_PORT, Addresses, addresses_of_ports

if TYPE_CHECKING:
    from pipelines.storage.store import Store

DagsterPortOption = Annotated[int, typer.Option(help="Port of the Dagster UI.")]
MlflowPortOption = Annotated[int, typer.Option(help="Port of the MLflow UI.")]
AllowHostOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host",
        help="Host name under which a proxy on this machine serves the UIs; may be repeated.",
    ),
]
PARTS: Final = ("code", "webserver", "daemon", "mlflow")


def ui(
    store: common.StoreOption = common.DEFAULT_STORE,
    dagster_port: DagsterPortOption = DAGSTER_PORT,
    mlflow_port: MlflowPortOption = MLFLOW_PORT,
    allow_host: AllowHostOption = None,
    debug: common.DebugOption = False,
) -> None:
    """Start the Dagster and MLflow web UIs on this machine, loopback only."""
    with common.reported(debug):
        raise typer.Exit(
            serve(
                common.opened(store), common.console(), dagster_port, mlflow_port, allow_host or ()
            )
        )


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
    """What has to be there before any server starts: the databases, and where the servers are."""
    from pipelines.recovery import close_orphaned_runs
    from pipelines.storage.addresses import remember
    from pipelines.storage.store import open_instance
    from pipelines.tracking.tracker import Tracker
    from pipelines.web.code_server import write_workspace

    with open_instance(store) as instance:  # creates the databases before two processes do
        for run_id in close_orphaned_runs(instance):
            out.print(f"Run {run_id[:8]} was killed; it is closed as failed.")
    Tracker(store).initialise()
    remember(store, found)
    write_workspace(store)


def serve(
    store: "Store",
    out: Console,
    dagster_port: int,
    mlflow_port: int,
    allowed_hosts: Sequence[str] = (),
) -> int:
    """Run all servers until one ends or the user interrupts; returns an exit code."""
    found = addresses_of_ports(os.environ, dagster_port, mlflow_port)
    prepare(store, found, out)
    out.print(f"Dagster: {found.dagster}   MLflow: {found.mlflow}   (Ctrl-C ends both)")
    commands = server_commands(store, dagster_port, mlflow_port, allowed_hosts)
    children = [
        subprocess.Popen(command, env=server_environment(store, found), start_new_session=True)
        for command in commands.values()
    ]
    try:
        while all(child.poll() is None for child in children):
            for child in children:
                try:
                    child.wait(timeout=1)
                except subprocess.TimeoutExpired:
                    continue
    except KeyboardInterrupt:
        out.print("Stopping.")
        return 0
    finally:
        for child in children:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
        for child in children:
            try:
                child.wait(timeout=20)
            except subprocess.TimeoutExpired:
                child.kill()
    return 1
