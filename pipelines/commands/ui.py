"""``dance ui``: Dagster's web server and daemon and MLflow's UI side by side, loopback only."""

import signal
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from pipelines.storage.store import ROOT_VARIABLE, Store, open_instance
from pipelines.tracking.tracker import Tracker

DAGSTER_PORT = 3000
MLFLOW_PORT = 5000


def server_commands(
    store: Store, dagster_port: int = DAGSTER_PORT, mlflow_port: int = MLFLOW_PORT
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
        ],
    ]  # fmt: skip


def serve(store: Store, console: Console, dagster_port: int, mlflow_port: int) -> int:
    """Run both until one ends or the user interrupts; returns an exit code."""
    open_instance(store).dispose()  # sets DAGSTER_HOME for the children
    Tracker(store).initialise()
    environment = {**_environment(), ROOT_VARIABLE: str(store.path)}
    console.print(
        f"Dagster: http://127.0.0.1:{dagster_port}   MLflow: http://127.0.0.1:{mlflow_port}   "
        "(Ctrl-C ends both)"
    )
    children = [
        subprocess.Popen(command, env=environment, start_new_session=True)
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
        console.print("Stopping.")
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


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)
