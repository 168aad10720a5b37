"""``dance serve``: one server of ``dance ui``, for systemd units and containers, or the API."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from dance_models.errors import InputError
from pipelines.commands import common
from pipelines.commands.ui import (
    PARTS,
    AllowHostOption,
    DagsterPortOption,
    MlflowPortOption,
    check_port,
    prepare,
    server_commands,
    server_environment,
)
from pipelines.shown import saying
from pipelines.storage.addresses import DAGSTER_PORT, MLFLOW_PORT, addresses_of_ports, host_names

if TYPE_CHECKING:
    from pipelines.storage.store import Store

API: Final = "api"
API_PORT: Final = 8000
HostOption = Annotated[
    str, typer.Option("--host", help="Of `api`: the address to listen on; 127.0.0.1 is loopback.")
]
PortOption = Annotated[int, typer.Option("--port", min=1, max=65535, help="Of `api`: its port.")]
ShippedOption = Annotated[
    bool, typer.Option("--shipped", help="Of `api`: the networks of the package, not a store's.")
]


def serve(
    part: Annotated[str, typer.Argument(help=f"{', '.join(PARTS)} or {API}.")],
    store: common.StoreOption = common.DEFAULT_STORE,
    dagster_port: DagsterPortOption = DAGSTER_PORT,
    mlflow_port: MlflowPortOption = MLFLOW_PORT,
    allow_host: AllowHostOption = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = API_PORT,
    shipped: ShippedOption = False,
    debug: common.DebugOption = False,
) -> None:
    """Run one server of `dance ui` in this process (start `code` first), or `api`.

    `api` answers with the champions of the store over HTTP, or with the networks of the package.
    """
    from pipelines.storage.disk import full_disk_reported
    from pipelines.storage.locks import share_from_now_on
    from pipelines.web.code_server import code_socket, wait_for_code_server

    with common.reported(debug):
        if part not in {*PARTS, API}:
            raise InputError(
                f"there is no server {part!r}", hint=f"Choose one of {', '.join((*PARTS, API))}"
            )
        hosts, opened = host_names(allow_host), common.opened(store)
        if part == API:
            _become_api(None if shipped else opened, host, port, hosts)
        found = addresses_of_ports(os.environ, dagster_port, mlflow_port)
        if part == "code":
            with full_disk_reported(opened.path):
                prepare(opened, found, common.console())
                share_from_now_on(opened.commands_lock)  # its graph has the partitions of now
        elif part == "mlflow":  # the others wait by themselves
            wait_for_code_server(code_socket(opened))  # it starts once the databases are there
        command = server_commands(opened, dagster_port, mlflow_port, hosts)[part]
        # In place of this process, so that signals reach the server itself.
        os.execve(command[0], command, server_environment(opened, found))


def _become_api(store: "Store | None", host: str, port: int, allowed_hosts: Sequence[str]) -> None:
    """Go on as the API's server. Raises InputError when the port is taken."""
    from pipelines.tracking.tracker import MLFLOW_ENVIRONMENT

    check_port(port, "--port", host)
    if store is not None and not store.exists():
        say = saying(common.console())
        say(f"There is no store in {store.path}: the shipped networks are served.")
        store = None
    command = [
        sys.executable, "-m", "pipelines.web.api_server", "--host", host, "--port", str(port),
        *(["--store", str(store.path)] if store is not None else []),
        *(option for name in allowed_hosts for option in ("--allow-host", name)),
    ]  # fmt: skip
    os.execve(command[0], command, {**os.environ, **MLFLOW_ENVIRONMENT})
