"""``dance serve``: one of the servers of ``dance ui``, for systemd units and containers."""

import os
from typing import Annotated

import typer

from dance_models.errors import InputError
from pipelines.commands import common
from pipelines.commands.ui import (
    PARTS,
    AllowHostOption,
    DagsterPortOption,
    MlflowPortOption,
    prepare,
    server_commands,
    server_environment,
)
from pipelines.storage.addresses import DAGSTER_PORT, MLFLOW_PORT, addresses_of_ports


def serve(
    part: Annotated[str, typer.Argument(help=f"{', '.join(PARTS[:-1])} or {PARTS[-1]}.")],
    store: common.StoreOption = common.DEFAULT_STORE,
    dagster_port: DagsterPortOption = DAGSTER_PORT,
    mlflow_port: MlflowPortOption = MLFLOW_PORT,
    allow_host: AllowHostOption = None,
    debug: common.DebugOption = False,
) -> None:
    """Run one server of `dance ui` in this process; start `code` first."""
    from pipelines.web.code_server import code_socket, wait_for_code_server

    with common.reported(debug):
        if part not in PARTS:
            raise InputError(
                f"there is no server {part!r}", hint=f"Choose one of {', '.join(PARTS)}"
            )
        opened = common.opened(store)
        found = addresses_of_ports(os.environ, dagster_port, mlflow_port)
        if part == "code":
            prepare(opened, found, common.console())
        elif part == "mlflow":  # the others wait by themselves
            wait_for_code_server(code_socket(opened))  # it starts once the databases are there
        command = server_commands(opened, dagster_port, mlflow_port, allow_host or ())[part]
        # In place of this process, so that signals reach the server itself.
        os.execve(command[0], command, server_environment(opened, found))
