"""Clusters of Ray: what is refused, and what a node has to have. No cluster is started here."""

import importlib.util
import json
import signal
import threading
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import bucket
import polars as pl
import pytest

from dance_models.errors import InputError
from dance_models.tables import write_table, write_text
from pipelines import cluster
from pipelines.cluster import Ticket, checked, connected
from pipelines.processes import started_machine
from pipelines.storage.bucket import Bucket
from pipelines.storage.clips import RAW_CLIPS
from pipelines.storage.databases import NOTE
from pipelines.storage.place import PLACE
from pipelines.storage.remote import SCRATCH_VARIABLE
from pipelines.storage.store import Store

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="the extra [cluster] is not installed"
)


@pytest.fixture
def ticket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ticket:
    monkeypatch.setattr(cluster, "installed", lambda: {"dance": "1", "ray": "2"})
    (tmp_path / "token").touch()
    software = {"dance": "1", "ray": "2"}
    return Ticket(str(tmp_path), str(tmp_path / "token"), software, started_machine())


def test_an_unknown_engine_is_refused() -> None:
    assert checked("local") == "local"
    with pytest.raises(InputError, match=r"there is no engine 'spark'. Choose local, ray://"):
        checked("spark")
    with connected("local") as none:
        assert none is None


def test_ray_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise cluster.PackageNotFoundError(name)

    monkeypatch.setattr(cluster, "version", missing)
    with pytest.raises(InputError, match=r"Ray is not installed.*\[cluster\]"):
        checked("ray:auto")


@needs_ray
def test_an_address_without_a_cluster_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def nobody(**arguments: object) -> None:
        raise ConnectionError("nobody is there\nmore")

    monkeypatch.setattr(ray, "init", nobody)
    refused = pytest.raises(InputError, match=r"cannot be used \(nobody is there\)")
    with refused, connected("ray://127.0.0.1:1"):
        pass


def test_a_node_that_has_everything_may_work(ticket: Ticket) -> None:
    assert ticket.problem() is None
    ticket.check()


def test_a_node_with_other_software_is_named(ticket: Ticket) -> None:
    other = replace(ticket, software={"dance": "2", "ray": "2", "torch": "3"})
    with pytest.raises(InputError, match="dance 1 instead of 2, torch missing instead of 3"):
        other.check()


def test_a_node_that_does_not_see_the_store_is_named(ticket: Ticket, tmp_path: Path) -> None:
    Path(ticket.token).unlink()
    with pytest.raises(InputError, match="does not see the store"):
        ticket.check()
    assert not list(tmp_path.iterdir()), "asking makes no store"


def test_another_machine_cannot_share_files_of_sqlite(ticket: Ticket, tmp_path: Path) -> None:
    elsewhere = replace(ticket, machine="another")
    assert "SQLite" in str(elsewhere.problem())
    note = {name: f"postgresql://u@127.0.0.1:1/{name}" for name in ("dagster", "mlflow")}
    (tmp_path / NOTE).write_text(json.dumps(note))
    said = elsewhere.problem()  # SQLite is not the problem any more; there is no server
    assert said is not None and "SQLite" not in said


def test_a_node_makes_a_folder_of_its_own_for_a_store_in_a_bucket(
    ticket: Ticket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for all tasks of an occasion, at the path that the folder has at home."""
    made: list[tuple[str, Path]] = []

    def scratch(url: str, root: Path) -> Mock:
        made.append((url, root))
        return Mock()

    monkeypatch.setattr(cluster, "scratch", scratch)
    ticket = replace(ticket, url="s3://studio/of-a-test")
    assert ticket.problem() is None
    assert made == [], "the node sees the folder of the command"
    Path(ticket.token).unlink()
    assert "SQLite" in str(ticket.problem())
    note = {name: f"postgresql://u@127.0.0.1:1/{name}" for name in ("dagster", "mlflow")}
    (tmp_path / NOTE).write_text(json.dumps(note))
    (tmp_path / PLACE).write_text(json.dumps({"path": str(tmp_path)}))
    monkeypatch.setattr(cluster, "reach", lambda databases: None)
    assert ticket.problem() is None
    assert made == [("s3://studio/of-a-test", tmp_path)]
    ticket.again().check()
    assert len(made) == 2


def test_a_node_fetches_of_the_clips_those_that_it_works_on(
    s3: str, ticket: Ticket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside what is of no single clip; from one listing, however many tasks it gets."""
    monkeypatch.setenv(SCRATCH_VARIABLE, str(tmp_path / "scratch"))
    url = bucket.new_url()
    store = Store(root=url).settled()
    rows = [{**dict.fromkeys(RAW_CLIPS), "clip": "a", "path": str(store.raw_clips / "a.mp4")}]
    rows += [{**rows[0], "clip": "c", "path": str(store.raw_clips / "c")}]
    write_table(pl.DataFrame(rows, RAW_CLIPS), store.table("raw_clips"))
    for name in ("a.mp4", "b.mp4", "c/0.png", "ca/0.png"):
        write_text(store.raw_clips / name, name)
    for clip in ("a", "b", "c"):
        write_table(pl.DataFrame({"x": [1]}), store.table("clip_probe", clip))
        write_text(store.manifest("clip_probe", clip), "{}")
    write_table(pl.DataFrame({"x": [1]}), store.table("pose_dataset"))
    store.send()
    store.path.rename(tmp_path / "of the command")  # as seen from another machine

    def there() -> set[str]:
        files = (path for path in store.path.rglob("*") if path.is_file())
        return {store.relative(path) for path in files if not path.name.startswith(".")}

    elsewhere = replace(ticket, store=str(store.path), token="nowhere", url=url)
    assert "SQLite" in str(elsewhere.problem())
    shared = {"tables/raw_clips.parquet", "tables/pose_dataset.parquet"}
    assert there() == shared
    listings: list[str] = []
    listed = Bucket.listed
    monkeypatch.setattr(Bucket, "listed", lambda self: listings.append(self.url) or listed(self))
    assert "SQLite" in str(elsewhere.problem(("a",)))
    of_a = {"raw/clips/a.mp4", "tables/clip_probe/a.parquet", "manifests/clip_probe/a.json"}
    assert there() == shared | of_a
    assert "SQLite" in str(elsewhere.problem(("c", "unknown")))
    of_c = {"raw/clips/c/0.png", "tables/clip_probe/c.parquet", "manifests/clip_probe/c.json"}
    assert there() == shared | of_a | of_c
    assert listings == []


def test_the_code_is_part_of_the_software() -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("the extra [cluster] is not installed")
    assert len(cluster.installed()["its code"]) == 12


def test_a_handler_that_connecting_puts_on_sigterm_is_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ray's lies below Python's: it is gone when Python's is set once more."""
    was, told = signal.getsignal(signal.SIGTERM), list[object]()
    monkeypatch.setattr(signal, "signal", lambda number, handler: told.append((number, handler)))
    cluster._take_back_sigterm()
    assert told == [(signal.SIGTERM, was)]
    thread = threading.Thread(target=cluster._take_back_sigterm)
    thread.start()
    thread.join()
    assert len(told) == 1, "only the main thread may set a handler"
