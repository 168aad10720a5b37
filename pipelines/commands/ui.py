"""``dance ui``: Dagster's web server and daemon and MLflow's UI side by side, loopback only."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pipelines.commands import common

if TYPE_CHECKING:
    from pipelines.storage.store import Store

DAGSTER_PORT = 3000
MLFLOW_PORT = 5000


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
    """Run both until one ends or the user interrupts; returns an exit code."""
    from pipelines.recovery import close_orphaned_runs
    from pipelines.storage.store import open_instance
    from pipelines.tracking.tracker import TRAINING_VIEW, Tracker

    with open_instance(store) as instance:  # creates the databases before two processes do
        for run_id in close_orphaned_runs(instance):
            out.print(f"Run {run_id[:8]} was killed; it is closed as failed.")
    Tracker(store).initialise()
    out.print(
        f"Dagster: http://127.0.0.1:{dagster_port}   MLflow: "
        f"http://127.0.0.1:{mlflow_port}/#/experiments?{TRAINING_VIEW}   "
        "(Ctrl-C ends both)"
    )
    children = [
        subprocess.Popen(command, env=server_environment(store), start_new_session=True)
        for command in server_commands(store, dagster_port, mlflow_port)
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
