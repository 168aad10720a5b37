"""The code server: the process that holds the graph, for web server, daemon and runs alike.

It listens on a socket in the store, which other users cannot reach. Each of the three processes
can be started again by itself.
"""

import hashlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Final

from dance_models.errors import InputError
from dance_models.tables import write_text
from pipelines.storage.store import Store

# Also the name of the code location: Dagster keeps the switches of sensors under it.
MODULE: Final = "pipelines.definitions"
LONGEST_SOCKET: Final = 100  # bytes; the system takes 107
START_S: Final = 120.0  # importing the graph takes 3 s on an idle machine


def code_socket(store: Store) -> Path:
    """The socket of a store's code server; beside the temporary files when the path is too long."""
    path = store.dagster_home / "code.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET:
        return path
    name = hashlib.sha256(os.fsencode(store.path)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"dance-{os.getuid()}-{name}" / "code.sock"


def workspace_file(store: Store) -> Path:
    """The file that tells web server and daemon where the code server is."""
    return store.dagster_home / "workspace.yaml"


def write_workspace(store: Store) -> None:
    """Write that file, and make the socket's folder.

    Raises InputError when the folder belongs to somebody else.
    """
    socket = code_socket(store)
    socket.parent.mkdir(mode=0o700, exist_ok=True)
    if socket.parent.stat().st_uid != os.getuid():
        raise InputError(
            "the folder of the code server's socket belongs to another user",
            file=socket.parent,
            hint="Use the store as the user who owns it",
        )
    server = {"location_name": MODULE, "socket": str(socket), "host": "localhost"}
    # JSON is YAML.
    write_text(workspace_file(store), json.dumps({"load_from": [{"grpc_server": server}]}) + "\n")


def wait_for_code_server(socket: Path, seconds: float = START_S) -> None:
    """Wait until the code server answers: Dagster does not try again by itself.

    Raises InputError when it does not answer in time.
    """
    from dagster._core.errors import DagsterUserCodeUnreachableError
    from dagster._grpc.client import DagsterGrpcClient

    client = DagsterGrpcClient(socket=str(socket))
    deadline = time.monotonic() + seconds
    while True:
        try:
            client.ping("")
        except DagsterUserCodeUnreachableError:
            if time.monotonic() > deadline:
                raise InputError(
                    f"the code server does not answer after {seconds:.0f} s",
                    file=socket,
                    hint="Start it with `dance serve code`",
                ) from None
            time.sleep(0.5)
        else:
            return
