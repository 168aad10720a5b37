"""Where databases are, servers that are away, and databases that a process was killed in.

Whoever opens one of those next must be able to repair it.
"""

import json
import logging
import shutil
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
import yaml
from postgres import Server, both, on_server
from registry_case import Case
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import DatabaseError

from dance_models.errors import InputError
from pipelines.commands.verify import verified
from pipelines.storage.backup import back_up, restore
from pipelines.storage.creation import check_database, with_storage
from pipelines.storage.databases import (
    NOTE,
    SQLITE_WAIT,
    VARIABLES,
    Databases,
    alone,
    connection_to,
    held_open,
    loss_reported,
    named,
    noted,
    settle_databases,
    wait_for_locks,
    without_retries,
)
from pipelines.storage.dumps import dump
from pipelines.storage.evaluations import own_store
from pipelines.storage.store import Store, open_instance
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


@both
def test_only_runs_that_are_running_are_found(case: Case, tmp_path: Path) -> None:
    assert case.tracker.running() == {}
    tags = {DAGSTER_RUN_TAG: "d1"}
    done, running = (case.tracker.open_run(tmp_path / name, name, tags) for name in "ab")
    case.tracker.open_run(tmp_path / "c", "c", {})
    case.tracker.close_run(done, "FINISHED")
    assert case.tracker.running() == {running: "d1"}


def test_a_backup_holds_what_was_committed(store: Store, tmp_path: Path) -> None:
    back_up(store, tmp_path / "backup")
    again = Store(root=str(tmp_path / "again"))
    restore(tmp_path / "backup", again)
    with closing(sqlite3.connect(again.mlflow_database)) as copy:
        assert copy.execute("SELECT status FROM runs").fetchall() == [("RUNNING",)]


def test_it_is_not_taken_for_damaged(store: Store) -> None:
    assert not any("mlflow.db" in found.file for found in verified(store))
    check_database(store.mlflow_database, "nothing")


URL = "postgresql://dance@db.example:5433"
TWO = dict(zip(VARIABLES.values(), (f"{URL}/dagster", f"{URL}/mlflow"), strict=True))


def test_the_environment_decides_for_a_new_store_and_the_store_remembers(tmp_path: Path) -> None:
    made = settle_databases(tmp_path, TWO, new=True)
    assert made == noted(tmp_path) == Databases(f"{URL}/dagster", f"{URL}/mlflow")
    for environment in ({}, TWO):
        assert settle_databases(tmp_path, environment, new=False) == made
    other = {name: f"{address}2" for name, address in TWO.items()}
    with pytest.raises(InputError, match=rf"{NOTE}: .* other databases than the store"):
        settle_databases(tmp_path, other, new=False)


