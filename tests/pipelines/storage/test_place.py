"""A store that was moved or copied: what it says about itself lies in it again."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from postgres import both, on_server
from registry_case import Case, gate, make_case
from sqlalchemy import text

from dance_models.errors import InputError
from dance_models.tables import file_digest
from pipelines.storage.clips import registered_clips
from pipelines.storage.databases import NOTE, connection_to, mlflow_address, tables_of
from pipelines.storage.locks import file_lock
from pipelines.storage.place import (
    LOCK,
    PLACE,
    _mended,
    known_as,
    mend,
    mover,
    note_foreign_databases,
    remembered,
    settle,
)
from pipelines.storage.store import Store
from pipelines.tracking.lineage import compare, trace
from pipelines.tracking.promotion_gate import PROMOTED, run_gate

NAMES = ("with space", "100%", "täñz_舞", "hash#mark & 'quotes'", "long" * 50)


def digests(folder: Path) -> dict[str, str]:
    return {str(path): file_digest(path) for path in folder.rglob("*") if path.is_file()}


def texts(store: Path) -> str:
    """All text of MLflow's database, of the registered files and of the runs' records."""
    parts = []
    with connection_to(mlflow_address(store)) as connection:
        for table in sorted(tables_of(connection)):
            parts += map(str, connection.execute(text(f"SELECT * FROM {table}")))
    parts += [path.read_text() for path in store.rglob("lineage.json")]
    for name in ("raw_clips", "raw_annotations"):
        parts.append(str(pl.read_parquet(store / f"tables/{name}.parquet").rows()))
    return "\n".join(parts)


def check_works(store: Path) -> None:
    """Everything that reads an address or writes to one works, in the store itself."""
    case = Case(Store(root=str(store)), make_tracker(store))
    root = trace(case.store, "dance-prediction@champion")
    assert compare(root).differs == ()
    assert all(node.file.is_relative_to(store) for node in root.walk() if node.file is not None)
    assert all(Path(p).is_relative_to(store) for p in registered_clips(case.store)["path"])
    case.train(f"again {store.name}", noise=1e-4)
    assert run_gate(case.store, "prediction", "stga_net", gate()).state == PROMOTED


def make_tracker(store: Path):  # type: ignore[no-untyped-def]
    from pipelines.tracking.tracker import Tracker

    return Tracker(Store(root=str(store)))


def trained(case: Case) -> Path:
    case.train("first")
    assert run_gate(case.store, "prediction", "stga_net", gate()).state == PROMOTED
    return case.store.path


@both
def test_a_moved_store_works_and_the_old_path_stays_away(
    case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = trained(case), tmp_path / "100% é #x"
    old.rename(new)
    check_works(new)
    assert f"This store was moved from {old} to {new}; its addresses were mended." in caplog.text
    assert not old.exists()
    assert str(old) not in texts(new)


def test_a_copy_mends_itself_and_leaves_the_original_alone(case: Case, tmp_path: Path) -> None:
    old, new = trained(case), tmp_path / "copy é"
    before = digests(old)
    shutil.copytree(old, new)
    check_works(new)
    assert digests(old) == before
    assert remembered(old) == old
    assert settle(old) is None


@on_server
def test_a_copy_that_names_the_databases_of_its_original_is_refused(
    case: Case, tmp_path: Path
) -> None:
    """Mending it would move the original's addresses."""
    old, new = case.store.path, tmp_path / "copy"
    before = texts(old)
    shutil.copytree(old, new)
    with pytest.raises(InputError, match=rf"{NOTE}: .* a copy of the store {old}. .*two databases"):
        settle(new)
    (new / PLACE).unlink()  # as a new store does that is given them
    with pytest.raises(InputError, match="in use"):
        settle(new)
    assert texts(old) == before


def test_a_restored_store_does_not_touch_the_databases_of_its_original(tmp_path: Path) -> None:
    """Also where the folder of the original is not seen, as on another machine."""
    new, others = tmp_path / "new", "postgresql://nobody@127.0.0.1:1/"
    new.mkdir()
    (new / PLACE).write_text(json.dumps({"path": str(tmp_path / "elsewhere")}))
    for names in (("dagster", "mlflow"), ("dagster2", "mlflow2")):
        note = {"dagster": others + names[0], "mlflow": others + names[1]}
        (new / NOTE).write_text(json.dumps(note))
        if names[0] == "dagster":
            note_foreign_databases(new)
            with pytest.raises(InputError, match=r"in use.*two databases of its own"):
                settle(new)
    assert remembered(new) == tmp_path / "elsewhere"
    with pytest.raises(InputError, match="cannot be reached"):  # its own: now they are looked for
        settle(new)


