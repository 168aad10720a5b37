"""A store is created once, however many processes are first, and wherever one is killed."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from postgres import SERVER, both

from dance_models.errors import InputError
from pipelines.storage import creation
from pipelines.storage.creation import (
    CREATING,
    DATABASES,
    check_database,
    create_databases,
    is_created,
)
from pipelines.storage.store import Store, open_instance

OPEN = """
import sys
from pipelines.storage.store import Store, open_instance
with open_instance(Store(root=sys.argv[1])) as instance:
    print(len(instance.get_runs()), sorted(p.name for p in
        instance.event_log_storage.get_pool_limits()))
"""
# It is killed there: watching its files from outside would sometimes miss the moment.
STAYS = """
import time
from pipelines.storage import creation
def stay(*rest):
    print("creating", flush=True)
    time.sleep(600)
creation.set_pools = stay
"""
READY = "0 ['decode', 'gpu']\n"


@pytest.fixture(autouse=True)
def copied_databases() -> None:
    """Here the databases are made."""


def start(store: Path, code: str = OPEN) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, str(store)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def versions(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return len(connection.execute("SELECT * FROM alembic_version").fetchall())


@both
def test_several_processes_can_be_the_first(tmp_path: Path, databases: str) -> None:
    """Each of them ends with 0, and every database has one version."""
    store = Store(root=str(tmp_path / "store"))
    together = [start(store.path) for _ in range(3)]
    outputs = [process.communicate(timeout=600) for process in together]
    assert [process.returncode for process in together] == [0, 0, 0], outputs
    assert {output for output, _ in outputs} == {READY}
    if (noted := store.databases) is not None:
        check_database(noted.dagster, "")
        assert databases == SERVER
        assert not is_created(store.dagster_home)
        return
    assert {versions(store.dagster_home / name) for name in DATABASES} == {1}
    assert not (store.dagster_home / CREATING).exists()


def test_a_creation_that_was_killed_is_completed_by_the_next_command(tmp_path: Path) -> None:
    """Killed before the last tables are filled; nothing half-made is ever in place."""
    store = Store(root=str(tmp_path / "store"))
    killed = start(store.path, STAYS + OPEN)
    assert killed.stdout is not None
    assert killed.stdout.readline() == "creating\n"
    assert (store.dagster_home / CREATING / "history").exists()
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not is_created(store.dagster_home)
    with open_instance(store) as instance:
        assert instance.get_runs() == []
    assert {versions(store.dagster_home / name) for name in DATABASES} == {1}
    assert not (store.dagster_home / CREATING).exists()


def test_a_database_that_is_missing_is_made_and_the_others_stay(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path / "store"))
    with open_instance(store) as instance:
        instance.add_dynamic_partitions("clips", ["solo"])
    (store.dagster_home / "schedules/schedules.db").unlink()
    with open_instance(store) as instance:
        assert instance.get_dynamic_partitions("clips") == ["solo"]
        assert list(instance.all_instigator_state()) == []


def _two_versions(path: Path) -> None:
    """As two processes of an earlier version left it."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO alembic_version VALUES ('16e3655b4d9b')")


def _no_version(path: Path) -> None:
    """As a killed process of an earlier version left it."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM alembic_version")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_two_versions, "has 2 versions"),
        (_no_version, "was never completed"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"no database" * 500), "is damaged"),
    ],
)
@pytest.mark.parametrize("name", ["history/runs.db", "schedules/schedules.db"])
def test_a_database_that_cannot_be_used_is_named_with_a_remedy(
    tmp_path: Path, created: Path, name: str, damage: Callable[[Path], None], message: str
) -> None:
    store = Store(root=str(created))
    path = store.dagster_home / name
    before = path.read_bytes()
    damage(path)
    with pytest.raises(InputError, match=f"{message}.*backup, or delete it") as error:
        open_instance(store)
    assert str(path) in str(error.value)
    path.write_bytes(before)
    with open_instance(store) as instance:
        assert instance.get_runs() == []


@pytest.fixture(scope="module")
def created(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new store; the tests put back what they damage."""
    store = Store(root=str(tmp_path_factory.mktemp("created") / "store"))
    open_instance(store).dispose()
    return store.path


def test_a_store_that_keeps_its_databases_elsewhere_gets_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edited dagster.yaml decides."""
    monkeypatch.setattr(creation, "create_databases", pytest.fail)
    store = Store(root=str(tmp_path / "store")).initialise()
    elsewhere = tmp_path / "elsewhere"
    config = store.dagster_home / "dagster.yaml"
    config.write_text(
        f"{config.read_text()}\nstorage: {{sqlite: {{base_dir: {str(elsewhere)!r}}}}}\n"
    )
    with open_instance(store) as instance:
        assert instance.get_runs() == []
    assert (elsewhere / "history/runs.db").is_file()
    assert not is_created(store.dagster_home)


def test_what_a_killed_process_left_is_begun_anew(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path / "store")).initialise()
    left = store.dagster_home / CREATING / "history" / "runs.db"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a database")
    create_databases(store.dagster_home, {"gpu": 1})
    assert versions(store.dagster_home / "history/runs.db") == 1


@pytest.mark.parametrize("name", ["what?", "50%20off"])
def test_a_path_that_no_database_address_can_hold_is_refused(tmp_path: Path, name: str) -> None:
    """SQLAlchemy would create the databases in another folder."""
    with pytest.raises(InputError, match=r"address of a database.*Rename"):
        Store(root=str(tmp_path / name)).initialise()
    assert list(tmp_path.iterdir()) == []
