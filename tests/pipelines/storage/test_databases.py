"""Databases that a process was killed in: whoever opens one next must be able to repair it."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pipelines.commands.verify import verified
from pipelines.storage.backup import back_up, restore
from pipelines.storage.creation import check_database
from pipelines.storage.store import Store
from pipelines.tracking.tracker import DAGSTER_RUN_TAG, Tracker

# As MLflow leaves its database when it is killed while it writes: pages of an unfinished
# transaction are in the file, and the journal that undoes them lies beside it.
KILLED = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 2")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE runs SET status = 'FINISHED'")
for _ in range(300):
    connection.execute("INSERT INTO filler VALUES (?)", ("x" * 2000,))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store whose MLflow has one run that is running, left by a writer that was killed."""
    made = Store(root=str(tmp_path / "store")).initialise()
    made.mlflow.mkdir(exist_ok=True)
    with closing(sqlite3.connect(made.mlflow_database)) as connection, connection:
        connection.execute("CREATE TABLE runs (run_uuid, status)")
        connection.execute("CREATE TABLE tags (run_uuid, key, value)")
        connection.execute("CREATE TABLE filler (text)")
        connection.execute("CREATE TABLE alembic_version (version_num)")
        connection.execute("INSERT INTO runs VALUES ('a', 'RUNNING')")
        connection.execute("INSERT INTO tags VALUES ('a', ?, 'run')", (DAGSTER_RUN_TAG,))
        connection.execute("INSERT INTO alembic_version VALUES ('1')")
        connection.executemany("INSERT INTO filler VALUES (?)", [("y" * 2000,)] * 300)
    done = subprocess.run([sys.executable, "-c", KILLED, str(made.mlflow_database)], check=False)
    assert done.returncode == -9
    assert made.mlflow_database.with_name("mlflow.db-journal").stat().st_size
    return made


def test_the_runs_that_are_running_are_found(store: Store) -> None:
    assert Tracker(store).running() == {"a": "run"}


def test_a_backup_holds_what_was_committed(store: Store, tmp_path: Path) -> None:
    back_up(store, tmp_path / "backup")
    again = Store(root=str(tmp_path / "again"))
    restore(tmp_path / "backup", again)
    with closing(sqlite3.connect(again.mlflow_database)) as copy:
        assert copy.execute("SELECT status FROM runs").fetchall() == [("RUNNING",)]


def test_it_is_not_taken_for_damaged(store: Store) -> None:
    assert not any("mlflow.db" in found.file for found in verified(store))
    check_database(store.mlflow_database, "nothing")