def test_a_store_of_an_earlier_version_knows_its_place_by_mlflow(
    case: Case, tmp_path: Path
) -> None:
    old, new = case.store.path, tmp_path / "new"
    (old / PLACE).unlink()
    old.rename(new)
    assert remembered(new) == old
    settle(new)
    assert remembered(new) == new
    assert str(old) not in texts(new)


def test_a_mending_that_was_killed_is_repeated(case: Case, tmp_path: Path) -> None:
    """Twice is the same as once, also in a store that was moved below its own old path."""
    old, new = case.store.path, tmp_path / "store" / "deeper"
    old.rename(tmp_path / "aside")
    old.mkdir()
    (tmp_path / "aside").rename(new)
    mend(new, old)
    once = texts(new)
    mend(new, old)
    assert texts(new) == once
    assert str(new) in once
    assert str(old) not in once.replace(str(new), "")


@pytest.mark.parametrize("name", NAMES)
def test_addresses_of_every_form_are_replaced_at_whole_names_only(name: str) -> None:
    old, new = Path("/data") / name, Path("/mnt/n ü#") / name
    moved = mover(old, new)
    for form in (str, Path.as_uri):
        assert moved(form(old)) == form(new)
        assert moved(form(old / "a" / "b")) == form(new / "a" / "b")
    for other in (f"{old}2/x", f"/mnt{old}/x", "file:///elsewhere", "contemporary"):
        assert moved(other) == other


def test_the_source_of_a_data_set_is_json() -> None:
    moved = mover(Path("/data/tänze"), Path('/mnt/"n" ü'))
    mended = _mended(json.dumps({"uri": "/data/tänze/tables/x"}), moved)
    assert json.loads(mended) == {"uri": '/mnt/"n" ü/tables/x'}
    listed = json.dumps([{"path": "/data/tänze/tables/x"}])
    assert json.loads(_mended(listed, moved)) == [json.loads(mended.replace('"uri"', '"path"'))]
    assert _mended("{not json", moved) == "{not json"


def test_a_folder_with_two_names_keeps_the_one_it_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a disk is mounted twice: commands by either name do not mend it in turns."""
    first, second = tmp_path / "a", tmp_path / "b"
    store = Store(root=str(first)).initialise()
    shutil.copytree(first, second)
    monkeypatch.setattr(Path, "samefile", lambda self, other: True)
    assert known_as(second) == first
    assert Store(root=str(second)).path == store.path
    monkeypatch.undo()
    assert known_as(second) == second


def test_a_link_at_the_old_path_is_no_second_name(tmp_path: Path) -> None:
    """It may be removed: the store is known by its own path."""
    old, new = tmp_path / "old", tmp_path / "new"
    Store(root=str(old)).initialise()
    old.rename(new)
    old.symlink_to(new)
    for root in (old, new):
        assert Store(root=str(root)).initialise().path == new
        assert remembered(new) == new


def test_nothing_is_mended_in_a_folder_that_is_no_store(tmp_path: Path) -> None:
    assert settle(tmp_path / "none") is None
    assert not (tmp_path / "none").exists()
    with file_lock(tmp_path / LOCK):  # a store that is known here takes no lock
        (tmp_path / PLACE).write_text(json.dumps({"path": str(tmp_path)}))
        assert settle(tmp_path) is None


def test_the_parts_of_mlflow_that_are_made_lie_in_the_store(tmp_path: Path) -> None:
    """MLflow's own experiment too, which would keep its files in the current folder."""
    case = make_case(tmp_path / "store")
    experiments = case.tracker.client.search_experiments()
    assert {experiment.name for experiment in experiments} == {"Default", "dance-pose"}
    artifacts = (case.store.mlflow / "artifacts").as_uri()
    assert all(e.artifact_location.startswith(artifacts) for e in experiments)


@pytest.mark.parametrize("name", ["tables/raw_clips.parquet", "mlflow/mlflow.db"])
def test_a_damaged_file_of_a_moved_store_is_named(case: Case, tmp_path: Path, name: str) -> None:
    """Nothing is noted as mended: the file may be restored from a backup with the old addresses."""
    moved = tmp_path / "moved"
    shutil.copytree(case.store.path, moved)
    content = (moved / name).read_bytes()
    (moved / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=rf"{name}: the .*Restore it from a backup, or delete"):
        settle(moved)
    assert remembered(moved) == case.store.path
    (moved / name).write_bytes(content)
    settle(moved)
    assert remembered(moved) == moved
