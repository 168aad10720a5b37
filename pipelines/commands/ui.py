"""``dance ui``: Dagster's web server and daemon and MLflow's UI side by side, loopback only."""

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from dance_models.errors import InputError
from pipelines.commands import common

if TYPE_CHECKING:
    from pipelines.servers import Server
    from pipelines.storage.store import Store

DAGSTER_PORT = 3000
MLFLOW_PORT = 5000
RUNS_STOP_S = 8.0  # for running trainings to stop cleanly


def ui(
    store: common.StoreOption = common.DEFAULT_STORE,
    dagster_port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = DAGSTER_PORT,
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow UI.")] = MLFLOW_PORT,
    debug: common.DebugOption = False,
) -> None:
    """Start the Dagster and MLflow web UIs on this machine, loopback only."""
    with common.reported(debug):
        raise typer.Exit(serve(common.opened(store), common.console(), dagster_port, mlflow_port))


def server_commands(
    store: "Store", dagster_port: int = DAGSTER_PORT, mlflow_port: int = MLFLOW_PORT
) -> list[list[str]]:
    """Command lines of both servers."""
    scripts = Path(sys.executable).parent
    return [
        [
            str(scripts / "dagster"), "dev", "-m", "pipelines.definitions",
            "-h", "127.0.0.1", "-p", str(dagster_port),
        ],
        [
            str(scripts / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(mlflow_port),
            "--backend-store-uri", store.tracking_uri,
            # Else it keeps what is logged through it below the folder that it was started in.
            "--default-artifact-root", (store.mlflow / "artifacts").as_uri(),
        ],
    ]  # fmt: skip


def server_environment(store: "Store") -> dict[str, str]:
    """The environment of both servers: this process's, and the store."""
    from pipelines.tracking.tracker import MLFLOW_ENVIRONMENT

    return {
        **os.environ,
        **MLFLOW_ENVIRONMENT,
        "DAGSTER_HOME": str(store.dagster_home),
        "ASSETS_STORE": str(store.path),
    }


def serve(store: "Store", out: Console, dagster_port: int, mlflow_port: int) -> int:
    """Run both until one ends or the user interrupts; returns an exit code.

    Raises InputError when a port is taken.
    """
    from pipelines.recovery import recover, terminate_runs
    from pipelines.servers import Servers
    from pipelines.storage.store import open_instance
    from pipelines.tracking.tracker import TRAINING_VIEW, Tracker

    _check_port(dagster_port, "--dagster-port")
    _check_port(mlflow_port, "--mlflow-port")
    with open_instance(store) as instance:  # creates the databases before two processes do
        Tracker(store).initialise()
        for line in recover(instance, store):
            out.print(line, highlight=False)
    out.print(
        f"Dagster: http://127.0.0.1:{dagster_port}   MLflow: "
        f"http://127.0.0.1:{mlflow_port}/#/experiments?{TRAINING_VIEW}   "
        "(Ctrl-C ends both)"
    )
    with Servers(_servers(store, dagster_port, mlflow_port), server_environment(store)) as servers:
        try:
            reason, last = servers.wait()
        except KeyboardInterrupt:
            with open_instance(store) as instance:
                terminate_runs(instance, RUNS_STOP_S)
            return 0
    out.print("\n".join(last), markup=False, highlight=False)
    out.print(
        f"[bold red]error:[/] {escape(reason)}, so the servers were stopped. Its last output is "
        "above. Start them again: dance ui",
    )
    return common.EXIT_FAILED


def _servers(store: "Store", dagster_port: int, mlflow_port: int) -> "list[Server]":
    """Both servers, with the processes that they start and need."""
    from pipelines.servers import Part, Server

    dagster, mlflow = server_commands(store, dagster_port, mlflow_port)
    return [
        Server(
            "Dagster",
            dagster,
            (
                Part("Dagster's web server", "-m dagster_webserver"),
                Part("Dagster's daemon", "-m dagster._daemon"),
                Part("Dagster's code server", " code-server start "),
                # Reloading the code in the web UI replaces it.
                Part("Dagster's code server", " api grpc ", replaceable=True),
            ),
        ),
        Server("MLflow", mlflow, (Part("MLflow's web server", "uvicorn"),)),
    ]


def _check_port(port: int, option: str) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputError(
                f"port {port} is taken ({error.strerror})",
                hint=f"End what uses it, or choose another port with {option}",
            ) from error
