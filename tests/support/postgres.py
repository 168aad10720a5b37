"""A private server of PostgreSQL for the tests, where its programs are installed."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipelines.storage.databases import VARIABLES

# The kinds of databases: ``@both`` runs a test that asks for ``databases`` or ``case`` on each.
SQLITE, SERVER = "sqlite", "postgresql"
on_server = pytest.mark.parametrize("kind", [SERVER], indirect=True)
both = pytest.mark.parametrize("kind", [SQLITE, SERVER], indirect=True)
slow_both = pytest.mark.parametrize(
    "kind", [SQLITE, pytest.param(SERVER, marks=pytest.mark.slow)], indirect=True
)


@dataclass
class Server:
    """A running server; everybody on this machine may use it."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    def address(self, database: str) -> str:
        """The address of one of its databases."""
        return f"postgresql://tester@127.0.0.1:{self.port}/{database}"

    def create(self, template: str = "template0") -> str:
        """A new database, empty or a copy of another one of this server; its name."""
        name = f"t{secrets.token_hex(6)}"
        # A database that somebody is connected to cannot be copied; MLflow keeps its connections.
        self.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{template}'"
        )
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def execute(self, statement: str) -> None:
        """Run a statement outside of a transaction."""
        with self._cursor() as cursor:
            cursor.execute(statement)

    def number(self, query: str) -> int:
        """The one number that a query finds."""
        with self._cursor() as cursor:
            cursor.execute(query)
            return int(cursor.fetchone()[0])

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        import psycopg2

        connection = psycopg2.connect(self.address("postgres"))
        connection.autocommit = True
        try:
            yield connection.cursor()
        finally:
            connection.close()

    def environment(self) -> dict[str, str]:
        """The variables that put a new store's databases here."""
        return {name: self.address(self.create()) for name in VARIABLES.values()}

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [
            str(_programs() / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port),
            "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
            "-c", "fsync=off", "-c", "shared_buffers=16MB",
        ]  # fmt: skip
        log = self.folder.with_name(f"{self.folder.name}.log").open("ab")
        with log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, **_owner())
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self.process.poll() is None, "it has ended"
            assert time.monotonic() < deadline, "no answer in a minute"
            time.sleep(0.05)

    def _answers(self) -> bool:
        import psycopg2

        try:
            psycopg2.connect(self.address("postgres")).close()
        except psycopg2.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Stop it at once, as a crash would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(timeout=60)
            self.process = None


@contextmanager
def server() -> Iterator[Server]:
    """A server with an empty cluster; skips the test where there are no programs for it."""
    pytest.importorskip("dagster_postgres", reason="the extra [postgres] is not installed")
    if not _programs().is_dir():
        pytest.skip("PostgreSQL's initdb is not installed")
    if os.geteuid() == 0 and not _owner():
        pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres")
    folder = Path(tempfile.mkdtemp(prefix="dance-postgres-"))
    try:
        if _owner():
            shutil.chown(folder, "postgres")
        made = [
            str(_programs() / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "tester",
            "--no-sync", "--no-instructions",
        ]  # fmt: skip
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd=folder, **_owner())
        found = Server(folder, free_port())
        found.start()
        try:
            yield found
        finally:
            found.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_name(f"{folder.name}.log").unlink(missing_ok=True)


def _programs() -> Path:
    """Where the newest version is; Debian keeps them off the path."""
    found = shutil.which("initdb")
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return Path(found or (versions or ["/none/initdb"])[-1]).resolve().parent


def _owner() -> dict[str, Any]:
    """For subprocess: the user that the server runs as, when the tests run as root."""
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        return {}
    as_other = {"user": "postgres", "group": "postgres", "extra_groups": []}
    return as_other if os.geteuid() == 0 else {}


def free_port() -> int:
    """A port of this machine that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
