import json
import shutil
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path

import bucket
import dagster as dg
import postgres
import pytest
from bucket import BUCKET, FOLDER
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from postgres import SERVER, SQLITE
from quick_databases import copy_databases, instance_for_test, read_migrations_once
from registry_case import Case, make_case
from tiny_corpus import Corpus, MakeCorpus, write_tracks

from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus
from dance_models.processes import start_fork_server
from pipelines.executors import PRELOADED_FOR_NETWORKS
from pipelines.storage.databases import NOTE, VARIABLES
from pipelines.storage.store import Store


@pytest.fixture(scope="session", autouse=True)
def migrations_read_once() -> Iterator[None]:
    """Of a database's versions, which never change while tests run."""
    with pytest.MonkeyPatch.context() as patch:
        read_migrations_once(patch)
        yield


@pytest.fixture(autouse=True)
def copied_databases() -> Iterator[None]:
    """New stores get copies of databases; tests of how these are made replace this fixture."""
    with pytest.MonkeyPatch.context() as patch:  # the test's own is undone before its instance
        copy_databases(patch)
        yield


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An empty Dagster instance that ends with the test."""
    with instance_for_test() as made:
        yield made


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A line for each time that the database is asked for all clips."""
    lines: list[str] = []
    read = SqlEventLogStorage.get_dynamic_partitions

    def counted(log: SqlEventLogStorage, partitions_def_name: str) -> object:
        lines.append(partitions_def_name)
        return read(log, partitions_def_name)

    monkeypatch.setattr(SqlEventLogStorage, "get_dynamic_partitions", counted)
    return lines


@pytest.fixture(scope="session")
def fork_server() -> None:
    """The server that commands in this process fork workers and steps from has all they import.

    A command starts one with what it needs itself, and here many commands share it: without this
    its processes would import what the first command had no use for, each for seconds.
    """
    _start_fork_server()


@pytest.fixture
def own_fork_server(fork_server: None) -> Iterator[None]:
    """The steps of this test get its environment: they have that in which their server began."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    yield
    _start_fork_server()


def _start_fork_server() -> None:
    forkserver._forkserver._stop()  # type: ignore[attr-defined]  # that of an earlier test
    start_fork_server(PRELOADED_FOR_NETWORKS)


@pytest.fixture(scope="session")
def make_corpus(tmp_path_factory: pytest.TempPathFactory, fork_server: None) -> MakeCorpus:
    """``make_corpus(clips, frames)``: a fresh copy of a rendered corpus."""

    def make(clips: int, frames: int, seed: int = 0) -> Corpus:
        corpus = Corpus(tmp_path_factory.mktemp("corpus"))
        config = DemoCorpusConfig(clips, frames, seed=seed, size=(160, 120))
        write_demo_corpus(corpus.root, config)
        write_tracks(corpus)
        return corpus

    return make


@pytest.fixture(scope="session")
def registry_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with its data set and an empty registry; creating the database takes seconds."""
    folder = tmp_path_factory.mktemp("template") / "store"
    make_case(folder).tracker.client.search_experiments(max_results=1)
    return folder


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    """A private server of PostgreSQL; without its programs the test is skipped."""
    with postgres.server() as started:
        yield started


@pytest.fixture(scope="session")
def server_template(
    server: postgres.Server, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """The same as ``registry_template`` on PostgreSQL, and the name of MLflow's database."""
    folder = tmp_path_factory.mktemp("template") / "store"
    with pytest.MonkeyPatch.context() as patch:
        for variable, address in server.environment().items():
            patch.setenv(variable, address)
        Store(root=str(folder)).initialise()
    make_case(folder).tracker.client.search_experiments(max_results=1)
    return folder, json.loads((folder / NOTE).read_text())["mlflow"].rsplit("/", 1)[1]


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """Which databases a store has; tests marked with ``postgres.both`` run on each kind."""
    return str(getattr(request, "param", SQLITE))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 server; without its packages the test is skipped."""
    with bucket.server() as address:
        yield address


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment of the test names an S3 server."""
    for variable, value in bucket.variables(s3_server).items():
        monkeypatch.setenv(variable, value)
    return s3_server


@pytest.fixture
def place(request: pytest.FixtureRequest) -> str:
    """Where a store lies; tests marked with ``bucket.folder_and_bucket`` run on each kind."""
    chosen = str(getattr(request, "param", FOLDER))
    if chosen == BUCKET:
        request.getfixturevalue("s3")
    return chosen


@pytest.fixture
def databases(kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """New stores of the test have databases of the kind."""
    if kind == SERVER:
        for variable, address in request.getfixturevalue("server").environment().items():
            monkeypatch.setenv(variable, address)
    return kind


@pytest.fixture
def case(
    tmp_path: Path,
    kind: str,
    place: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Case:
    """A store for one test; timing is tested elsewhere and would take seconds per gate."""
    monkeypatch.setattr("dance_models.evaluation.gate_evidence.processor_p95", lambda path: 5.0)
    folder = tmp_path / "store"
    if kind == SERVER:
        server, (template, mlflow) = map(request.getfixturevalue, ("server", "server_template"))
        shutil.copytree(template, folder)
        own = {"dagster": server.create(), "mlflow": server.create(mlflow)}
        note = {name: server.address(database) for name, database in own.items()}
        assert note.keys() == VARIABLES.keys()
        (folder / NOTE).write_text(json.dumps(note))
    else:
        shutil.copytree(request.getfixturevalue("registry_template"), folder)
    if place == BUCKET:
        bucket.connect(folder)
    made = make_case(folder)
    made.tracker.initialise()
    return made
