"""The whole graph on a cluster of Ray, whose workers and one node are killed while it runs.

Two nodes are processes of this machine. What comes out has to be what an undisturbed run on one
machine gives. ``CLUSTER_CLIPS=8`` makes a smaller corpus, for a look.
"""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import bucket
import dagster as dg
import polars as pl
import psutil
import pytest
from command_line import dance
from postgres import Server
from ray_nodes import Nodes, can_mount, killed_within, nodes
from tiny_corpus import Corpus, MakeCorpus, set_apart
from watched_process import wait_until

from pipelines.processes import EXIT_INTERRUPTED
from pipelines.recovery import UNFINISHED, recover
from pipelines.storage.bucket import Bucket
from pipelines.storage.locks import held_locks
from pipelines.storage.place import TABLES
from pipelines.storage.remote import SCRATCH_VARIABLE, scratch_of
from pipelines.storage.store import Store, open_instance
from pipelines.tracking.tracker import Tracker

# Of a machine that does other things too; on idle ones a test takes some minutes.
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]

CLIPS: Final = int(os.environ.get("CLUSTER_CLIPS", "60"))
FEWER_CLIPS: Final = max(CLIPS // 3, 4)  # enough for both nodes to make some
OF_A_CLIP: Final = ("clip_probe", "sampled_frames", "pose_tracks")
# The two groups of ``make cluster-test`` go side by side, and take about as long.
on_the_corpus = pytest.mark.xdist_group("whole corpus")  # two more tests make it as long
beside = pytest.mark.xdist_group("beside")
MARK: Final = "CLUSTER_TEST"  # in the environment of a command and of all that it starts
NETWORKS: Final = ("mkff_st_gcn", "stga_net")


@dataclass(frozen=True)
class Reference:
    """What one machine makes of a corpus that nothing disturbs."""

    given: "Given"
    store: Store


class Given(NamedTuple):
    """What a command is given."""

    clips: str  # a folder, or one of a bucket
    annotations: Path
    tracks: Path

    @classmethod
    def of(cls, corpus: Corpus) -> "Given":
        """All of it on this machine."""
        return cls(str(corpus.clips), corpus.annotations, corpus.tracks)


@pytest.fixture(scope="module")
def reference(
    request: pytest.FixtureRequest,
    make_corpus: MakeCorpus,
    tmp_path_factory: pytest.TempPathFactory,
) -> Reference:
    """Of as many clips as the test names, in a folder or in a bucket; one for all tests of it."""
    count, lie_in = request.param
    corpus = make_corpus(count, 64)
    set_apart(corpus)
    given = Given.of(corpus)
    with pytest.MonkeyPatch.context() as patch:
        if lie_in == bucket.BUCKET:
            for variable, value in bucket.variables(request.getfixturevalue("s3_server")).items():
                patch.setenv(variable, value)
            given = given._replace(clips=_sent(corpus.clips))
        made = Reference(given, Store(root=str(tmp_path_factory.mktemp("local") / "store")))
        with _running(given, str(made.store.path), "local", {}) as command:
            output, _ = command.communicate(timeout=1200)
    assert command.returncode == 0, output
    return made


def _sent(folder: Path) -> str:
    """The address of a copy of a folder in a bucket."""
    url = bucket.new_url()
    for path in folder.rglob("*.*"):
        Bucket.of(url).put(path.relative_to(folder).as_posix(), path)
    return url


@pytest.fixture
def cluster(server: Server, s3: str) -> Iterator[Nodes]:
    """A cluster without nodes, for a new store with databases on PostgreSQL."""
    own = {"OMP_NUM_THREADS": "1", **server.environment(), **bucket.variables(s3)}
    with nodes(own) as made:
        yield made


@on_the_corpus
@pytest.mark.parametrize(
    "reference", [(CLIPS, bucket.FOLDER)], indirect=True, ids=[f"{CLIPS} clips"]
)
def test_a_cluster_that_loses_workers_and_a_node_makes_the_same(
    reference: Reference, cluster: Nodes, tmp_path: Path
) -> None:
    store = Store(root=str(tmp_path / "store"))
    cluster.start_head()
    second = cluster.join()
    variables = {**cluster.environment, "RAY_ADDRESS": cluster.address}
    with _running(reference.given, str(store.path), "ray:auto", variables) as command:
        for stage in OF_A_CLIP:
            killed_within(store.locks / stage)
        second.kill()
        cluster.join()
        for network in NETWORKS:
            killed_within(store.locks / "trainings" / network)
        output, _ = command.communicate(timeout=1200)
    assert command.returncode == 0, output
    _assert_same(store, reference.store)
    _assert_nothing_is_open(store)
    _assert_nothing_runs(cluster, variables)


@beside
@pytest.mark.skipif(not can_mount(), reason="this user cannot give a process other folders")
@pytest.mark.parametrize(
    "reference", [(FEWER_CLIPS, bucket.BUCKET)], indirect=True, ids=[f"{FEWER_CLIPS} clips"]
)
@pytest.mark.parametrize("partitions", [(), ("--shards", "6")], ids=["clips", "shards"])
def test_nodes_with_files_of_their_own_make_the_same_in_a_bucket(
    reference: Reference,
    cluster: Nodes,
    partitions: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second node sees other files at the paths of scratch, as another machine does.

    The clips lie in the bucket too. The node is killed within a training.
    """
    here, there = tmp_path / "scratch", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.setenv(SCRATCH_VARIABLE, str(here))
    url = bucket.new_url()
    store, second = Store(root=str(scratch_of(url))), there / scratch_of(url).name
    cluster.start_head()
    elsewhere = cluster.join({here: there})
    variables = {
        **cluster.environment, "RAY_ADDRESS": cluster.address, SCRATCH_VARIABLE: str(here)
    }  # fmt: skip
    with _running(reference.given, url, "ray:auto", variables, *partitions) as command:
        killed_within(second / "locks" / "pose_tracks")
        wait_until(lambda: bool(held_locks(second / "locks" / "trainings")), 900)
        elsewhere.kill()
        output, _ = command.communicate(timeout=1200)
    assert command.returncode == 0, output
    _assert_same(store, reference.store)
    made = [{path.name for path in (root / "frames").iterdir()} for root in (store.path, second)]
    assert all(made), "both nodes made clips"
    assert len(made[0] | made[1]) == FEWER_CLIPS
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    _assert_nothing_is_open(store)
    _assert_nothing_runs(cluster, variables)
    assert dance(url, "verify") == (0, "Every recorded file is what it was.")


@on_the_corpus
@pytest.mark.skipif(not can_mount(), reason="this user cannot give a process another host")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_interrupted_leaves_no_run_of_another_host_open(
    number: signal.Signals, make_corpus: MakeCorpus, cluster: Nodes, tmp_path: Path
) -> None:
    store = Store(root=str(tmp_path / "store"))
    variables = {**cluster.environment, "RAY_ADDRESS": cluster.address}
    with _working_elsewhere(cluster, make_corpus(12, 64), store, variables) as command:
        command.send_signal(number)
        output, _ = command.communicate(timeout=60)
    assert command.returncode == EXIT_INTERRUPTED, output
    _assert_nothing_is_open(store)
    with open_instance(store) as instance:
        assert instance.event_log_storage.get_concurrency_info("decode").active_slot_count == 0
    _assert_nothing_runs(cluster, variables)


@beside
@pytest.mark.skipif(not can_mount(), reason="this user cannot give a process another host")
def test_the_runs_of_a_command_that_is_killed_are_closed_on_every_host(
    make_corpus: MakeCorpus, cluster: Nodes, tmp_path: Path
) -> None:
    store = Store(root=str(tmp_path / "store"))
    variables = {**cluster.environment, "RAY_ADDRESS": cluster.address}
    with _working_elsewhere(cluster, make_corpus(12, 64), store, variables) as command:
        command.kill()
        command.wait(60)
    _assert_nothing_runs(cluster, variables)
    with open_instance(store) as instance:
        assert recover(instance, store), "runs were left open"
        assert instance.event_log_storage.get_concurrency_info("decode").active_slot_count == 0
    _assert_nothing_is_open(store)


# --- running ------------------------------------------------------------------------------------


@contextmanager
def _running(
    given: Given, store: str, engine: str, variables: dict[str, str], *more: str
) -> "Iterator[subprocess.Popen[str]]":
    """``dance run``, killed with all that it started when the block fails."""
    command = [
        sys.executable, "-m", "pipelines.cli", "run", "--store", store, "--profile", "smoke",
        "--clips", given.clips, "--annotations", str(given.annotations),
        "--tracks", str(given.tracks), "--engine", engine, *more,
    ]  # fmt: skip
    variables[MARK] = secrets.token_hex(8)
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, **variables},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            for one in [*psutil.Process(process.pid).children(recursive=True), process]:
                one.kill()
            process.communicate()


@contextmanager
def _working_elsewhere(
    cluster: Nodes, corpus: Corpus, store: Store, variables: dict[str, str]
) -> "Iterator[subprocess.Popen[str]]":
    """``dance run`` on two nodes, from when the one that is another host makes something."""
    cluster.start_head()
    cluster.join(host="elsewhere")
    with _running(Given.of(corpus), str(store.path), "ray:auto", variables) as command:
        wait_until(lambda: "elsewhere" in _working(store), 600)
        yield command


def _working(store: Store) -> set[str]:
    """The hosts that make something now."""
    return {owner.host for owner in held_locks(store.locks).values()}


# --- what came out ------------------------------------------------------------------------------


def _tables(store: Store) -> dict[str, pl.DataFrame]:
    """All tables but those of where files lie, and of how long things took."""
    paths = [*store.path.glob("tables/**/*.parquet"), *store.reports.glob("*.parquet")]
    found = {store.relative(path): pl.read_parquet(path) for path in paths}
    return {name: table for name, table in found.items() if Path(name).stem not in TABLES}


def _assert_same(store: Store, other: Store) -> None:
    mine, expected = _tables(store), _tables(other)
    assert mine.keys() == expected.keys()
    assert [name for name in mine if name.startswith("tables/pose_tracks/")]
    assert [name for name, table in mine.items() if not table.equals(expected[name])] == []
    for network in NETWORKS:
        assert store.training(network) == other.training(network)


def _assert_nothing_is_open(store: Store) -> None:
    with open_instance(store) as instance:
        runs = instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED))
        assert [run.tags for run in runs] == []
    assert Tracker(store).running() == {}


def _assert_nothing_runs(cluster: Nodes, variables: dict[str, str]) -> None:
    """Nothing of the command is left; the nodes are there and do nothing for it."""

    def left() -> list[str]:
        of_nodes = {one.pid for node in cluster.nodes for one in node.processes()}
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):  # it has ended
                line = " ".join(process.cmdline())
                ours = process.pid in of_nodes and "pipelines." in line
                if ours or process.environ().get(MARK) == variables[MARK]:
                    found.append(line)
        return found

    with suppress(AssertionError):
        wait_until(lambda: not left(), 30)
    assert left() == []