def test_a_store_with_files_keeps_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has its own in files of SQLite"):
        settle_databases(tmp_path, TWO, new=False)
    assert noted(tmp_path) is None
    assert settle_databases(tmp_path, {}, new=True) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://dance:geheim@db/dagster", "holds a password"),
        ("postgresql://dance@db/dagster?password=geheim", "holds a password"),
        ("postgresql://dance@db/dagster?sslpassword=geheim", "holds a password"),
        ("postgresql://dance@db:port/dagster", "is none"),
        ("postgresql://dance:geheim/dagster", "is none"),
        ("mysql://dance@db/dagster", "not of the form"),
        ("postgresql://dance@db", "not of the form"),
        ("dagster", "is none"),
        ("", "belong together"),
        (f"{URL}/mlflow", "a database each"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(address: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        named({**TWO, VARIABLES["dagster"]: address})
    assert "geheim" not in str(error.value)


def test_a_note_that_is_damaged_is_named(tmp_path: Path) -> None:
    for damaged in ("{", "{}", json.dumps({"dagster": "x", "mlflow": "y"})):
        (tmp_path / NOTE).write_text(damaged)
        with pytest.raises(InputError) as error:
            noted(tmp_path)
        assert str(error.value).startswith(str(tmp_path / NOTE))


def test_an_edited_configuration_of_dagster_keeps_its_own_lines() -> None:
    once = with_storage("telemetry: {enabled: false}", f"{URL}/a")
    assert yaml.safe_load(once)["storage"] == {"postgres": {"postgres_url": f"{URL}/a"}}
    assert yaml.safe_load(with_storage(once, f"{URL}/b")) == {
        "telemetry": {"enabled": False},
        "storage": {"postgres": {"postgres_url": f"{URL}/b"}},
    }
    with pytest.raises(InputError, match="names a storage"):
        with_storage("run_storage: {}\n", f"{URL}/a")


@on_server
def test_a_server_that_is_away_is_named_by_every_command(
    tmp_path: Path, databases: str, server: Server
) -> None:
    made = Store(root=str(tmp_path / "store"))
    open_instance(made).dispose()
    assert made.databases is not None
    server.stop()
    try:
        for used in (open_instance, Tracker(made).running, lambda: next(verified(made))):
            with pytest.raises(InputError, match=rf"127.0.0.1:{server.port}/t\w+: .*Start the"):
                used(made) if used is open_instance else used()
        with pytest.raises(InputError, match="Start the"), loss_reported(made.databases):
            raise RuntimeError("DagsterPostgresException: too many retries for DB connection")
    finally:
        server.start()
    with pytest.raises(InputError, match="can be reached again"), loss_reported(made.databases):
        raise RuntimeError("DagsterPostgresException: too many retries for DB connection")
    from psycopg2.errors import DiskFull

    full = DiskFull("could not extend file: No space left on device\nHINT: free space")
    said = r"\(could not extend file: No space left on device\); it can be reached"
    with pytest.raises(InputError, match=said), loss_reported(made.databases):
        raise DatabaseError("INSERT INTO event_logs", {}, full)
    with pytest.raises(ValueError, match="other"), loss_reported(made.databases):
        raise ValueError("other")
    open_instance(made).dispose()


ADVISORY = "FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory'"


@on_server
def test_work_is_done_although_the_connection_that_held_its_lock_is_lost(
    tmp_path: Path, databases: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = _of_a_store(tmp_path)
    end = text(f"SELECT pg_terminate_backend(pid) {ADVISORY}")

    def lose() -> None:
        with connection_to(made.mlflow) as connection:
            assert connection.execute(end).all() == [(True,)]
        while _held(made):  # it is ended soon after
            time.sleep(0.01)

    with alone(made, ".registry.lock"):
        lose()
    (record,) = caplog.records
    assert "held the lock .registry.lock was lost" in record.getMessage()
    with pytest.raises(ValueError, match="of the work"), alone(made, ".registry.lock"):
        lose()
        raise ValueError("of the work")


@on_server
def test_a_lock_waits_in_no_transaction_and_ends_with_its_block(
    tmp_path: Path, databases: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A server may end connections that are idle in a transaction."""
    made = _of_a_store(tmp_path)
    with alone(made, ".registry.lock"):
        assert _held(made) == ["idle"]
    assert _held(made) == []
    assert caplog.records == []


def _of_a_store(folder: Path) -> Databases:
    """The databases of a new store."""
    made = Store(root=str(folder / "store")).initialise().databases
    assert made is not None
    return made


def _held(made: Databases) -> list[str]:
    """The states of the connections that hold locks."""
    with connection_to(made.mlflow) as connection:
        return [state for (state,) in connection.execute(text(f"SELECT state {ADVISORY}"))]


@on_server
def test_a_database_that_is_not_empty_or_not_complete_is_refused(
    tmp_path: Path, databases: str
) -> None:
    made = Store(root=str(tmp_path / "store")).initialise()
    assert made.databases is not None
    for table, said in (("dances", "such as dances"), ("runs", "was never completed")):
        with connection_to(made.databases.dagster) as connection:
            connection.execute(text(f"CREATE TABLE {table} (id int)"))
        with pytest.raises(InputError, match=rf"{said}.*createdb"):
            open_instance(made)


def test_one_database_under_two_names_is_refused(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = server.address(server.create())
    monkeypatch.setenv(VARIABLES["dagster"], one)
    monkeypatch.setenv(VARIABLES["mlflow"], one.replace("127.0.0.1", "localhost"))
    made = Store(root=str(tmp_path / "store"))
    open_instance(made).dispose()
    with pytest.raises(InputError, match="need a database each"):
        Tracker(made).initialise()
    open_instance(made).dispose()


@on_server
def test_dagsters_database_of_another_store_is_refused_and_goes_with_its_own(
    tmp_path: Path, databases: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cleaning one store would delete the runs of the other."""
    first = Store(root=str(tmp_path / "first"))
    open_instance(first).dispose()
    monkeypatch.setenv(VARIABLES["mlflow"], server.address(server.create()))
    second = Store(root=str(tmp_path / "second"))
    for _ in range(2):
        with pytest.raises(InputError, match=rf"of Dagster belongs to the store {first.path}\."):
            open_instance(second)
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable)
    open_instance(first).dispose()
    first.path.rename(tmp_path / "moved")
    open_instance(Store(root=str(tmp_path / "moved"))).dispose()


@on_server
def test_the_store_of_an_evaluated_corpus_has_files(tmp_path: Path, databases: str) -> None:
    """It lies in the store that the environment names the databases of."""
    made = Store(root=str(tmp_path / "store")).initialise()
    assert made.databases is not None
    assert own_store(made, "corpus").databases is None


@on_server
def test_a_path_that_mlflow_cannot_keep_on_a_server_is_refused(
    tmp_path: Path, databases: str
) -> None:
    with pytest.raises(InputError, match="too long for MLflow"):
        Store(root=str(tmp_path / ("long" * 40))).initialise()


@on_server
def test_a_backup_has_dumps_that_restore(case: Case, tmp_path: Path, server: Server) -> None:
    if shutil.which("pg_restore") is None:
        pytest.skip("pg_restore is not installed")
    run_id = case.tracker.open_run(tmp_path, "a", {DAGSTER_RUN_TAG: "d1"})
    back_up(case.store, tmp_path / "backup")
    again = Store(root=str(tmp_path / "again"))
    restore(tmp_path / "backup", again)
    with pytest.raises(InputError, match="a copy of the store"):
        again.settled()
    own = {name: server.address(server.create()) for name in VARIABLES}
    for name, address in own.items():
        source = again.path / "databases" / f"{name}.dump"
        subprocess.run(["pg_restore", "--no-owner", "-d", address, source], check=True)
    (again.path / NOTE).write_text(json.dumps(own))
    tracker = Tracker(again.settled())
    assert tracker.running() == {run_id: "d1"}
    assert tracker.client.get_run(run_id).info.artifact_uri.startswith(again.path.as_uri())


def test_a_backup_without_the_tool_says_what_is_left_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert dump(Databases(f"{URL}/dagster", f"{URL}/mlflow"), tmp_path) == ["databases/README.txt"]
    said = (tmp_path / "databases" / "README.txt").read_text()
    assert "NOT in this backup" in said
    assert f"pg_dump -Fc -d {URL}/mlflow -f mlflow.dump" in said


def test_dagsters_retries_are_not_printed() -> None:
    """The error at their end says the same once."""
    for message, printed in (("Retrying failed database connection: %s", False), ("other", True)):
        record = logging.LogRecord("root", logging.WARNING, "", 0, message, ("x",), None)
        assert without_retries(record) == printed


@pytest.mark.parametrize(("journal", "waits"), [("wal", 1), ("delete", 2)])
def test_a_log_that_is_written_ahead_is_copied_at_the_end_alone(
    tmp_path: Path, journal: str, waits: int
) -> None:
    """1: a commit does not wait for the disk; databases without such a log are as they were."""
    path = tmp_path / "events.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute(f"PRAGMA journal_mode = {journal}")
        made.execute("CREATE TABLE events (number INTEGER)")
    log = tmp_path / "events.db-wal"
    made = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with held_open():
        for number in range(3):
            with made.begin() as connection:
                assert connection.execute(text("PRAGMA synchronous")).scalar() == waits
                connection.execute(text("INSERT INTO events VALUES (:n)"), {"n": number})
            assert log.exists() == (journal == "wal")
        with closing(sqlite3.connect(path)) as other:  # nobody is kept out
            assert other.execute("SELECT count(*) FROM events").fetchone() == (3,)
            other.execute("DELETE FROM events WHERE number = 0")
            other.commit()
    assert not log.exists()
    with made.begin() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("SELECT count(*) FROM events")).scalar() == 2


def test_what_was_committed_outlives_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute("PRAGMA journal_mode = wal")
        made.execute("CREATE TABLE events (number INTEGER)")
    killed = """if True:
        import os, signal, sys
        from sqlalchemy import NullPool, create_engine, text
        from pipelines.storage.databases import held_open
        made = create_engine(f"sqlite:///{sys.argv[1]}", poolclass=NullPool)
        with held_open():
            for number in range(50):
                with made.begin() as connection:
                    connection.execute(text("INSERT INTO events VALUES (1)"))
            os.kill(os.getpid(), signal.SIGKILL)
    """
    assert subprocess.run([sys.executable, "-c", killed, str(path)], check=False).returncode == -9
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT count(*) FROM events").fetchone() == (50,)
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_damaged_database_is_told_of_by_who_uses_it(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.write_bytes(b"no database" * 500)
    made = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with held_open(), made.connect() as connection, pytest.raises(DatabaseError):
        connection.execute(text("SELECT * FROM events"))


@dg.job
def a_job() -> None:
    """A job of no steps."""


@pytest.mark.parametrize(("asked", "waits"), [({}, 60_000), ({"timeout": 7}, 7000)])
def test_a_database_in_use_is_waited_for_longer_than_by_default(
    tmp_path: Path, asked: dict[str, float], waits: int
) -> None:
    """As Dagster opens that of its runs; who asks for another time gets that."""
    wait_for_locks()
    wait_for_locks()
    address = f"sqlite:///{tmp_path / 'runs.db'}"
    with create_engine(address, poolclass=NullPool, connect_args=asked).connect() as connection:
        assert connection.execute(text("PRAGMA busy_timeout")).scalar_one() == waits


def test_a_run_is_noted_when_its_database_was_in_use_for_longer_than_sqlite_waits(
    tmp_path: Path,
) -> None:
    store = Store(root=str(tmp_path / "store")).initialise()
    with open_instance(store) as instance, ThreadPoolExecutor(1) as other:
        run = instance.create_run_for_job(a_job)
        path = store.dagster_home / "history" / "runs.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as holder:
            holder.execute("BEGIN EXCLUSIVE")
            noted = other.submit(instance.report_run_canceled, run)
            time.sleep(SQLITE_WAIT + 1)
            holder.execute("ROLLBACK")
        noted.result(60)
        found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is dg.DagsterRunStatus.CANCELED
