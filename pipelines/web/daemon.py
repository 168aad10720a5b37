"""Dagster's daemon, started once the code server answers: ``python -m pipelines.web.daemon``."""

import os

from pipelines.storage.databases import wait_for_locks
from pipelines.storage.store import DEFAULT_ROOT, Store
from pipelines.web.code_server import code_socket, wait_for_code_server, workspace_file


def main() -> None:
    """Run sensors, schedules and the queue until the process is stopped."""
    from dagster._daemon.cli import run_command

    store = Store(root=os.environ.get("ASSETS_STORE", DEFAULT_ROOT))
    wait_for_locks()
    wait_for_code_server(code_socket(store))
    run_command.main(["--workspace", str(workspace_file(store))], prog_name="dagster-daemon run")


if __name__ == "__main__":
    main()
